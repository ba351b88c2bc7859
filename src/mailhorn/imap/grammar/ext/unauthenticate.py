"""UNAUTHENTICATE (RFC 8437).

Changes: `command-auth =/ "UNAUTHENTICATE"`. It is one word, a Keyword in `imap.commands`.
"""

from typing import Final

from ...commands import Keyword, Simple

UNAUTHENTICATE: Final = Simple(Keyword.UNAUTHENTICATE)
