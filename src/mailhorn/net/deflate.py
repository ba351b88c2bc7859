"""DEFLATE in both directions of a connection (RFC 4978), bounded in memory.

Rule 1: what was received is inflated in pieces, and only when the next one is wanted: a bomb costs its own sender's
time. Rule 2: all that is sent ends at an octet's boundary, so a compressor can be thrown away at any time and a
fresh one goes on: an idle connection keeps none.
"""

import zlib

PIECE = 64 * 1024
"""Octets inflated at a time."""
LEVEL = 3
"""Of zlib's 1 to 9: answers shrink to a third or less; 6 takes twice the time for some percent."""
SENT_WINDOW = 13
"""Octets looked back in what we send, as a power of two: 8 KiB hold the words of a hundred answers."""
SENT_MEMORY = 6
"""zlib's memLevel: with the window, a compressor takes 64 KiB, where the usual one takes 256."""
ANY_WINDOW = 15
"""The peer may look back 32 KiB, and nobody can tell it not to."""


class Deflate:
    """
    Both directions of one connection.

    Attributes:
        waiting: Something received is not inflated yet.

    """

    __slots__ = ("_compressor", "_inflator", "_left", "waiting")

    def __init__(self) -> None:
        self._compressor: zlib._Compress | None = None
        self._inflator = zlib.decompressobj(-ANY_WINDOW)
        self._left = b""
        self.waiting = False

    def compress(self, data: bytes) -> bytes:
        """Return what to send so that the peer has all of the data."""
        if self._compressor is None:
            self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -SENT_WINDOW, SENT_MEMORY)
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def rest(self) -> None:
        """Give back what compressing needs; nothing will be sent for a while."""
        self._compressor = None

    def received(self, data: bytes) -> None:
        """Keep what the peer sent; `take` inflates it."""
        self._left += data
        self.waiting = True

    def take(self) -> bytes:
        """
        Return the next piece, b"" if there is nothing for now.

        Raises:
            zlib.error: The peer does not send DEFLATE, or has ended its stream.

        """
        data = self._inflator.decompress(self._left, PIECE)
        if self._inflator.eof:
            raise zlib.error("the stream has ended")
        self._left = self._inflator.unconsumed_tail
        self.waiting = bool(self._left) or len(data) == PIECE
        return data


__all__ = ["Deflate"]
