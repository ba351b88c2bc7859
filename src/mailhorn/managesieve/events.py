"""What happened on a connection."""

from dataclasses import dataclass

from .commands import Command


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A command that is legal now; answer it."""

    command: Command


@dataclass(frozen=True, slots=True)
class Responded:
    """The client has answered a challenge; answer that."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The client has given up AUTHENTICATE, or sent what is no answer to a challenge; it was answered."""


@dataclass(frozen=True, slots=True)
class Refused:
    """
    Something was answered with NO without asking; for a log.

    Attributes:
        reason: Why, in words of ours.

    """

    reason: str


Event = CommandReceived | Responded | Cancelled | Refused

__all__ = ["Cancelled", "CommandReceived", "Event", "Refused", "Responded"]
