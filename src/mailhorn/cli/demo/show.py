"""Shows a run of the demo while it goes on: a live table on a terminal, a line for each message elsewhere."""

from rich.console import Console
from rich.live import Live
from rich.table import Table

from .figures import STAGES, Figures, Passage

ROWS = 12
"""Messages shown at a time."""
FRAME = 9
"""Lines of the table beside them, and the cursor's; all of it has to fit on the screen."""


class Show:
    """The run on standard error; standard output is left to the summary."""

    def __init__(self, introduction: str, figures: Figures) -> None:
        self._figures = figures
        self._introduction = introduction
        self._console = Console(stderr=True, highlight=False, emoji=False)  # :AB: is part of a fingerprint
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(self._table(), console=self._console, auto_refresh=False)

    def __enter__(self) -> "Show":
        self._console.print(self._introduction, soft_wrap=True, markup=False)
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def passed(self, passage: Passage) -> None:
        """Show one more message; it is in the figures already."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
        else:
            stages = "  ".join(f"{stage} {_milliseconds(passage.milliseconds.get(stage))}" for stage in STAGES)
            self._console.print(f"message {passage.number}: {stages}", soft_wrap=True)

    def _table(self) -> Table:
        table = Table(caption="since its last octet was sent; Ctrl-C ends")
        table.add_column("message", justify="right")
        for stage in STAGES:
            table.add_column(stage, justify="right", min_width=9)
        rows = max(1, min(ROWS, self._console.height - FRAME))
        for passage in self._figures.passages[-rows:]:
            table.add_row(str(passage.number), *(_milliseconds(passage.milliseconds.get(stage)) for stage in STAGES))
        if self._figures.passages:
            table.add_section()
            for name, share in (("p50", 0.5), ("p99", 0.99)):
                table.add_row(
                    name, *(_milliseconds(self._figures.quantile(stage, share)) for stage in STAGES), style="bold"
                )
        return table


def _milliseconds(value: float | None) -> str:
    return "lost" if value is None else f"{value:.2f} ms"
