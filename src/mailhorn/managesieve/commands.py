"""The commands of RFC 5804 §2, as data."""

from enum import Enum

from msgspec import Struct


class Word(Enum):
    """Commands without arguments."""

    CAPABILITY = "CAPABILITY"
    LISTSCRIPTS = "LISTSCRIPTS"
    LOGOUT = "LOGOUT"
    STARTTLS = "STARTTLS"
    UNAUTHENTICATE = "UNAUTHENTICATE"


class Authenticate(Struct, frozen=True):
    """
    AUTHENTICATE (§2.1).

    Attributes:
        mechanism: In capitals.
        initial: The initial response, decoded; None if there is none.

    """

    mechanism: str
    initial: bytes | None = None


class HaveSpace(Struct, frozen=True):
    """HAVESPACE (§2.5): whether a script of so many octets may be put under that name."""

    name: bytes
    size: int


class PutScript(Struct, frozen=True):
    """PUTSCRIPT (§2.6)."""

    name: bytes
    script: bytes


class SetActive(Struct, frozen=True):
    """SETACTIVE (§2.8); the empty name means that none is."""

    name: bytes


class GetScript(Struct, frozen=True):
    """GETSCRIPT (§2.9)."""

    name: bytes


class DeleteScript(Struct, frozen=True):
    """DELETESCRIPT (§2.10)."""

    name: bytes


class RenameScript(Struct, frozen=True):
    """RENAMESCRIPT (§2.11)."""

    old: bytes
    new: bytes


class CheckScript(Struct, frozen=True):
    """CHECKSCRIPT (§2.12)."""

    script: bytes


class Noop(Struct, frozen=True):
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
