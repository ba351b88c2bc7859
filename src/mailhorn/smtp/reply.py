"""Replies (RFC 5321 §4.2, enhanced codes RFC 2034 and RFC 3463).

A reply's text may quote what the client sent; it is made harmless here, so no caller has to.
"""

import re

import msgspec

_UNPRINTABLE = re.compile(r"[^ -~\n]")
_MAX_TEXT = 480
"""Octets of text in a reply line, which may not exceed 512 with code and CRLF (RFC 5321 §4.5.3.1.5)."""


class Reply(msgspec.Struct, frozen=True):
    """
    One reply, of one line or several.

    Attributes:
        code: Three digits.
        enhanced: Enhanced status code such as "2.1.5", "" for none (greetings, EHLO and 3xx have none).
        text: What people read; each line of it becomes a line of the reply.

    """

    code: int
    enhanced: str
    text: str

    @property
    def positive(self) -> bool:
        """The command was done: Positive Completion (RFC 5321 §4.2.1)."""
        return 200 <= self.code < 300


def write_reply(reply: Reply) -> bytes:
    """
    Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF

    RFC 5321 §4.2. The enhanced code stands on every line (RFC 2034 §4). Control and non-ASCII characters
    become "?".
    """
    prefix = f"{reply.enhanced} " if reply.enhanced else ""
    text = reply.text
    if len(text) <= _MAX_TEXT and text.isascii() and text.isprintable():  # nearly all
        return f"{reply.code} {prefix}{text}\r\n".encode("ascii")
    text = _UNPRINTABLE.sub("?", text.replace("\r\n", "\n"))
    *lines, last = text.split("\n")
    more = "".join([f"{reply.code}-{prefix}{line[:_MAX_TEXT]}\r\n" for line in lines])
    return f"{more}{reply.code} {prefix}{last[:_MAX_TEXT]}\r\n".encode("ascii")


class CommandProblem(Exception):
    """The client's command cannot be parsed or obeyed; `reply` is what to answer."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(f"{code} {enhanced} {text}")
        self.reply = Reply(code, enhanced, text)
