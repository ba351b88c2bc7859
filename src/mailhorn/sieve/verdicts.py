"""What a spam or virus checker said of a message (RFC 5235): into header fields, before mail comes here. Pure.

Rule: a sender can write such a field too. So the checker must take away those that are there, and the first one counts.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_NUMBER = re.compile(r"[-+]?\d{1,6}(?:\.\d{1,6})?")
_CLEAN = frozenset("clean no none ok false pass 1".split())
_INFECTED = frozenset("yes infected found true virus positive 5".split())


@dataclass(frozen=True, slots=True)
class Verdicts:
    """
    Where the verdicts are.

    Attributes:
        spam_header: The field with the spam score, a number; "" for none.
        spam_full: The score that is a hundred per cent.
        virus_header: The field that says whether there is a virus: "no", "clean" and so on, "yes", "infected", or a
            number from 0 to 5 (RFC 5235 §3.2); "" for none.

    """

    spam_header: str = ""
    spam_full: float = 10.0
    virus_header: str = ""

    def __bool__(self) -> bool:
        """Return whether anything is known."""
        return bool(self.spam_header or self.virus_header)

    @property
    def kinds(self) -> frozenset[str]:
        """Which of them can be had: "spam", "virus"."""
        return frozenset(kind for kind, name in (("spam", self.spam_header), ("virus", self.virus_header)) if name)

    @property
    def headers(self) -> frozenset[str]:
        """The fields they are in, in lower case."""
        return frozenset(name.lower() for name in (self.spam_header, self.virus_header) if name)

    def verdict(self, kind: str, values: Callable[[str], Sequence[str]]) -> int:
        """
        Return what was said.

        Args:
            kind: "spam": 0 not tested, else 1 + per cent. "virus": 0 to 5.
            values: Returns the values of the fields of a name in lower case.

        """
        name = self.spam_header if kind == "spam" else self.virus_header
        written = values(name.lower())[:1] if name else ()
        if not written:
            return 0
        if kind == "spam":
            found = _NUMBER.search(written[0])
            return 0 if found is None else 1 + round(100 * min(max(float(found[0]) / self.spam_full, 0.0), 1.0))
        word = written[0].strip().lower().partition(" ")[0].rstrip(",;.")
        if word in _CLEAN:
            return 1
        if word in _INFECTED:
            return 5
        return int(word) if word in ("0", "2", "3", "4") else 0


__all__ = ["Verdicts"]
