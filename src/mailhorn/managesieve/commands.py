"""The commands of RFC 5804 §2, as data."""

from dataclasses import dataclass
from enum import Enum


class Word(Enum):
    """Commands without arguments."""

    CAPABILITY = "CAPABILITY"
    LISTSCRIPTS = "LISTSCRIPTS"
    LOGOUT = "LOGOUT"
    STARTTLS = "STARTTLS"
    UNAUTHENTICATE = "UNAUTHENTICATE"


@dataclass(frozen=True, slots=True)
class Authenticate:
    """
    AUTHENTICATE (§2.1).

    Attributes:
        mechanism: In capitals.
        initial: The initial response, decoded; None if there is none.

    """

    mechanism: str
    initial: bytes | None = None


@dataclass(frozen=True, slots=True)
class HaveSpace:
    """HAVESPACE (§2.5): whether a script of so many octets may be put under that name."""

    name: bytes
    size: int


@dataclass(frozen=True, slots=True)
class PutScript:
    """PUTSCRIPT (§2.6)."""

    name: bytes
    script: bytes


@dataclass(frozen=True, slots=True)
class SetActive:
    """SETACTIVE (§2.8); the empty name means that none is."""

    name: bytes


@dataclass(frozen=True, slots=True)
class GetScript:
    """GETSCRIPT (§2.9)."""

    name: bytes


@dataclass(frozen=True, slots=True)
class DeleteScript:
    """DELETESCRIPT (§2.10)."""

    name: bytes


@dataclass(frozen=True, slots=True)
class RenameScript:
    """RENAMESCRIPT (§2.11)."""

    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class CheckScript:
    """CHECKSCRIPT (§2.12)."""

    script: bytes


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP (§2.13); the tag comes back with the answer."""

    tag: bytes | None = None


Command = (
    Word
    | Authenticate
    | HaveSpace
    | PutScript
    | SetActive
    | GetScript
    | DeleteScript
    | RenameScript
    | CheckScript
    | Noop
)

__all__ = [
    "Authenticate",
    "CheckScript",
    "Command",
    "DeleteScript",
    "GetScript",
    "HaveSpace",
    "Noop",
    "PutScript",
    "RenameScript",
    "SetActive",
    "Word",
]
