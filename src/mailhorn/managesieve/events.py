"""What happened on a connection."""

from msgspec import Struct

from .commands import Command


class CommandReceived(Struct, frozen=True):
    """A command that is legal now; answer it."""

    command: Command


class Responded(Struct, frozen=True):
    """The client has answered a challenge; answer that."""

    data: bytes


class Cancelled(Struct, frozen=True):
    """The client has given up AUTHENTICATE, or sent what is no answer to a challenge; it was answered."""


class Refused(Struct, frozen=True):
    """
    Something was answered with NO without asking; for a log.

    Attributes:
        reason: Why, in words of ours.

    """

    reason: str


Event = CommandReceived | Responded | Cancelled | Refused

__all__ = ["Cancelled", "CommandReceived", "Event", "Refused", "Responded"]
