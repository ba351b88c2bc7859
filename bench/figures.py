"""What was measured, and the table of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

Details = dict[str, float | int | str]


LOST = "notifications lost, all cases"
LEGEND = (
    "Push is from the end of DATA to `* n EXISTS`, p50 / p99. In brackets: processor time of the server for each, what "
    "it does afterwards included."
)


@dataclass(frozen=True)
class Figure:
    """
    One row of the table, of one server.

    Attributes:
        label: What was measured; the same for every server.
        value: What the ratio is made of.
        text: What the table shows.
        more_is_better: Whether a larger value is the better one.
        details: All numbers, for the JSON file.

    """

    label: str
    value: float
    text: str
    more_is_better: bool = False
    details: Details = field(default_factory=dict)


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return the value that this share of all does not exceed; infinite if there are none."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("inf")


def milliseconds(seconds: float) -> str:
    """Return a time with as many digits as mean something."""
    value = seconds * 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def table(servers: Sequence[str], rows: dict[str, dict[str, Figure | str]]) -> str:
    """
    Return the rows as Markdown, the ratio of the first two servers beside them.

    Args:
        servers: Their names, ours first.
        rows: By label and server: the figure, or in words why there is none.

    """
    compared = len(servers) > 1
    lines = [["measured", *servers, *(["ratio"] if compared else [])]]
    for label, row in rows.items():
        shown = [row.get(server, "–") for server in servers]
        cells = [cell.text if isinstance(cell, Figure) else cell for cell in shown]
        lines.append([label, *cells, *([_ratio(shown[0], shown[1])] if compared else [])])
    return markdown(lines)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells as a table, the first line being its head; all columns but the first are set right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "".join(
        f"| {label.ljust(widths[0])} | {' | '.join(map(str.rjust, cells, widths[1:]))} |\n"
        for label, *cells in [lines[0], rule, *lines[1:]]
    )


def losses(servers: Sequence[str], rows: dict[str, dict[str, Figure | str]]) -> dict[str, dict[str, Figure | str]]:
    """Return a row that says how many notifications of all the others never came; none if there were none."""
    found: dict[str, Figure | str] = {}
    for server in servers:
        pushes = [figure.details for row in rows.values() if isinstance(figure := row.get(server), Figure)]
        told, lost = (sum(int(details.get(name, 0)) for details in pushes) for name in ("told", "lost"))
        if told + lost:
            found[server] = Figure(LOST, 0.0, f"{lost:,} of {told + lost:,}", details={"lost": lost})
    return {LOST: found} if found else {}


def _ratio(ours: Figure | str, theirs: Figure | str) -> str:
    """Return how many times better ours is."""
    if isinstance(ours, str) or isinstance(theirs, str) or not ours.value or not theirs.value:
        return ""
    ratio = ours.value / theirs.value if ours.more_is_better else theirs.value / ours.value
    return f"{ratio:,.0f} ×" if ratio >= 10 else f"{ratio:.1f} ×" if ratio >= 1 else f"{ratio:.2f} ×"
