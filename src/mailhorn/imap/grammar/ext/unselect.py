"""UNSELECT (RFC 3691, RFC 9051 §6.4.2).

Changes: `command-select =/ "UNSELECT"`. It is one word, a Keyword in `imap.commands`.
"""

from typing import Final

from ...commands import Keyword, Simple

UNSELECT: Final = Simple(Keyword.UNSELECT)
