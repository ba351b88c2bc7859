"""What a person sees of the demo."""

import pytest

from mailhorn.cli.demo.figures import STAGES, Figures, Passage
from mailhorn.cli.demo.show import Show


def shown(capsys: pytest.CaptureFixture[str], messages: int) -> str:
    figures = Figures()
    with Show("SHA-256 :AB:12:CD: [bold]", figures) as show:
        for number in range(1, messages + 1):
            figures.passages.append(Passage(number, dict.fromkeys(STAGES, 1.5)))
            show.passed(figures.passages[-1])
    return capsys.readouterr().err


def test_a_line_for_each_message_elsewhere_than_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The introduction is told as it is: a fingerprint has no pictures in it."""
    assert shown(capsys, 1).splitlines() == [
        "SHA-256 :AB:12:CD: [bold]",
        "message 1: accepted 1.50 ms  durable 1.50 ms  pushed 1.50 ms  filed 1.50 ms",
    ]


@pytest.mark.parametrize(("lines", "rows"), [(50, 12), (24, 12), (15, 6), (5, 1)])
def test_the_table_fits_on_the_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, lines: int, rows: int
) -> None:
    """With the medians, which come last."""
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "80"), ("LINES", str(lines))):
        monkeypatch.setenv(name, value)
    last = shown(capsys, 20).rpartition("message")[2]
    assert last.count("1.50 ms") == (rows + 2) * len(STAGES)
    assert "p99" in last
