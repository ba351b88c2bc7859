"""Files to a socket without a detour: what lies in the system's memory is not copied into ours (sendfile(2)).

Rule 1: it has a descriptor of its own, so that nothing goes to a stranger if the connection ends meanwhile and its
number is given away. Rule 2: it never waits for the peer: what the socket does not take is left to the caller.
Rule 3: whoever has one is the only one who sends.
"""

import errno
import os
import socket

SMALL = 16 * 1024
"""Octets of a file up to which it is read and sent together with others: a call each costs more than the copy."""

GATHERED = 64 * 1024
"""Octets that are gathered before they are sent."""

MOST_PIECES = 256
"""Pieces that are gathered at the most; the system takes 1,024 at once."""


class Spout:
    """
    Sends octets and files as long as the socket takes them; may be used in a thread.

    Attributes:
        left: What was to be sent and could not be, in order.
        lost: The connection is gone.

    """

    def __init__(self, fd: int) -> None:
        """Take the descriptor of a connected socket that does not block; it is copied."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, os.dup(fd))
        self._pieces: list[bytes] = []
        self._gathered = 0
        self.left: list[bytes] = []
        self.lost = False

    @property
    def full(self) -> bool:
        """Whether the socket takes no more for now, or never again."""
        return self.lost or bool(self.left)

    def say(self, data: bytes) -> None:
        """Send octets, now or with what comes after them."""
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered >= GATHERED or len(self._pieces) >= MOST_PIECES:
            self._send(socket.MSG_MORE)

    def file(self, before: bytes, fd: int, size: int, behind: bytes = b"") -> bool:
        """
        Send octets, the first of a file, and octets; what the socket does not take is read, and left with the rest.

        Returns False, and has sent nothing, if the file has not so many or cannot be read. Raises OSError if that comes
        out when some of it has been sent.

        """
        try:
            if size <= SMALL:
                data = os.pread(fd, size, 0)
                if len(data) < size:
                    return False
                self._pieces += before, data, behind
                self._gathered += len(before) + size + len(behind)
                if self._gathered >= GATHERED or len(self._pieces) >= MOST_PIECES:
                    self._send(socket.MSG_MORE)
                return True
            if os.fstat(fd).st_size < size:
                return False
        except OSError:
            return False
        self._pieces.append(before)
        self._gathered += len(before)
        self._send(socket.MSG_MORE)
        at = 0
        while at < size and not self.lost:
            sent = 0 if self.left else self._send_file(fd, at, size)
            at += sent
            if not sent and not self.lost:
                self.left.append(_read(fd, at, size))
                break
        self._pieces.append(behind)
        self._gathered += len(behind)
        return True

    def end(self) -> None:
        """Send what was gathered."""
        self._send(0)

    def close(self) -> None:
        """Let go of the descriptor; the connection is as it was."""
        self._socket.close()

    def _send(self, flags: int) -> None:
        pieces, gathered = self._pieces, self._gathered
        self._pieces, self._gathered = [], 0
        if not pieces or self.lost:
            return
        if self.left:
            self.left += pieces
            return
        try:
            sent = self._socket.sendmsg(pieces, (), flags)
        except OSError as problem:
            sent = 0
            self.lost = problem.errno not in _FULL
        if sent < gathered and not self.lost:
            self.left.append(b"".join(pieces)[sent:])

    def _send_file(self, fd: int, start: int, end: int) -> int:
        """Return how many octets were sent. Raises OSError if the file cannot be read."""
        try:
            return os.sendfile(self._socket.fileno(), fd, start, end - start)
        except OSError as problem:
            self.lost = isinstance(problem, ConnectionError) or problem.errno in _GONE
            if not self.lost and problem.errno not in _FULL:
                raise
            return 0


_FULL = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM)
"""The socket takes no more for now."""


_GONE = (errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)
"""The connection has ended; those that Python calls ConnectionError apart."""


def _read(fd: int, start: int, end: int) -> bytes:
    """Return what of a file could not be sent. Raises OSError, also if it has been cut since it was looked at."""
    data = os.pread(fd, end - start, start)
    if len(data) < end - start:
        raise OSError(errno.EIO, "the file was cut while it was sent")
    return data


__all__ = ["Spout"]
