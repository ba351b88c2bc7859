"""Refusals in the log: all of them counted, few of them lines."""

import asyncio

import pytest
import structlog

from mailhorn.server import refusals as refusals_module
from mailhorn.server.refusals import REMEMBERED, Refusals


def refuse(refusals: Refusals, address: str, times: int = 1, login: str = "") -> None:
    for port in range(times):
        refusals.note("refused", f"{address}:{port}", address, "too many", login)


async def test_a_neighbour_has_one_line_at_once_and_one_a_minute() -> None:
    """With the number of refusals since; who is not refused any more is not told of."""
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        refuse(refusals, "192.0.2.1", 1000)
        refuse(refusals, "2001:db8::1", 2)
        refuse(refusals, "2001:db8::2", 3, login="ann")
    assert [(entry["peer"], entry.get("login")) for entry in logs] == [
        ("192.0.2.1:0", None),
        ("2001:db8::1:0", None),
        ("2001:db8::2:0", "ann"),
    ]
    with structlog.testing.capture_logs() as logs:
        refusals.tell()
        refusals.tell()
    assert [(entry["address"], entry["times"]) for entry in logs] == [
        ("192.0.2.1", 999),
        ("2001:db8::", 1),
        ("2001:db8::", 2),
    ]
    with structlog.testing.capture_logs() as logs:
        refuse(refusals, "192.0.2.1")
    assert [entry["peer"] for entry in logs] == ["192.0.2.1:0"], "forgotten after a minute of silence"


async def test_it_is_told_without_another_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a timer, which is gone when all is told."""
    monkeypatch.setattr(refusals_module, "EVERY", 0.0)
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        refuse(refusals, "192.0.2.1", 3)
        assert refusals._timer is not None
        for _ in range(100):
            await asyncio.sleep(0)
        assert refusals._timer is None
    assert [entry.get("times") for entry in logs] == [None, 2]


async def test_a_thousand_neighbours_are_told_apart() -> None:
    """More share a line: whoever has a botnet cannot fill the memory."""
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        for number in range(REMEMBERED + 500):
            refuse(refusals, f"10.0.{number >> 8}.{number & 255}")
        refusals.tell()
    assert len(logs) == REMEMBERED + 2
    assert logs[-1] == {"event": "refused", "log_level": "warning", "address": "others", "times": 499}
