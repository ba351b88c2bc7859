"""Having the rules act on what they did not act on: old mail, and what the brake holds. Scripts; pure.

Rule 1: messages that the watcher has not seen yet are its own: the cursor in the journal is the border. Rule 2: what is
under way is left alone.
"""

from collections.abc import Callable, Sequence

from ..imap.commands import Fetch
from ..model.ids import UID, UIDValidity
from ..model.numbers import UIDSet
from .account import WatchAccount
from .conversation import Conversation, Script
from .errand import ErrandScript, opened
from .filing import GROUP, WINDOW, Filing
from .judging import Directory, Judge, items_of
from .ledger import Baseline, Load, Loaded, Order, Ordered, Pending, Place, Release, Row
from .looking import uids_in
from .trouble import Over, Trouble


def applying(mailbox: str, counted: Callable[[int], None], judged: Callable[[int], None]) -> ErrandScript:
    """
    Return the script that files what is in a mailbox and what the watcher has seen, or would not look at.

    Args:
        mailbox: Which.
        counted: Told how many there are.
        judged: Told of so many more that the rules were asked about.

    """

    def script(talk: Conversation, account: WatchAccount) -> Script[None]:
        place = Place(account.name, mailbox)
        filing, uid_validity = yield from _begin(talk, account, place)
        loaded = yield from talk.ask(Load(place))
        assert isinstance(loaded, Loaded)
        cursor = loaded.cursor
        if loaded.uid_validity is None:  # from now on the watcher begins behind what is filed here
            cursor = talk.numbers.get("UIDNEXT", 0) or (yield from talk.highest_uid()) + 1
            yield from talk.ask(Baseline(place, uid_validity, cursor))
        elif loaded.uid_validity != uid_validity:
            raise Over(Trouble.MAILBOX, f"{mailbox} was numbered anew; run `mailhorn watch` first, it will note that")
        uids = (yield from uids_in(talk, UIDSet(((1, cursor - 1),)))) if cursor > 1 else []
        counted(len(uids))
        judge = Judge(talk, account, mailbox, Directory(talk, account))
        for start in range(0, len(uids), WINDOW):
            window = uids[start : start + WINDOW]
            fetched = yield from talk.fetch(Fetch(UIDSet.of(window), items_of(account)))
            rows: list[Row] = []
            for uid in sorted(fetched.keys() & set(window)):
                verdict = yield from judge.judge(fetched[uid], is_new=False)
                if verdict.trouble:
                    talk.warn(f"message {uid} of {mailbox} stays as it is: {verdict.trouble}")
                if verdict.steps:
                    rows.append(verdict.row())
            for first in range(0, len(rows), GROUP):
                yield from _order(talk, filing, Order(place, uid_validity, tuple(rows[first : first + GROUP])))
            judged(len(window))

    return script


def releasing(mailbox: str, held: Sequence[tuple[UIDValidity, UID]], drop: bool) -> ErrandScript:
    """
    Return the script that does what the brake held, or notes that it is not to be done.

    Args:
        mailbox: Where the messages are.
        held: Which they are.
        drop: It is not to be done.

    """

    def script(talk: Conversation, account: WatchAccount) -> Script[None]:
        place = Place(account.name, mailbox)
        filing, uid_validity = yield from _begin(talk, account, place)
        for epoch in {epoch for epoch, _ in held}:
            uids = sorted(uid for of, uid in held if of == epoch)
            gone = drop or epoch != uid_validity  # of an older epoch nothing can be done
            for start in range(0, len(uids), GROUP):
                yield from _order(talk, filing, Release(place, epoch, tuple(uids[start : start + GROUP]), gone))

    return script


def _begin(talk: Conversation, account: WatchAccount, place: Place) -> Script[tuple[Filing, UIDValidity]]:
    """Select a mailbox, and finish what an earlier errand has left there."""

    def reselect() -> Script[None]:
        yield from opened(talk, place.mailbox, read_only=False)

    filing = Filing(talk, account, place, reselect, tries=1)
    filing.uid_validity = yield from opened(talk, place.mailbox, read_only=False)
    pending = yield from talk.ask(Pending(place, filing.uid_validity))
    assert isinstance(pending, Ordered)
    yield from filing.reconcile(pending.tasks)
    return filing, filing.uid_validity


def _order(talk: Conversation, filing: Filing, request: Order | Release) -> Script[None]:
    ordered = yield from talk.ask(request)
    assert isinstance(ordered, Ordered)
    yield from filing.act(ordered.tasks, None)


__all__ = ["applying", "releasing"]
