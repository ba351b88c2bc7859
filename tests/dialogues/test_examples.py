"""docs/reference/examples.md says of every RFC which dialogues play its examples."""

import re

from mailhorn.server.imap.capabilities import CAPABILITIES

from .test_dialogues import FILES, FOLDER

PAGE = (FOLDER.parents[1] / "docs/reference/examples.md").read_text("utf-8")
ROWS = {int(row[1]): row[2] for row in re.finditer(r"^\| (\d+) \|[^|]*\|([^|]*)\|", PAGE, re.MULTILINE)}


def test_every_rfc_has_its_line() -> None:
    """All that is offered, and nothing else, in order."""
    assert list(ROWS) == sorted({rfc for capability in CAPABILITIES for rfc in capability.rfcs})


def test_dialogues_are_there() -> None:
    """Each line names dialogues that exist."""
    names = {file.stem for file in FILES}
    for rfc, cell in ROWS.items():
        named = set(re.findall(r"`([^`]+)`", cell))
        assert named and named <= names, rfc
