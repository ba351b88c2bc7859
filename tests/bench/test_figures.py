"""The table of the README."""

import pytest
from bench.figures import LOST, Figure, losses, milliseconds, percentile, table


def test_table() -> None:
    """A row shows what every server did, and how many times better the first is than the second."""
    rows: dict[str, dict[str, Figure | str]] = {
        "push": {"ours": Figure("push", 0.001, "1.00 ms"), "theirs": Figure("push", 0.5, "500 ms")},
        "rate": {
            "ours": Figure("rate", 150, "150/s", more_is_better=True),
            "theirs": Figure("rate", 100, "100/s", more_is_better=True),
        },
        "slower": {"ours": Figure("slower", 4, "4 ms"), "theirs": Figure("slower", 1, "1 ms")},
        "alone": {"ours": Figure("alone", 1, "1")},
        "wrong": {"ours": "failed: Refused", "theirs": Figure("wrong", 1, "1")},
        "nothing": {"ours": Figure("nothing", 0, "0"), "theirs": Figure("nothing", 0, "0")},
    }
    lines = table(["ours", "theirs"], rows).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["measured", "ours", "theirs", "ratio"]
    assert cells[2:] == [
        ["push", "1.00 ms", "500 ms", "500 ×"],
        ["rate", "150/s", "100/s", "1.5 ×"],
        ["slower", "4 ms", "1 ms", "0.25 ×"],
        ["alone", "1", "–", ""],
        ["wrong", "failed: Refused", "1", ""],
        ["nothing", "0", "0", ""],
    ]
    assert len({len(line) for line in lines}) == 1


def test_table_of_one() -> None:
    """Where nothing is beside it, there is no ratio."""
    assert table(["ours"], {"push": {"ours": Figure("push", 1, "1 ms")}}).splitlines()[2] == "| push     | 1 ms |"


def test_losses() -> None:
    """What was lost in any case is in the table, for each server."""
    rows: dict[str, dict[str, Figure | str]] = {
        "push": {"ours": Figure("push", 1, "1", details={"told": 1000, "lost": 0}), "theirs": "failed: Refused"},
        "more": {"ours": Figure("more", 1, "1", details={"told": 99, "lost": 1})},
        "rate": {"ours": Figure("rate", 1, "1", details={"messages": 5})},
    }
    found = losses(["ours", "theirs"], rows)[LOST]
    assert {server: figure.text for server, figure in found.items() if isinstance(figure, Figure)} == {
        "ours": "1 of 1,100"
    }
    assert losses(["ours"], {"rate": rows["rate"]}) == {}


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51), (0.99, 100), (0.0, 1)])
def test_percentile(share: float, expected: int) -> None:
    """Of the numbers from 1 to 100, in any order."""
    assert percentile(range(100, 0, -1), share) == expected


def test_percentile_of_nothing() -> None:
    """Nothing was told: that is later than any time."""
    assert percentile([], 0.5) == float("inf")


@pytest.mark.parametrize(("seconds", "shown"), [(0.000451, "0.45"), (0.0123, "12.3"), (0.5034, "503"), (4.2, "4,200")])
def test_milliseconds(seconds: float, shown: str) -> None:
    """As many digits as mean something."""
    assert milliseconds(seconds) == shown
