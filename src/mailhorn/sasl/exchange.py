"""What one step of a SASL exchange can come to (RFC 4422 §3), and the two roles.

Octets are raw here; base64 is the protocol's business. What identifies a person is text, a password is octets:
two encodings of one password are two passwords until SASLprep says otherwise, and clients disagree about it.
"""

from dataclasses import dataclass, field
from typing import Protocol

MAX_RESPONSE = 4096
"""Octets of one response: a name and a password of 1,000 each, with room; nothing longer is hashed."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server's next challenge; the exchange goes on."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    What the client claims; the server must verify it.

    Attributes:
        authzid: Whom the client wants to act as, "" for itself.
        authcid: Whose password it is.
        password: As the client sent it.

    """

    authzid: str
    authcid: str
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Malformed:
    """The response breaks the mechanism's rules; the exchange is over."""

    reason: str


Step = Challenge | Credentials | Malformed


class ServerMechanism(Protocol):
    """The server's role in one exchange."""

    def step(self, response: bytes | None) -> Step:
        """
        Take the client's response.

        Args:
            response: Decoded; at the first call None if the client sent no initial response.

        """


class ClientMechanism(Protocol):
    """The client's role in one exchange."""

    @property
    def name(self) -> str:
        """The mechanism's name, in capitals."""

    def initial(self) -> bytes | None:
        """Return the initial response, None if the mechanism has none."""

    def answer(self, challenge: bytes) -> bytes | None:
        """Return the response to a challenge, None to cancel the exchange."""


def text(octets: bytes) -> str | None:
    """Return octets from the wire as text: UTF-8 without NUL, None if they are not."""
    try:
        decoded = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in decoded else decoded
