"""Histograms against the numbers themselves, and the stamps of real messages on a real server."""

import asyncio
import math
import time
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.model.change import Change
from mailhorn.model.ids import UID, MailboxId, ModSeq, UIDValidity
from mailhorn.model.message import Placed
from mailhorn.push.hub import Hub
from mailhorn.server.timeline import BOUNDS, LONGEST, RECENT, STEPS, Histogram, Timeline

INBOX = MailboxId(1)

spans = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=200)


def change(uid: int) -> Change:
    return Change(INBOX, ModSeq(uid), ModSeq(uid + 1), appended=(UID(uid),))


def copy(uid: int) -> Placed:
    return Placed(INBOX, UIDValidity(1), UID(uid))


@given(spans, st.floats(0.0, 1.0))
def test_a_quantile_is_nearly_exact(seconds: list[float], part: float) -> None:
    """Wrong by half a bucket at most: one part in 32, or a microsecond."""
    histogram = Histogram()
    for one in seconds:
        histogram.add(one)
    exact = sorted(seconds)[max(1, math.ceil(part * len(seconds))) - 1]
    assert abs(histogram.quantile(part) - exact) <= exact / (2 * STEPS) + 1e-6


@given(spans)
def test_the_coarser_buckets_count_the_same(seconds: list[float]) -> None:
    """Each says how many were shorter, to the microsecond; sum, count and longest are exact."""
    histogram = Histogram()
    for one in seconds:
        histogram.add(one)
    assert histogram.cumulative() == [(bound / 1e6, sum(int(one * 1e6) < bound for one in seconds)) for bound in BOUNDS]
    assert (histogram.count, histogram.max) == (len(seconds), max(seconds))
    assert math.isclose(histogram.sum, sum(seconds))


def test_what_no_clock_should_say_is_counted_all_the_same() -> None:
    """Less than nothing, and more than seven weeks."""
    histogram = Histogram()
    for seconds in (-1.0, LONGEST / 1e6 + 1.0, 1e15):
        histogram.add(seconds)
    assert histogram.count == 3
    assert histogram.quantile(0.0) <= 1e-6
    assert histogram.cumulative()[-1][1] == 1


def test_an_empty_histogram_has_figures() -> None:
    """A server that has just begun."""
    figures = Histogram().figures()
    assert (figures.count, figures.p50, figures.p99, figures.max) == (0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("pushed_first", [True, False], ids=["pushed before noted", "noted before pushed"])
def test_the_stamps_of_a_copy_find_each_other(pushed_first: bool) -> None:
    """A short fan-out is over before the delivery goes on, a long one is not."""
    timeline = Timeline()
    if pushed_first:
        timeline.note_pushed(change(7), 10.002, 10.004)
    timeline.note_delivered(10.0, 10.001, [copy(7)])
    if not pushed_first:
        timeline.note_pushed(change(7), 10.002, 10.004)
    assert [round(one.max, 6) for one in (timeline.durable, timeline.pushed_first, timeline.pushed_last)] == [
        0.001,
        0.002,
        0.004,
    ]
    assert timeline.pushed_last.count == timeline.pushed_first.count == 1
    timeline.note_pushed(change(7), 20.0, 20.0)
    assert timeline.pushed_last.count == 1


def test_a_copy_is_fetched_once() -> None:
    """By whoever is first; other messages, however many, do not count."""
    timeline = Timeline()
    timeline.note_fetched(INBOX, [UID(7)])
    timeline.note_delivered(time.monotonic(), time.monotonic(), [copy(7)])
    timeline.note_fetched(MailboxId(2), [UID(7)])
    timeline.note_fetched(INBOX, [UID(uid) for uid in range(1, 7)])
    assert timeline.fetched.count == 0
    timeline.note_fetched(INBOX, [UID(7)])
    timeline.note_fetched(INBOX, [UID(7)])
    assert timeline.fetched.count == 1


def test_what_is_waited_for_is_bounded() -> None:
    """Copies nobody fetches, pushes of what was no delivery: the oldest are given up."""
    timeline = Timeline()
    for uid in range(1, 3 * RECENT):
        timeline.note_delivered(0.0, 0.0, [copy(uid)])
        timeline.note_pushed(change(10**6 + uid), 0.0, 0.0)
    assert {len(table) for table in (timeline._pushed, timeline._unpushed, timeline._unfetched)} == {RECENT}
    timeline.note_fetched(INBOX, [UID(1), UID(3 * RECENT - 1)])
    assert timeline.fetched.count == 1


def test_a_long_fan_out_is_stamped_when_it_ends() -> None:
    """The first when the first was woken, the last when all were; for what came meanwhile, too, once each."""

    class Session:
        woken_at = 0.0

        def wake(self) -> bool:
            self.woken_at = time.monotonic()
            return True

    turns: list[object] = []
    hub = Hub(later=turns.append)
    stamped: list[tuple[Change, float, float]] = []
    hub.pushed = lambda change, first, last: stamped.append((change, first, last))
    sessions = [Session() for _ in range(200)]
    for session in sessions:
        hub.watch(INBOX, session)
    hub.tell(change(1))
    assert stamped == []
    hub.tell(change(2))
    hub.tell(Change(INBOX, ModSeq(3), ModSeq(4), expunged=(UID(1),)))
    first = sessions[0].woken_at
    while turns:
        turn = turns.pop(0)
        assert callable(turn)
        turn()
    assert [told.appended for told, _, _ in stamped] == [(1,), (2,)]
    assert first <= stamped[0][1] <= stamped[0][2] <= stamped[1][1] <= stamped[1][2]
    assert stamped[1][2] >= sessions[-1].woken_at


class Idler:
    """A client that selects INBOX and idles."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def begin(cls, server: ServerInTest, login: str) -> "Idler":
        client = cls(*await asyncio.open_connection("127.0.0.1", server.ports["imap"]))
        for command in (f"LOGIN {login} {server.password}", "SELECT INBOX"):
            await client.say(f"x {command}", b"x OK")
        await client.say("i IDLE", b"+")
        return client

    async def say(self, line: str, until: bytes) -> bytes:
        self.writer.write(line.encode() + b"\r\n")
        return await self.hear(until)

    async def hear(self, start: bytes) -> bytes:
        async with asyncio.timeout(30):
            while not (line := await self.reader.readline()).startswith(start):
                assert line
        return line

    async def end(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


async def test_the_stamps_of_a_real_message_are_in_order(tmp_path: Path) -> None:
    """Durable, pushed to the first and to the last, fetched; and a flag that is asked for is no fetch."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        timeline = server.server.delivery.timeline
        clients = [await Idler.begin(server, "ann") for _ in range(3)]
        await server.deliver("bob", "nobody watches")
        assert (timeline.durable.count, timeline.pushed_last.count) == (1, 0)
        with structlog.testing.capture_logs() as logs:
            await server.deliver("ann", "hello")
            for client in clients:
                assert await client.hear(b"* 1 EXISTS")
        (line,) = [entry for entry in logs if entry["event"] == "delivered"]
        assert 0 < line["durable_ms"] <= line["told_ms"]
        await clients[0].say("DONE", b"i OK")
        await clients[0].say("x FETCH 1 (UID FLAGS RFC822.SIZE)", b"x OK")
        assert timeline.fetched.count == 0
        await clients[0].say("x FETCH 1 (ENVELOPE)", b"x OK")
        await clients[0].say("x FETCH 1 (BODY.PEEK[])", b"x OK")
        assert (timeline.durable.count, timeline.pushed_first.count, timeline.pushed_last.count) == (2, 1, 1)
        assert timeline.fetched.count == 1
        assert 0.0 < timeline.pushed_first.max <= timeline.pushed_last.max <= timeline.fetched.max
        assert timeline.pushed_first.max >= line["durable_ms"] / 1000 - 1e-5
        for client in clients:
            await client.end()
        with structlog.testing.capture_logs() as logs:
            await server.server.stop()
        (told,) = [entry for entry in logs if entry["event"].startswith("timeline")]
        assert told["pushed_last"].startswith("n=1 p50=")
