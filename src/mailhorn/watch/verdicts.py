"""What a provider's checkers have written into a message's header, as Sieve asks for it (RFC 5235). Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SCORE = re.compile(r"\bscore\s*=\s*(-?\d+(?:\.\d+)?)|(-?\d+(?:\.\d+)?)", re.IGNORECASE)
_CLEAN = re.compile(r"\b(?:clean|no|none|ok|passed|not infected|found to be clean)\b", re.IGNORECASE)
_INFECTED = re.compile(r"\b(?:infected|yes|virus|malware|found)\b", re.IGNORECASE)
INFECTED, CLEAN = 5, 1
"""RFC 5235 §3.2: 1 "not known to contain any viruses", 5 "definitely contains a virus"."""


@dataclass(frozen=True, slots=True)
class Checkers:
    """
    Where the verdicts stand.

    Attributes:
        spam_header: The field with the score of spam, in lower case; "" if there is none.
        spam_score: The score that is certainly spam.
        virus_header: The field with the verdict on viruses, in lower case; "" if there is none.

    """

    spam_header: str = ""
    spam_score: float = 10.0
    virus_header: str = ""

    @property
    def kinds(self) -> frozenset[str]:
        """Which verdicts can be had: "spam", "virus"."""
        return frozenset(kind for kind, name in (("spam", self.spam_header), ("virus", self.virus_header)) if name)

    @property
    def headers(self) -> frozenset[str]:
        """The fields they stand in."""
        return frozenset(name for name in (self.spam_header, self.virus_header) if name)

    def verdict(self, kind: str, values: Callable[[str], Sequence[str]]) -> int:
        """
        Return a verdict as `sieve.questions.Verdict` wants it; 0 if the message was not tested.

        Args:
            kind: "spam" or "virus".
            values: Returns the values of the fields of a name; the first one counts, which was added last.

        """
        name = self.spam_header if kind == "spam" else self.virus_header
        value = next(iter(values(name)), "") if name else ""
        if not value.strip():
            return 0
        if kind == "spam":
            found = _scored(value)
            return 0 if found is None else 1 + round(min(max(found / self.spam_score, 0.0), 1.0) * 100)
        if value.strip().isdecimal():
            return min(int(value.strip()[:3]), INFECTED)
        if _CLEAN.search(value):
            return CLEAN
        return INFECTED if _INFECTED.search(value) else 0


def _scored(value: str) -> float | None:
    """Return the score that is called so, else the first number; None if there is none."""
    found = [match[1] or match[2] for match in _SCORE.finditer(value)]
    named = [match[1] for match in _SCORE.finditer(value) if match[1]]
    return float((named or found)[0]) if found else None


__all__ = ["Checkers"]
