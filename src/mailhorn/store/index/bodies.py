"""Small bodies that are in the journal and no files yet.

Rule: a place is let go of before it is written again (`Journal.turn`), so what has been read is the body if its place
is still known afterwards. Whoever finds nothing here looks into the tables, or for the file.
"""

from collections.abc import Iterable

from ..abc import StoreUnavailable
from ..journal import Body, Journal

GAP = 64 * 1024
"""Octets that are read for nothing rather than asking once more: messages that came together are settled together."""


class Bodies:
    """
    Where they are, by the numbers of their blobs.

    Attributes:
        journal: What they are in; None while it is not open.

    """

    def __init__(self) -> None:
        self.journal: Journal | None = None
        self._places: dict[int, Body] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, blob: int) -> bool:
        return blob in self._places

    def first(self, default: int) -> int:
        """Return the smallest number, the default if there is none."""
        return min(self._places, default=default)

    def put(self, blob: int, place: Body) -> None:
        """Take note of a body."""
        self._places[blob] = place

    def forget(self, blob: int) -> None:
        """Let go of one, which may have gone before."""
        self._places.pop(blob, None)

    def get(self, blob: int) -> bytes | None:
        """Return a body, None if it is not here any more. Raises StoreUnavailable."""
        return self.get_many((blob,)).get(blob)

    def get_many(self, blobs: Iterable[int]) -> dict[int, bytes]:
        """Return those of the bodies that are here. Raises StoreUnavailable."""
        journal = self.journal
        wanted = [(place, blob) for blob in blobs if (place := self._places.get(blob)) is not None]
        if journal is None or not wanted:
            return {}
        wanted.sort()
        found: dict[int, bytes] = {}
        at = 0
        while at < len(wanted):
            first = end = wanted[at][0].at
            until = at
            while until < len(wanted) and wanted[until][0].at - end <= GAP:
                end = wanted[until][0].at + wanted[until][0].octets
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
