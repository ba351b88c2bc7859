"""What a ServerConnection tells its session, in order.

Events with "Answer:" stop the core until that verb was called; the others need nothing. Secrets are kept
out of the representation, so an event may be logged as it is; what has none is a struct: a frozen dataclass takes
five times as long to make, and its class 10 KiB.
"""

from dataclasses import dataclass, field
from enum import Enum

import msgspec

from .address import Mailbox


class BodyKind(Enum):
    """BODY= of MAIL (RFC 6152)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"


class Greeted(msgspec.Struct, frozen=True):
    """HELO, EHLO or LHLO; the core has answered it."""

    name: str
    """What the client calls itself; nothing was checked but its length."""
    esmtp: bool
    """EHLO or LHLO, so that extensions are known to the client."""


class MailFrom(msgspec.Struct, frozen=True):
    """A transaction begins. Answer: `reply`; 2xx accepts."""

    sender: Mailbox | None
    """Reverse path, None for `<>`."""
    size: int | None
    """Octets the client announced (RFC 1870), not above our maximum; None if it did not."""
    body: BodyKind | None
    """BODY parameter, None if not given."""
    smtputf8: bool
    """Headers and addresses may hold UTF-8 (RFC 6531)."""


class RcptTo(msgspec.Struct, frozen=True):
    """One more recipient. Answer: `reply`; 2xx accepts."""

    recipient: Mailbox
    """Forward path; its domain may be "", as in `<postmaster>`."""


class DataStart(msgspec.Struct, frozen=True):
    """
    DATA, or the transaction's first BDAT. Answer: `accept_data`, or `reply` with 4xx or 5xx.

    A refusal ends the transaction.
    """

    chunking: bool
    """It was BDAT."""


class DataChunk(msgspec.Struct, frozen=True):
    """The next piece of the message, dots unstuffed, line ends as they came (always CRLF). May split anywhere."""

    data: bytes
    """One octet or more."""

    def __repr__(self) -> str:
        return f"DataChunk(<{len(self.data)} octets>)"


class DataEnd(msgspec.Struct, frozen=True):
    """The message is whole. Answer: `reply_data`. The transaction is over once answered."""


class StartTls(msgspec.Struct, frozen=True):
    """220 is on its way. Answer: send it, negotiate TLS, then `tls_started`."""


@dataclass(frozen=True, slots=True)
class AuthStart:
    """AUTH (RFC 4954). Answer: `challenge`, or `reply` with 235 or an error."""

    mechanism: str
    """In capitals; one of those offered."""
    initial: bytes | None = field(repr=False)
    """Initial response, decoded; None if there was none."""


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """What the client says to the last challenge. Answer: `challenge`, or `reply` with 235 or an error."""

    data: bytes = field(repr=False)
    """Decoded."""


class AuthCancelled(msgspec.Struct, frozen=True):
    """The client gave up, or what it sent was no base64; the core has answered 501."""


class Reset(msgspec.Struct, frozen=True):
    """The transaction is over without a message: drop what was staged."""


class Refused(msgspec.Struct, frozen=True):
    """For the log: the core refused something on its own."""

    reason: str
    """Code and text of the reply."""


class Quit(msgspec.Struct, frozen=True):
    """QUIT; the core has answered it. Send what there is and close."""


class Eof(msgspec.Struct, frozen=True):
    """The client is gone, or says no more. Drop what was staged, send what there is and close."""


Event = (
    Greeted
    | MailFrom
    | RcptTo
    | DataStart
    | DataChunk
    | DataEnd
    | StartTls
    | AuthStart
    | AuthResponse
    | AuthCancelled
    | Reset
    | Refused
    | Quit
    | Eof
)
