"""What the rules would do to messages that are there: a dry run, and the explanation of one. Scripts; pure.

Rule: mailboxes are opened read-only, nothing is written down, and a message is not marked as read.
"""

from collections.abc import Callable, Sequence

from ..imap.commands import Attribute, Fetch
from ..model.ids import UID
from ..model.numbers import UIDSet
from ..model.search import HeaderKey, InUIDs
from .account import WatchAccount
from .conversation import Conversation, Script
from .errand import ErrandScript, opened
from .filing import WINDOW
from .judging import Directory, Judge, Verdict, items_of
from .trouble import Trouble, refused

EVERY = UIDSet(((1, 2**32 - 1),))
"""All UIDs that there can be."""


def trying(
    mailbox: str,
    last: int | None,
    counted: Callable[[int], None],
    judged: Callable[[Verdict], None],
    is_new: bool = True,
) -> ErrandScript:
    """
    Return the script of a dry run over one mailbox.

    Args:
        mailbox: Which.
        last: So many messages, the newest; None for all.
        counted: Told how many will be looked at.
        judged: Told of each, in order of UID; after a lost connection again from the beginning, `counted` first.
        is_new: What would be done if they came now; else what `applying` would do.

    """

    def script(talk: Conversation, account: WatchAccount) -> Script[None]:
        directory = Directory(talk, account)
        judge = Judge(talk, account, mailbox, directory, is_dry=True)
        yield from opened(talk, mailbox, read_only=True)
        uids = yield from uids_in(talk, EVERY)
        uids = uids[-last:] if last else uids
        counted(len(uids))
        for start in range(0, len(uids), WINDOW):
            window = uids[start : start + WINDOW]
            fetched = yield from talk.fetch(Fetch(UIDSet.of(window), items_of(account)))
            for uid in sorted(fetched.keys() & set(window)):
                verdict = yield from judge.judge(fetched[uid], is_new)
                judge.imagine(verdict)
                judged(verdict)

    return script


def explaining(
    mailbox: str, uid: int | None, message_id: str, home: str, found: Callable[[Verdict], None]
) -> ErrandScript:
    """
    Return the script that looks at one message.

    Args:
        mailbox: Where it is.
        uid: Its UID; None to look for its Message-ID.
        message_id: That.
        home: The mailbox that keep means, wherever the message is now.
        found: Told what the rules say; not called if it is not there.

    """

    def script(talk: Conversation, account: WatchAccount) -> Script[None]:
        yield from opened(talk, mailbox, read_only=True)
        uids: Sequence[int] = () if uid is None else (uid,)
        if uid is None:
            uids, done = yield from talk.search(HeaderKey("Message-ID", message_id))
            if not done.ok:
                raise refused("cannot search", done, Trouble.NET)
        if not uids:
            return
        wanted = UIDSet.of(sorted(uids)[-1:])
        fetched = yield from talk.fetch(Fetch(wanted, items_of(account)))
        judge = Judge(talk, account, home, Directory(talk, account), is_dry=True)
        for number in sorted(fetched.keys() & set(uids)):
            found((yield from judge.judge(fetched[number])))

    return script


def uids_in(talk: Conversation, numbers: UIDSet) -> Script[list[UID]]:
    """Return which of these UIDs there are in the selected mailbox, in their order."""
    found, done = yield from talk.search(InUIDs(numbers))
    if not done.ok:  # some servers refuse to search an empty mailbox
        fetched = yield from talk.fetch(Fetch(numbers, (Attribute.UID,)))
        return sorted(fetched)
    return sorted({UID(uid) for uid in found})


__all__ = ["EVERY", "explaining", "trying", "uids_in"]
