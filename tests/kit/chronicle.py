"""What many clients of one account know together, and what follows from it.

Each client tells what it did and what it was told; a server that contradicts itself is found here, also where each
client alone could be content: one message in two places or in none, one mod-sequence with two sets of flags, a flag
that nobody took away and that is lost, a UID given twice.

Every client has a mark: a keyword that nobody else sets or removes. So what the mark must be is known, over copies and
moves, too, but where somebody replaces all flags, which happens in one mailbox only.
"""

from collections import defaultdict
from dataclasses import dataclass, field

Place = tuple[str, int]
"""Mailbox and UID."""


class Broken(AssertionError):
    """The server said what it may not say."""


@dataclass
class Change:
    """A mark that was set or removed: when it was asked for, when that was answered, and whether it is there since."""

    begun: int
    there: bool
    ended: int | None = None


@dataclass
class Chronicle:
    """
    The book that all keep.

    Attributes:
        wild: The mailbox in which flags are replaced: nothing is known of marks there.
        moment: Counts what happens.
        letters: The octets of what was appended or delivered, by Subject; what is delivered gets more in front.
        put: The Subject of every message that was appended, by its place.
        origin: Where a copy was made from.
        moved: Where a message was moved to.
        gone: Messages that somebody was told to be gone.
        deleted: Messages that may have had \\Deleted at some time.
        missing: Messages that were left out of an answer as if they were gone, and which answer that was.
        delivered: Subjects of what was delivered.
        validity: UIDVALIDITY of each mailbox.
        counts: What only grows, by mailbox and name: UIDNEXT and HIGHESTMODSEQ.

    """

    wild: str
    moment: int = 0
    letters: dict[str, bytes] = field(default_factory=dict)
    put: dict[Place, str] = field(default_factory=dict)
    origin: dict[Place, Place] = field(default_factory=dict)
    moved: dict[Place, Place] = field(default_factory=dict)
    gone: set[Place] = field(default_factory=set)
    deleted: set[Place] = field(default_factory=set)
    missing: dict[Place, str] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)
    validity: dict[str, int] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    _flags: dict[tuple[str, int, int], frozenset[str]] = field(default_factory=dict)
    _marks: dict[tuple[Place, str], list[Change]] = field(default_factory=lambda: defaultdict(list))
    _at_first: dict[Place, dict[str, bool | None]] = field(default_factory=dict)

    def tick(self) -> int:
        """Return the number of this moment."""
        self.moment += 1
        return self.moment

    # where messages are

    def appended(self, mailbox: str, uid: int, subject: str, marks: tuple[str, ...]) -> None:
        """Take note of a new message, which has none of these marks."""
        self._new((mailbox, uid))
        self.put[mailbox, uid] = subject
        self._at_first[mailbox, uid] = dict.fromkeys(marks, False)

    def copied(self, source: Place, target: Place, begun: int, move: bool, marks: tuple[str, ...]) -> None:
        """Take note of a copy that was asked for at a moment, and is answered now."""
        self._new(target)
        self.origin[target] = source
        self._at_first[target] = {mark: self.marked(source, mark, begun, self.moment) for mark in marks}
        if source in self.deleted:
            self.deleted.add(target)
        if move:
            if source in self.moved:
                raise Broken(f"{source} was moved to {target}, but before to {self.moved[source]}")
            self.moved[source] = target

    def _new(self, place: Place) -> None:
        if place in self.put or place in self.origin:
            raise Broken(f"{place} was given twice")

    def subject(self, place: Place) -> str | None:
        """Return which message is there, None if nobody has told."""
        while place in self.origin:
            place = self.origin[place]
        return self.put.get(place)

    # flags

    def told_flags(self, place: Place, mod_seq: int, flags: frozenset[str]) -> None:
        """Take note of flags; at one mod-sequence they are the same for everybody."""
        known = self._flags.setdefault((*place, mod_seq), flags)
        if known != flags:
            raise Broken(f"{place} at {mod_seq} has {sorted(flags)}, somebody was told {sorted(known)}")

    def flags_at(self, place: Place, mod_seq: int) -> frozenset[str] | None:
        """Return which flags somebody was told that it has at a mod-sequence."""
        return self._flags.get((*place, mod_seq))

    def begin_mark(self, place: Place, mark: str, there: bool) -> Change:
        """Take note that a mark is going to be changed."""
        change = Change(self.tick(), there)
        self._marks[place, mark].append(change)
        return change

    def end_mark(self, place: Place, mark: str, change: Change, done: bool) -> None:
        """Take note that it was, or that it was refused."""
        change.ended = self.tick()
        if not done:
            self._marks[place, mark].remove(change)

    def marked(self, place: Place, mark: str, begin: int | None = None, end: int | None = None) -> bool | None:
        """Return whether a message had a mark all through that time, or has it now; None if nobody can know."""
        if place[0] == self.wild:
            return None
        begin = self.moment if begin is None else begin
        end = self.moment if end is None else end
        there = self._at_first.get(place, {}).get(mark)
        for change in self._marks.get((place, mark), ()):
            if change.ended is not None and change.ended <= begin:
                there = change.there
            elif change.begun < end:
                return None
        return there

    # what only grows

    def grows(self, mailbox: str, name: str, value: int, at_least: int) -> None:
        """Take note of UIDNEXT or HIGHESTMODSEQ; before the question it was known to be `at_least`."""
        if value < at_least:
            raise Broken(f"{name} of {mailbox} is {value}, and was {at_least}")
        self.counts[mailbox, name] = max(self.counts[mailbox, name], value)

    def valid(self, mailbox: str, validity: int) -> None:
        """Take note of UIDVALIDITY, which stays."""
        if self.validity.setdefault(mailbox, validity) != validity:
            raise Broken(f"UIDVALIDITY of {mailbox} is {validity}, and was {self.validity[mailbox]}")

    # the end

    def agree(self, mailbox: str, found: "dict[int, Found]", uid_next: int, marks: tuple[str, ...]) -> int:
        """Compare with what is in a mailbox at the end; return how many messages nobody put there."""
        unknown = 0
        for uid in range(1, uid_next):
            place = (mailbox, uid)
            here = found.get(uid)
            unknown += place not in self.put and place not in self.origin
            if here is None:
                if place not in self.deleted and place not in self.moved:
                    raise Broken(f"{place}, {self.subject(place)}, is lost: nobody deleted or moved it")
                continue
            subject = self.subject(place)
            root = place
            while root in self.origin:
                root = self.origin[root]
            if subject is None and (root[0] != "INBOX" or here.subject not in self.delivered):
                raise Broken(f"{place} came from nowhere: {here.subject}")
            if subject not in (None, here.subject):
                raise Broken(f"{place} is {here.subject}, but {subject} was put there")
            letter = self.letters[here.subject]
            if not (here.text.endswith(letter) if here.subject in self.delivered else here.text == letter):
                raise Broken(f"{place} is not what was put there")
            if place in self.gone or place in self.moved or place in self.missing:
                why = self.missing.get(place) or self.moved.get(place) or "somebody was told so"
                raise Broken(f"{place} should be gone: {why}")
            self.told_flags(place, here.mod_seq, here.flags)
            for mark in marks:
                if self.marked(place, mark) is (mark not in here.flags):
                    raise Broken(f"{place} has {sorted(here.flags)}, and {mark} is wrong")
        if found and max(found) >= uid_next:
            raise Broken(f"{mailbox} has {max(found)}, and UIDNEXT is {uid_next}")
        return unknown


@dataclass(frozen=True)
class Found:
    """A message as it is in the end."""

    subject: str
    flags: frozenset[str]
    mod_seq: int
    text: bytes


__all__ = ["Broken", "Change", "Chronicle", "Found", "Place"]
