"""What the demo makes of its measurements."""

import json

import pytest

from mailhorn.cli.demo.figures import STAGES, Figures, Passage, percentile


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_occurred(share: float, value: float) -> None:
    """Nearest rank: half of 1 to 100 is at most 50."""
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_the_summary_is_one_line_of_json() -> None:
    """Counts, and p50 and p99 of every stage in milliseconds."""
    figures = Figures([Passage(1, dict.fromkeys(STAGES, 1.0)), Passage(2, {"durable": 3.0, "pushed": 3.0})])
    line = figures.summary()
    assert "\n" not in line
    summary = json.loads(line)
    assert (summary["n"], summary["pushed"], summary["filed"], summary["lost"]) == (2, 2, 1, 1)
    assert summary["pushed_ms"] == {"p50": 1.0, "p99": 3.0}
    assert summary["filed_ms"] == {"p50": 1.0, "p99": 1.0}


def test_an_empty_run_has_no_figures() -> None:
    """Stopped before the first message: no division by nothing."""
    assert json.loads(Figures().summary())["durable_ms"] == {"p50": None, "p99": None}
