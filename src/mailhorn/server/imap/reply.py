"""How a command ends: a reply, or one of two refusals raised from anywhere below it.

CommandRefused   NO: understood, cannot be done; the code says why (RFC 5530)
BadArguments     BAD: makes no sense in this mailbox, such as a sequence number beyond its end
"""

from msgspec import Struct

from ...imap.responses import Condition, ResponseCode


class Reply(Struct, frozen=True):
    """The tagged response."""

    condition: Condition
    code: ResponseCode | None
    text: bytes


def ok(text: bytes, code: ResponseCode | None = None) -> Reply:
    """Return a tagged OK."""
    return Reply(Condition.OK, code, text)


class CommandRefused(Exception):
    """The command cannot be done. Answer NO."""

    def __init__(self, text: str, code: str | ResponseCode | None = None) -> None:
        """Take the text for people and a response code, or its name if it has no arguments (RFC 9051 §7.1)."""
        super().__init__(text)
        self.code = code


class BadArguments(Exception):
    """The command cannot mean anything here. Answer BAD."""

    def __init__(self, text: str, code: str | None = None) -> None:
        """Take the text for people and the name of a response code."""
        super().__init__(text)
        self.code = code
