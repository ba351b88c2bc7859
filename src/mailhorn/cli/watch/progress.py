"""A bar that says how far it is, on a terminal only."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

EVERY = 50
"""Messages between two drawings: a bar must not cost more than what it tells of."""


class Bar:
    """A `with` block with a bar."""

    def __init__(self, what: str) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=console,
            transient=True,
            auto_refresh=False,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None)
        self._done = 0

    def __enter__(self) -> "Bar":
        """Begin."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self._progress.stop()

    def total(self, number: int) -> None:
        """Begin anew, with so many to do."""
        self._done = 0
        self._progress.update(self._task, total=number, completed=0, refresh=True)

    def advance(self, number: int = 1) -> None:
        """So many more are done."""
        before, self._done = self._done, self._done + number
        if before // EVERY != self._done // EVERY:
            self._progress.update(self._task, completed=self._done, refresh=True)


__all__ = ["Bar"]
