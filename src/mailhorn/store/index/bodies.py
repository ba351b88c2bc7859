"""Small bodies that are in the journal and no files yet.

Rule 1: a place is let go of before it is written again (`Journal.turn`), so what has been read is the body if its place
is still known afterwards. Whoever finds nothing here looks into the tables, or for the file. Rule 2: the last ones are
in memory, too: who was told of a message asks for it at once. Rule 3: the others are in no memory, not the system's
either (`direct`): the event loop takes what is `at_hand`, threads read the rest.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable

from ..abc import StoreUnavailable
from ..journal import Body, Journal

RECENT = 4 * 1024 * 1024
"""Octets of bodies that are kept in memory: all that is no file yet, unless a thousand come in a second."""

READ = 256 * 1024
"""Octets that are read at once, or a body that is larger."""

GAP = 64 * 1024
"""Octets that are read for nothing rather than asking once more: messages that came together are settled together."""


class NotInMemory(Exception):
    """The body has to be read from the disk: `Bodies.get` does that, in a thread."""


class Bodies:
    """
    Where they are, by the numbers of their blobs.

    Attributes:
        journal: What they are in; None while it is not open.
        octets: How many they have together.

    """

    def __init__(self) -> None:
        self.journal: Journal | None = None
        self.octets = 0
        # The first ones go first; to find the next of them in a dict is to walk over all that have gone.
        self._places: OrderedDict[int, Body] = OrderedDict()
        self._recent: OrderedDict[int, bytes] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, blob: int) -> bool:
        return blob in self._places

    def first(self, default: int) -> int:
        """Return the smallest number, the default if there is none."""
        with self._lock:
            return next(iter(self._places), default)

    def put(self, blob: int, place: Body, body: bytes | None = None) -> None:
        """Take note of a body; its number is greater than those of all before."""
        with self._lock:
            self._places[blob] = place
            self.octets += place.octets
            if body is not None:
                self._recent[blob] = body
                self._held += len(body)
                while self._held > RECENT:
                    self._held -= len(self._recent.popitem(last=False)[1])

    def forget(self, blob: int) -> None:
        """Let go of one, which may have gone before."""
        with self._lock:
            place = self._places.pop(blob, None)
            if place is not None:
                self.octets -= place.octets
                self._held -= len(self._recent.pop(blob, b""))

    def at_hand(self, blob: int) -> bytes | None:
        """Return a body without asking the disk, None if it is not here any more. Raises NotInMemory."""
        body = self._recent.get(blob)
        if body is None and blob in self._places:
            raise NotInMemory
        return body

    def get(self, blob: int) -> bytes | None:
        """Return a body, None if it is not here any more. Raises StoreUnavailable."""
        return self.get_many((blob,)).get(blob)

    def get_many(self, blobs: Iterable[int]) -> dict[int, bytes]:
        """Return those of the bodies that are here. Raises StoreUnavailable."""
        journal = self.journal
        if journal is None:
            return {}
        found: dict[int, bytes] = {}
        wanted: list[tuple[Body, int]] = []
        for blob in blobs:
            body, place = self._recent.get(blob), self._places.get(blob)
            if body is not None:
                found[blob] = body
            elif place is not None:
                wanted.append((place, blob))
        wanted.sort()
        at = 0
        while at < len(wanted):
            first = end = wanted[at][0].at
            until = at
            while until < len(wanted):
                place = wanted[until][0]
                if until > at and (place.at - end > GAP or place.at + place.octets - first > READ):
                    break
                end = place.at + place.octets
                until += 1
            try:
                octets = journal.read(Body(first, end - first))
            except OSError as problem:
                raise StoreUnavailable(f"the journal cannot be read ({problem.strerror}): see to the disk") from problem
            for place, blob in wanted[at:until]:
                if self._places.get(blob) is place:
                    found[blob] = octets[place.at - first : place.at - first + place.octets]
            at = until
        return found
