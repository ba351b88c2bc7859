"""Tables and times for people.

Rule: what others have written (subjects, names) is never sent to a terminal as it is.
"""

import unicodedata
from collections.abc import Sequence


def shown(text: str, width: int = 60) -> str:
    """Return text on one line, without control characters, cut to so many characters."""
    clean = "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= width else clean[: width - 1].rstrip() + "…"


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return lines with their columns aligned; those whose numbers are in `right`, to the right."""
    lines = [tuple(heads), *map(tuple, rows)]
    widths = [max(columns(line[i]) for line in lines) for i in range(len(heads))]
    told = []
    for line in lines:
        cells = []
        for i, (cell, width) in enumerate(zip(line, widths, strict=True)):
            room = " " * (width - columns(cell))
            cells.append(room + cell if i in right else cell + room)
        told.append("  ".join(cells).rstrip() + "\n")
    return "".join(told)


def ago(seconds: float) -> str:
    """Return how long that is, in one unit or two."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"


__all__ = ["ago", "columns", "shown", "table"]
