"""`mailhorn demo`: the whole of mailhorn in one process, on real sockets, with a stop-watch."""

from .run import demo

__all__ = ["demo"]
