"""What a running watcher answers to the other commands."""

import os
from typing import Any

from ... import __version__
from ...net.control import Answers
from ...watch.supervisor import Report, Watcher


def answers(watcher: Watcher) -> Answers:
    """Return what can be asked of a watcher."""
    began = watcher.clock()

    async def status(_: dict[str, Any]) -> dict[str, Any]:
        now = watcher.clock()
        return {
            "version": __version__,
            "process": os.getpid(),
            "up": round(now - began, 1),
            "alive": watcher.alive,
            "sessions": [_told(report, now) for report in watcher.reports],
        }

    return {"status": status}


def _told(report: Report, now: float) -> dict[str, Any]:
    """Return how a connection is; times are seconds from now."""
    return {
        "account": report.places[0].account,
        "mailboxes": [place.mailbox for place in report.places],
        "state": report.state.value,
        "reason": report.reason,
        "since": round(now - report.since, 1),
        "until": None if report.until is None else round(max(0.0, report.until - now), 1),
        "heard": round(now - report.heard_at, 1),
        "wakeups": round(report.wakeups, 2),
        "push": report.push,
        "renewal": report.renewal,
    }


__all__ = ["answers"]
