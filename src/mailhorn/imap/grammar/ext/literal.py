"""LITERAL+ and LITERAL- (RFC 7888, RFC 9051 §4.3).

Changes: `literal = "{" number ["+"] "}" CRLF *CHAR8`. Reading takes both forms always (`Cursor.literal`, and
`imap.framing` which decides who waits). Writing is `Writer.literal_head`, by the Dialect.
"""

from collections.abc import Iterable
from dataclasses import replace

from ..cursor import Dialect


def with_literals(dialect: Dialect, capabilities: Iterable[str]) -> Dialect:
    """Return the dialect in which to write to a server that has these capabilities."""
    upper = {capability.upper() for capability in capabilities}
    return replace(
        dialect,
        literal_plus="LITERAL+" in upper,
        literal_minus="LITERAL-" in upper or "IMAP4REV2" in upper,  # RFC 9051 §2: rev2 includes LITERAL-
    )
