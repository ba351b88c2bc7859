"""Regular expressions that mean the same in every Python we support."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[0-9,]+\})\+")


def test_no_group_is_repeated_possessively() -> None:
    """Before 3.11.5 `(?:ab)*+` may stop in the middle of a group it did not match (Debian 12 has 3.11.2).

    `(?>(?:ab)*)` says the same and is right everywhere.
    """
    found = [
        f"{file.relative_to(SOURCE)}:{number}: {line.strip()}"
        for file in SOURCE.rglob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if POSSESSIVE_GROUP.search(line)
    ]
    assert not found, "\n".join(found)
