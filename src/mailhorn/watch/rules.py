"""What a rule is called: by a comment above it, or by its line. Pure."""

import bisect
import re

_COMMENT = re.compile(r"\s*#\s*rule:\s*\[(.*)\]\s*", re.IGNORECASE)
"""As Roundcube and other editors of Sieve write it: `# rule:[Lists]`."""

MAX_NAME = 80
"""Characters of a name; it stands in tables."""


class RuleNames:
    """The names of the rules of one script."""

    def __init__(self, source: str) -> None:
        found = [
            (number, match[1].strip()[:MAX_NAME])
            for number, line in enumerate(source.split("\n"), 1)
            if (match := _COMMENT.fullmatch(line)) and match[1].strip()
        ]
        self._lines = [number for number, _ in found]
        self._names = [name for _, name in found]

    def at(self, line: int) -> str:
        """Return the last name that is written above a line; `line 7` if there is none."""
        place = bisect.bisect(self._lines, line)
        return self._names[place - 1] if place else f"line {line}"


__all__ = ["RuleNames"]
