"""Emptying the WAL beside the writer, which goes on meanwhile.

Rule 1: it is begun when the WAL has grown by so many pages, however busy the writer is. Rule 2: what could not be
emptied because somebody was still reading or writing is emptied the next time. Rule 3: that it failed is told by the
next commit that fails for the same reason.
"""

import contextlib
import threading
from pathlib import Path

import apsw

from .database import DISK_ERRORS, Database

PASSES = 4
"""What came while a pass ran is copied by the next, which is shorter; one that ends between two commits lets the WAL be
begun anew. A writer that is never at rest sees to the last few pages itself."""


class Checkpointer:
    """A thread with a connection of its own."""

    def __init__(self, path: Path) -> None:
        """Start the thread; the file exists."""
        self._path = path
        self._asked = threading.Event()
        self._closing = False
        self._begun = 0
        self._emptied = 0
        self._thread = threading.Thread(target=self._run, name="mailhorn-checkpointer", daemon=True)
        self._thread.start()

    def grown(self, pages: int, enough: int) -> None:
        """Take note of how many pages are in the WAL; begin when there are enough that have not been looked at."""
        if pages < self._begun:  # it has been begun anew
            self._begun = self._emptied = 0
        if pages - self._begun >= enough and not self._asked.is_set():
            self._begun = pages
            self._asked.set()

    def left(self, pages: int) -> int:
        """Return how many of so many pages in the WAL are still to be copied."""
        return pages - self._emptied

    def close(self) -> None:
        """Finish what is under way and end the thread."""
        self._closing = True
        self._asked.set()
        self._thread.join()

    def _run(self) -> None:
        db: Database | None = None
        while True:
            self._asked.wait()
            if self._closing:
                break
            with contextlib.suppress(*DISK_ERRORS):
                db = db or Database(str(self._path), flags=apsw.SQLITE_OPEN_READWRITE)
                for _ in range(PASSES):
                    pages, self._emptied = db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                    if self._emptied == pages:
                        break
            self._asked.clear()
        if db is not None:
            db.close()


__all__ = ["Checkpointer"]
