"""IDLE (RFC 2177, RFC 9051 §6.3.13).

Changes: `command-auth =/ idle`, `idle = "IDLE" CRLF "DONE"`. IDLE itself is a Keyword; DONE is the bare
line that the framer is told to expect after it.
"""

from typing import Final

from ..cursor import Cursor

DONE: Final = b"DONE\r\n"
"""What a client sends to end IDLE."""


def parse_done(line: bytes) -> None:
    """
    "DONE"

    RFC 2177 §4. Raises SyntaxProblem for any other line.
    """
    cur = Cursor(line.upper())
    cur.expect(b"DONE")
    cur.end()
