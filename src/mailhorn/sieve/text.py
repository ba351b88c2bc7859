"""A script's strings: most are constant, some have variables in them (RFC 5229 §3)."""

from collections.abc import Callable
from dataclasses import dataclass

from .run import Run

Part = str | Callable[[Run], str]
"""A piece of a string: itself, or what says what it is now."""


@dataclass(slots=True)  # thousands are made; a frozen one takes three times as long
class Text:
    """
    A string argument.

    Attributes:
        parts: Its pieces in their order; a constant string is one piece, or none.

    """

    parts: tuple[Part, ...]

    @property
    def constant(self) -> str | None:
        """The string, None if it is known only when the script runs."""
        if not self.parts:
            return ""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, str) else None

    def value(self, run: Run) -> str:
        """Return the string as it is now. Raises SieveRuntimeError when strings have become too long."""
        constant = self.constant
        if constant is not None:
            return constant
        expanded = "".join([part if isinstance(part, str) else part(run) for part in self.parts])
        run.charge(len(expanded), 0)
        return expanded


def constants(texts: tuple[Text, ...]) -> tuple[str, ...] | None:
    """Return the strings, None if one of them is known only when the script runs."""
    found: list[str] = []
    for text in texts:
        constant = text.constant
        if constant is None:
            return None
        found.append(constant)
    return tuple(found)
