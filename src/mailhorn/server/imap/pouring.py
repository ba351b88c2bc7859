"""Whole messages to a client, file by file, past the protocol core: what FETCH of BODY[] of many is made of."""

from collections.abc import Sequence

from ...net.spout import Spout
from ...store.abc import Taker


class Pouring(Taker):
    """
    Says messages of which each has something before and behind it.

    Attributes:
        spout: How they are sent; it has what is left.
        cut: Why a file could not be read to its end when some of it had been sent.

    """

    def __init__(self, spout: Spout, heads: Sequence[bytes], sizes: Sequence[int], tails: Sequence[bytes]) -> None:
        """
        Begin.

        Args:
            spout: Closed at the end.
            heads: What stands before each message.
            sizes: Octets of each.
            tails: What stands behind each.

        """
        self.spout = spout
        self.cut: OSError | None = None
        self._heads, self._sizes, self._tails = heads, sizes, tails

    def take(self, number: int, body: bytes | int) -> bool:
        """Send one, if the socket takes it."""
        spout = self.spout
        if spout.full or self.cut is not None:
            return False
        if isinstance(body, bytes):
            spout.say(self._heads[number])
            spout.say(body)
            spout.say(self._tails[number])
            return True
        try:
            return spout.file(self._heads[number], body, self._sizes[number], self._tails[number])
        except OSError as problem:
            self.cut = problem
            return False

    def end(self) -> None:
        """Send what is gathered."""
        self.spout.end()
        self.spout.close()


__all__ = ["Pouring"]
