"""What clients were told of a store that is killed again and again, and what may therefore be in it.

Rule 1: what was acknowledged is certain. Rule 2: what was sent and never answered is in doubt: it has happened or it
has not, and nothing between. Rule 3: what was refused has not happened. Rule 4: what is seen after a start is certain
from there on, also if it had been in doubt.
"""

import contextlib
import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

MAX_DOUBTS = 8
"""Of one message; there is one for each client that worked on it when the server died."""


@dataclass(frozen=True)
class Copy:
    """
    A message in a mailbox.

    Attributes:
        place: The mailbox's UIDVALIDITY, which no two mailboxes share.
        uid: None if nobody has told it.
        flags: All of them.

    """

    place: int
    uid: int | None
    flags: frozenset[str] = frozenset()


World = tuple[Copy, ...]
Step = Callable[[World], World]


def added(copy: Copy) -> Step:
    """One more copy."""
    return lambda world: (*world, copy)


def gone(place: int, uid: int) -> Step:
    """The copy is there no more."""
    return lambda world: tuple(copy for copy in world if (copy.place, copy.uid) != (place, uid))


def flagged(place: int, uid: int, add: frozenset[str], remove: frozenset[str]) -> Step:
    """Its flags are changed."""
    return lambda world: tuple(
        replace(copy, flags=(copy.flags | add) - remove) if (copy.place, copy.uid) == (place, uid) else copy
        for copy in world
    )


def copied(place: int, uid: int, target: int, new: int | None, moved: bool) -> Step:
    """There is a copy in another mailbox, and if it was moved none where it was."""

    def step(world: World) -> World:
        flags = next((copy.flags for copy in world if (copy.place, copy.uid) == (place, uid)), None)
        if flags is None:
            return world
        left = gone(place, uid)(world) if moved else world
        return (*left, Copy(target, new, flags))

    return step


def both(first: Step, second: Step) -> Step:
    """One after the other."""
    return lambda world: second(first(world))


@dataclass
class Attempt:
    """A command on its way. Say `done` or `refused`; otherwise it stays in doubt."""

    ledger: "Ledger"
    steps: Mapping[str, Step]

    def done(self, steps: Mapping[str, Step] | None = None) -> None:
        """It was acknowledged; the steps say it more exactly than was known before."""
        with self.ledger.lock:
            for token, step in self.steps.items():
                if step in self.ledger.doubts[token]:  # else it has been seen already
                    self.ledger.doubts[token].remove(step)
                    exactly = (steps or self.steps)[token]
                    self.ledger.certain[token] = exactly(self.ledger.certain[token])

    def refused(self) -> None:
        """Nothing has happened."""
        with self.ledger.lock:
            for token, step in self.steps.items():
                self.ledger.doubts[token].remove(step)


@dataclass
class Ledger:
    """The book of one store."""

    certain: dict[str, World] = field(default_factory=lambda: defaultdict(tuple))
    doubts: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    given: dict[tuple[int, int], str] = field(default_factory=dict)
    """Every UID that anybody was ever told, and the message it is of."""
    lost: set[tuple[int, int]] = field(default_factory=set)
    """Those that are no more."""
    uid_next: dict[int, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    acknowledged: int = 0

    @contextlib.contextmanager
    def attempt(self, steps: Mapping[str, Step]) -> Iterator[Attempt]:
        """Send something."""
        with self.lock:
            for token, step in steps.items():
                self.doubts[token].append(step)
                assert len(self.doubts[token]) <= MAX_DOUBTS
        attempt = Attempt(self, steps)
        yield attempt
        self.acknowledged += 1

    def tell(self, token: str, place: int, uid: int) -> None:
        """A UID was told, by COPYUID, APPENDUID or FETCH."""
        with self.lock:
            assert self.given.setdefault((place, uid), token) == token, f"UID {uid} of {place} was given twice"
            assert (place, uid) not in self.lost, f"UID {uid} of {place} had been expunged"

    def saw(self, token: str, place: int, uid: int) -> None:
        """FETCH has shown a message, perhaps before its delivery was answered."""
        with self.lock:
            self.tell(token, place, uid)
            if any((copy.place, copy.uid) == (place, uid) for copy in self.certain[token]):
                return
            worlds = [self.certain[token], *(step(self.certain[token]) for step in self.doubts[token])]
            for number, world in enumerate(worlds):
                for copy in world:
                    if (copy.place, copy.uid) == (place, None):
                        if number:  # it has happened; its answer will say nothing new
                            del self.doubts[token][number - 1]
                        self.certain[token] = tuple(replace(c, uid=uid) if c is copy else c for c in world)
                        return

    def check(self, seen: Mapping[int, Mapping[int, tuple[str, frozenset[str]]]], uid_next: Mapping[int, int]) -> None:
        """
        Compare with all that is there, by mailbox and UID; it is certain from here on.

        Raises AssertionError if a message is lost, doubled, changed, or a UID is used again.
        """
        with self.lock:
            found: dict[str, list[Copy]] = defaultdict(list)
            assert self.uid_next.keys() <= uid_next.keys(), "a mailbox is gone, or has another UIDVALIDITY"
            for place, messages in seen.items():
                before = self.uid_next.get(place, 1)
                assert uid_next[place] >= before, f"UIDNEXT of {place} went from {before} to {uid_next[place]}"
                for uid, (token, flags) in messages.items():
                    assert uid < uid_next[place]
                    known = (place, uid) in self.given
                    assert known or uid >= before, f"UID {uid} of {place} is new, though UIDNEXT was {before}"
                    self.tell(token, place, uid)
                    found[token].append(Copy(place, uid, flags))
            for place, uid in self.given:
                assert uid < uid_next[place], f"UIDNEXT of {place} is {uid_next[place]}, UID {uid} was given"
            for token in found.keys() | self.certain.keys() | self.doubts.keys():
                assert any(_same(world, found[token]) for world in self._worlds(token)), (
                    f"{token} is there as {found[token]}, certain was {self.certain[token]},"
                    f" {len(self.doubts[token])} in doubt"
                )
            self.certain.clear()
            self.certain.update({token: tuple(copies) for token, copies in found.items() if copies})
            self.doubts.clear()
            there = {(copy.place, copy.uid) for copies in found.values() for copy in copies}
            self.lost = {key for key in self.given if key not in there}
            self.uid_next = dict(uid_next)

    def _worlds(self, token: str) -> Iterator[World]:
        doubts = self.doubts[token]
        for happened in itertools.product((True, False), repeat=len(doubts)):
            world = self.certain[token]
            for step, yes in zip(doubts, happened, strict=True):
                world = step(world) if yes else world
            yield world


def _same(world: World, found: list[Copy]) -> bool:
    """Return whether they are the same copies; where a UID is not known any one will do."""
    left = list(found)
    for copy in sorted(world, key=lambda copy: copy.uid is None):
        match = next(
            (c for c in left if c.place == copy.place and c.flags == copy.flags and copy.uid in (None, c.uid)), None
        )
        if match is None:
            return False
        left.remove(match)
    return not left
