"""From a name to a mailbox, one's own or another's, and what may be done there (RFC 4314 §4, RFC 2342).

Rule 1: a command that names a mailbox gets it from here, by saying what it is to do, or not at all; `NEEDED` is the one
place where it stands what that takes. Rule 2: who has no right to see a mailbox is told in every case what is told of
one that does not exist, in the same words. Rule 3: on what is one's own everything may be done, and no list is read.

Other people's mailboxes are called `Other Users/LOGIN/NAME`. Flags are the same for everybody who uses a mailbox.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ...model.ids import AccountId
from ...model.mailbox import DELIMITER, Mailbox, canonical_name
from ...model.rights import EVERY, Rights, granted, identifiers
from .conversation import Conversation
from .reply import CommandRefused

OTHERS = "Other Users" + DELIMITER
"""Prefix of the namespace of other users' mailboxes: the one of RFC 2342's examples, which clients show as it is."""


class Act(Enum):
    """What is to be done with a mailbox; the value is the commands that do it."""

    LIST = "LIST, LSUB"
    SUBSCRIBE = "SUBSCRIBE"
    CREATE = "CREATE below it, RENAME to below it"
    DELETE = "DELETE"
    RENAME = "RENAME"
    SELECT = "SELECT, EXAMINE"
    STATUS = "STATUS, LIST with STATUS"
    SEARCH = "ESEARCH of several mailboxes"
    SET_ACL = "SETACL, DELETEACL"
    GET_ACL = "GETACL, LISTRIGHTS"
    MY_RIGHTS = "MYRIGHTS, LIST with MYRIGHTS"
    APPEND = "APPEND, REPLACE, COPY and MOVE into it"
    METADATA = "GETMETADATA, SETMETADATA, LIST with METADATA"
    QUOTA_ROOT = "GETQUOTAROOT"
    EXPUNGE = "EXPUNGE, CLOSE"
    TAKE = "MOVE and REPLACE out of it"
    SEE = "FETCH that sets \\Seen"
    STORE = "STORE"
    WRITE = "SELECT as READ-WRITE"


class Need(NamedTuple):
    """Which rights something takes: all of the first, and one of the second if there are any."""

    every: str
    one: str = ""

    def met(self, rights: Rights) -> bool:
        """Say whether these rights are enough."""
        return rights.issuperset(self.every) and (not self.one or not rights.isdisjoint(self.one))


NEEDED: Mapping[Act, Need] = {
    Act.LIST: Need("l"),
    Act.SUBSCRIBE: Need("l"),
    Act.CREATE: Need("k"),
    Act.DELETE: Need("x"),
    Act.RENAME: Need("x"),
    Act.SELECT: Need("r"),
    Act.STATUS: Need("r"),
    Act.SEARCH: Need("lr"),  # a search of all that is below a name does not tell more than LIST
    Act.SET_ACL: Need("a"),
    Act.GET_ACL: Need("a"),
    Act.MY_RIGHTS: Need("", "lrikxa"),
    Act.APPEND: Need("i"),
    Act.METADATA: Need("l", "rswip"),  # RFC 5464 §3.3
    Act.QUOTA_ROOT: Need("r"),
    Act.EXPUNGE: Need("e"),
    Act.TAKE: Need("te"),  # RFC 6851 §4.2: as STORE \Deleted and EXPUNGE
    Act.SEE: Need("s"),
    Act.STORE: Need("", "swt"),
    Act.WRITE: Need("", "ieswt"),  # RFC 4314 §5.2
}
"""The table of RFC 4314 §4."""


@dataclass(frozen=True, slots=True)
class Reached:
    """
    A mailbox as somebody sees it.

    Attributes:
        mailbox: What the store calls it.
        name: What it is called for who has logged in.
        rights: What may be done.
        owner: Whose it is.
        own: Whether it is one's own.

    """

    mailbox: Mailbox
    name: str
    rights: Rights
    owner: str
    own: bool

    def may(self, act: Act) -> bool:
        """Say whether something may be done."""
        return self.own or NEEDED[act].met(self.rights)


async def reach(conversation: Conversation, name: str, act: Act, missing: str = "NONEXISTENT") -> Reached:
    """
    Return the mailbox of that name, to do something with it.

    Args:
        conversation: Who asks.
        name: What the client calls it.
        act: What is to be done.
        missing: The response code if there is no such mailbox, or none that may be seen.

    Raises CommandRefused.

    """
    found = await _find(conversation, name)
    if found is None:
        raise nothing_there(missing)
    demand(found, act, missing)
    return found


def demand(found: Reached, act: Act, missing: str = "NONEXISTENT") -> None:
    """Raise CommandRefused if something may not be done: as if nothing were there, if that may not be seen either."""
    if found.may(act):
        return
    if not found.may(Act.LIST):
        raise nothing_there(missing)
    raise CommandRefused("You have no right to do that there", "NOPERM")


def demand_selected(conversation: Conversation, act: Act) -> None:
    """Raise CommandRefused if something may not be done with the selected mailbox."""
    if not may_selected(conversation, act):
        raise CommandRefused("You have no right to do that here", "NOPERM")


def may_selected(conversation: Conversation, act: Act) -> bool:
    """Say whether something may be done with the selected mailbox."""
    return NEEDED[act].met(conversation.open_mailbox.rights)


def nothing_there(code: str = "NONEXISTENT") -> CommandRefused:
    """Return what to raise where there is nothing, or nothing to be seen."""
    return CommandRefused("There is no such mailbox", code)


async def of_others(conversation: Conversation, act: Act = Act.LIST) -> list[Reached]:
    """Return other people's mailboxes with which something may be done."""
    login, found = conversation.owner.login, []
    for owner, mailbox, acl in await conversation.context.store.index.shared(identifiers(login)):
        one = Reached(mailbox, f"{OTHERS}{owner}{DELIMITER}{mailbox.name}", granted(acl, login), owner, own=False)
        if owner != login and one.may(act):
            found.append(one)
    return found


async def place(conversation: Conversation, name: str) -> tuple[AccountId, str]:
    """
    Return in whose account a mailbox that is to be made lies, and what it is called there.

    Raises CommandRefused: always in the same words, if the nearest mailbox above it does not allow it.
    """
    owner = conversation.owner
    if not (name + DELIMITER).startswith(OTHERS):
        return owner.id, canonical_name(name)
    levels = name.split(DELIMITER)
    for depth in range(len(levels) - 1, 2, -1):
        above = await _find(conversation, DELIMITER.join(levels[:depth]))
        if above is not None:
            if above.own or not above.may(Act.CREATE):
                break
            return above.mailbox.account, canonical_name(DELIMITER.join(levels[2:]))
    raise CommandRefused("You have no right to make mailboxes there", "NOPERM")


def canonical(name: str) -> str:
    """Return the one spelling of a name: INBOX is the same in any case, other people's too."""
    if not name.startswith(OTHERS):
        return canonical_name(name)
    login, delimiter, rest = name[len(OTHERS) :].partition(DELIMITER)
    return f"{OTHERS}{login}{delimiter}{canonical_name(rest)}"


async def _find(conversation: Conversation, name: str) -> Reached | None:
    """Return the mailbox of that name with whatever rights there are, maybe none."""
    index, owner = conversation.context.store.index, conversation.owner
    mailbox = await index.mailbox(owner.id, name)  # it may be called like another's, if it came with a Maildir
    if mailbox is not None:
        return Reached(mailbox, name, EVERY, owner.login, own=True)
    name = canonical(name)
    login, _, rest = name.removeprefix(OTHERS).partition(DELIMITER)
    if not name.startswith(OTHERS) or not rest or login == owner.login:
        return None
    account = await index.account(login)
    if account is None or account.login != login:
        return None
    mailbox = await index.mailbox(account.id, rest)
    if mailbox is None:
        return None
    return Reached(mailbox, name, granted(await index.acl(mailbox.id), owner.login), login, own=False)


__all__ = [
    "NEEDED",
    "OTHERS",
    "Act",
    "Need",
    "Reached",
    "canonical",
    "demand",
    "demand_selected",
    "may_selected",
    "nothing_there",
    "of_others",
    "place",
    "reach",
]
