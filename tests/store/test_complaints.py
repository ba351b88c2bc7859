"""A disk that refuses is told of once."""

import errno

import pytest
import structlog
from structlog.testing import capture_logs

from mailhorn.store.abc import StoreFull, StoreUnavailable
from mailhorn.store.complaints import AGAIN, CALM, Complaints


@pytest.fixture(autouse=True)
def plain_log() -> None:
    """Whatever another test has configured."""
    structlog.reset_defaults()


def test_once() -> None:
    """The same trouble is an error once, whichever message it hits, and again after a while; another is another."""
    now = 0.0
    complaints = Complaints(lambda: now)
    with capture_logs() as said:
        for number in range(3):
            complaints.note("refused", StoreFull(f"no room for '/data/{number}'"), id=str(number))
        complaints.note("refused", OSError(errno.EIO, "broken"))
        now = AGAIN
        complaints.note("refused", StoreFull("no room for '/data/9'"))
    assert [entry["log_level"] for entry in said] == ["error", "info", "info", "error", "error"]
    assert said[1]["id"] == "1"


def test_over() -> None:
    """When something can be stored again the log says so, once; what cannot be read says nothing about that."""
    now = 0.0
    complaints = Complaints(lambda: now)
    with capture_logs() as said:
        complaints.well()
        complaints.note("cannot be read", StoreUnavailable("damaged"), writing=False)
        complaints.well()
        complaints.note("refused", StoreFull("no room"))
        now = CALM
        complaints.well()
        complaints.well()
        complaints.note("refused", StoreFull("no room"))
    assert [entry["log_level"] for entry in said] == ["error", "error", "warning", "error"]


def test_almost_full() -> None:
    """A disk that takes every other message is told of as one that takes none, not in two lines for each."""
    now = 0.0
    complaints = Complaints(lambda: now)
    with capture_logs() as said:
        for _ in range(100):
            now += 1
            complaints.note("refused", StoreFull("no room"))
            complaints.well()
    assert [entry["log_level"] for entry in said if entry["log_level"] != "info"] == ["error"]
