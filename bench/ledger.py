"""What was sent, what was promised, who has seen what: the book that the soak is checked against. No I/O."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

SHOWN = 20
"""Faults kept in words; more are only counted."""


@dataclass(slots=True)
class _Mailbox:
    """One account's INBOX, as far as anybody was told."""

    readers: tuple[int, ...]
    accepted: set[int] = field(default_factory=set)
    names: dict[int, int] = field(default_factory=dict)
    """Message by UID."""
    uids: dict[int, int] = field(default_factory=dict)
    """UID by message."""
    unread: dict[int, set[int]] = field(default_factory=dict)
    """By UID: the readers who have not seen it. A message all have seen is in `common`."""
    common: set[int] = field(default_factory=set)
    """UIDs everybody has seen and nobody has deleted."""
    deleted: set[int] = field(default_factory=set)
    """UIDs somebody has asked to be expunged: they may be there or not."""
    uid_validity: int = 0

    def waiting(self, message: int) -> Collection[int]:
        """Return who has not seen it; a push may be faster than the answer, so some may have already."""
        uid = self.uids.get(message)
        return self.readers if uid is None else self.unread.get(uid, ())


class Ledger:
    """
    Every message of a soak.

    Attributes:
        issued: Messages sent, counted; each has its number.
        accepted: Of these answered 250.
        doubtful: Of these handed over whole, and never answered: they may be there or not.
        owed: How often a reader has yet to see an accepted message.
        faults: What must not be, in words, the first of them.
        fault_count: How much of it there was.

    """

    def __init__(self, mailboxes: Sequence[Iterable[int]]) -> None:
        """`mailboxes` has the readers of each mailbox."""
        self.issued = 0
        self.accepted = 0
        self.doubtful: set[int] = set()
        self.owed = 0
        self.faults: list[str] = []
        self.fault_count = 0
        self._mailboxes = [_Mailbox(tuple(readers)) for readers in mailboxes]
        self._place: list[int] = []

    def issue(self, mailbox: int) -> int:
        """Return the number of a new message that will be sent there."""
        self._place.append(mailbox)
        self.issued += 1
        return self.issued - 1

    def accept(self, message: int) -> None:
        """The server has taken the message: everybody who reads the mailbox must see it."""
        box = self._mailboxes[self._place[message]]
        box.accepted.add(message)
        self.accepted += 1
        self.owed += len(box.waiting(message))

    def doubt(self, message: int) -> None:
        """The message was handed over, and no answer came."""
        self.doubtful.add(message)

    def select(self, mailbox: int, uid_validity: int) -> None:
        """A reader was told UIDVALIDITY."""
        box = self._mailboxes[mailbox]
        if box.uid_validity not in (0, uid_validity):
            self.fault(f"mailbox {mailbox}: UIDVALIDITY was {box.uid_validity} and is {uid_validity}")
        box.uid_validity = uid_validity

    def see(self, reader: int, mailbox: int, uid: int, message: int) -> bool:
        """A reader was told that a message has this UID; return whether that is new to the reader."""
        box = self._mailboxes[mailbox]
        if not 0 <= message < self.issued or self._place[message] != mailbox:
            self.fault(f"mailbox {mailbox}: message {message} at UID {uid} was never sent there")
            return False
        if box.names.get(uid, message) != message:
            self.fault(f"mailbox {mailbox}: UID {uid} was message {box.names[uid]} and is {message}")
            return False
        if box.uids.get(message, uid) != uid:
            self.fault(f"mailbox {mailbox}: message {message} is there twice, as UID {box.uids[message]} and {uid}")
            return False
        if uid not in box.names:
            box.names[uid], box.uids[message] = message, uid
            box.unread[uid] = set(box.readers)
        waiting = box.unread.get(uid)
        if waiting is None or reader not in waiting:
            return False
        waiting.discard(reader)
        self.owed -= message in box.accepted
        if not waiting:
            del box.unread[uid]
            box.common.add(uid)
        return True

    def common(self, mailbox: int) -> list[int]:
        """Return the UIDs that all readers have seen, oldest first; others deleted, somebody would miss them."""
        return sorted(self._mailboxes[mailbox].common)

    def delete(self, mailbox: int, uids: Iterable[int]) -> None:
        """Somebody is about to expunge these."""
        box = self._mailboxes[mailbox]
        box.deleted.update(uids)
        box.common.difference_update(box.deleted)

    def missing(self) -> list[tuple[int, int]]:
        """Return (reader, message) for every message that was accepted and that a reader has not seen."""
        found = []
        for box in self._mailboxes:
            for message in box.accepted:
                found += [(reader, message) for reader in box.waiting(message)]
        return sorted(found)

    def contents(self, mailbox: int, uids: Iterable[int], who: str) -> None:
        """Check what a session finds in a mailbox against what is known of it."""
        box, found = self._mailboxes[mailbox], list(uids)
        if found != sorted(set(found)):
            self.fault(f"mailbox {mailbox}: {who} has UIDs out of order or twice: {found[:20]}")
        gone = box.names.keys() - box.deleted - set(found)
        strange = set(found) - box.names.keys()
        for uid in sorted(gone):
            self.fault(f"mailbox {mailbox}: UID {uid}, message {box.names[uid]}, is gone for {who}; nobody deleted it")
        for uid in sorted(strange):
            self.fault(f"mailbox {mailbox}: {who} has UID {uid}, which no reader was told of")

    def fault(self, text: str) -> None:
        """Note what must not be."""
        self.fault_count += 1
        if len(self.faults) < SHOWN:
            self.faults.append(text)
