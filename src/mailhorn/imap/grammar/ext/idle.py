"""IDLE (RFC 2177, RFC 9051 §6.3.13).

Changes: `command-auth =/ idle`, `idle = "IDLE" CRLF "DONE"`. IDLE itself is a Keyword; DONE is the bare
line that the framer is told to expect after it.
"""

from typing import Final

DONE: Final = b"DONE\r\n"
"""What a client sends to end IDLE."""


def is_done(line: bytes) -> bool:
    """
    "DONE"

    RFC 2177 §4. Case and spaces around it are forgiven: what else could be meant here?
    """
    return line.strip().upper() == b"DONE"
