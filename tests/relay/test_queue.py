"""What was submitted is there until it is recorded as done, whatever happens in between."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from mailhorn.relay import queue as module
from mailhorn.relay.letter import Letter, RelayUnavailable
from mailhorn.relay.queue import Outcome, Queue, QueueLimits, Taken

HOUR = 3600.0
LETTER = Letter("ann@example.org", ("bob@example.net",), b"Subject: x\r\n\r\nHello\r\n", "redirect", "ann")
TWO = replace(LETTER, recipients=("bob@example.net", "cid@example.net"))


class Clock:
    """Shows what it is set to."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def queue(tmp_path: Path, clock: Clock) -> AsyncIterator[Queue]:
    queue = Queue(tmp_path / "queue.sqlite", QueueLimits(5, 10_000), clock)
    yield queue
    await queue.close()


async def take(queue: Queue, room: int = 10) -> list[Taken]:
    return await queue.take(room, HOUR)


async def states(queue: Queue) -> list[tuple[int, str, str]]:
    return [(row.letter, row.address, row.state) for row in await queue.listing()]


async def test_a_letter_comes_out_as_it_went_in(queue: Queue) -> None:
    """Sender, recipients, octets, and whose it is."""
    await queue.submit([TWO])
    (taken,) = await take(queue)
    assert (taken.sender, taken.content, taken.why, taken.account) == (TWO.sender, TWO.content, "redirect", "ann")
    assert [one.address for one in taken.recipients] == list(TWO.recipients)
    assert taken.submitted_at == 1_000_000


async def test_nobody_takes_it_twice(queue: Queue) -> None:
    """What is being sent is not due."""
    await queue.submit([LETTER])
    assert len(await take(queue)) == 1
    assert await take(queue) == []
    assert await queue.next_due() is None


async def test_what_was_being_sent_is_due_after_a_crash(tmp_path: Path, clock: Clock) -> None:
    """Another process finds it: it may have been sent, so it is sent again."""
    first = Queue(tmp_path / "queue.sqlite", clock=clock)
    await first.submit([LETTER])
    (taken,) = await take(first)
    second = Queue(tmp_path / "queue.sqlite", clock=clock)  # as the first would leave it, had it been killed
    assert await take(second) == []
    assert await second.recover() == 1
    assert await take(second) == [taken]
    await first.close()
    await second.close()


async def test_done_is_gone(queue: Queue, tmp_path: Path) -> None:
    """A letter that all have is gone, content and all; one that some have is kept for the others."""
    await queue.submit([TWO])
    (taken,) = await take(queue)
    one, other = taken.recipients
    await queue.record([Outcome(one.id, "done", "250 ok"), Outcome(other.id, "due", "450 later", 0.0)])
    assert await states(queue) == [(taken.id, one.address, "done"), (taken.id, other.address, "due")]
    (again,) = await take(queue)
    assert [waiting.address for waiting in again.recipients] == [other.address]
    assert [waiting.attempts for waiting in again.recipients] == [1]
    await queue.record([Outcome(other.id, "done")])
    assert await states(queue) == []
    assert await queue.content(taken.id) is None
    db = apsw.Connection(str(tmp_path / "queue.sqlite"))
    assert db.execute("SELECT (SELECT count(*) FROM recipient), letters, size FROM total").get == (0, 0, 0)
    db.close()


async def test_it_waits_until_it_is_due(queue: Queue, clock: Clock) -> None:
    """Not before, and the one that is due longest first."""
    await queue.submit([LETTER, LETTER])
    first, second = await take(queue)
    await queue.record([Outcome(first.recipients[0].id, "due", "450 later", clock.now + 60)])
    await queue.record([Outcome(second.recipients[0].id, "due", "450 later", clock.now + 30)])
    assert await queue.next_due() == clock.now + 30
    clock.now += 29
    assert await take(queue) == []
    clock.now += 31
    assert [one.id for one in await take(queue, 1)] == [second.id]
    assert [one.id for one in await take(queue, 1)] == [first.id]


async def test_a_clock_that_was_wrong(queue: Queue, clock: Clock) -> None:
    """What was put off by a clock years ahead is due when the clock is right again."""
    clock.now += 10**8
    await queue.submit([LETTER])
    (taken,) = await take(queue)
    await queue.record([Outcome(taken.recipients[0].id, "due", "450 later", clock.now + 60)])
    clock.now -= 10**8
    assert len(await take(queue)) == 1


async def test_a_key_is_taken_once(queue: Queue) -> None:
    """Who submits again what may have been taken does no harm, also when the letter has left."""
    keyed = replace(LETTER, key="<1@example.org> 7")
    await queue.submit([keyed])
    await queue.submit([keyed, LETTER])
    taken = await take(queue)
    assert len(taken) == 2
    await queue.record([Outcome(one.recipients[0].id, "done") for one in taken])
    await queue.submit([keyed])
    assert await states(queue) == []


async def test_a_key_of_a_submission_that_was_refused(queue: Queue) -> None:
    """It was not taken, so it is taken the next time."""
    keyed = replace(LETTER, key="k")
    with pytest.raises(RelayUnavailable, match="full"):
        await queue.submit([keyed, *[LETTER] * 5])
    assert await states(queue) == []
    await queue.submit([keyed])
    assert len(await states(queue)) == 1


async def test_a_key_is_forgotten(queue: Queue, clock: Clock, tmp_path: Path) -> None:
    """After a month nobody asks."""
    await queue.submit([replace(LETTER, key="k")])
    clock.now += module.KEEP_KEYS + 1
    await queue.submit([LETTER])
    db = apsw.Connection(str(tmp_path / "queue.sqlite"))
    assert db.execute("SELECT count(*) FROM key").get == 0
    db.close()


@pytest.mark.parametrize(
    "letters",
    [[LETTER] * 6, [replace(LETTER, content=b"x" * 5_001)] * 2],
    ids=["too many", "too much"],
)
async def test_full(queue: Queue, letters: list[Letter]) -> None:
    """All or none, and it is said which command shows why."""
    with pytest.raises(RelayUnavailable, match=r"full .*mailhorn queue list"):
        await queue.submit(letters)
    assert await states(queue) == []
    await queue.submit(letters[:1])


async def test_what_has_failed_makes_room(queue: Queue) -> None:
    """A full queue forgets what nobody can do anything about, and nothing that waits."""
    await queue.submit([LETTER, TWO, LETTER, LETTER, LETTER])
    first, second, *_ = await take(queue)
    await queue.record([Outcome(one.id, "failed", "550 no") for one in first.recipients])
    await queue.record([Outcome(second.recipients[0].id, "failed", "550 no")])
    await queue.submit([LETTER])
    left = {letter for letter, _, _ in await states(queue)}
    assert first.id not in left and second.id in left and len(left) == 5
    with pytest.raises(RelayUnavailable):
        await queue.submit([LETTER])


async def test_what_has_failed_is_kept_for_a_while(queue: Queue, clock: Clock) -> None:
    """An operator can look, and try again; later it is forgotten."""
    await queue.submit([LETTER])
    (taken,) = await take(queue)
    await queue.record([Outcome(taken.recipients[0].id, "failed", "550 5.7.1 relaying denied")])
    assert (await queue.listing())[0].said == "550 5.7.1 relaying denied"
    assert await take(queue) == []
    assert await queue.retry([taken.id]) == 1
    (again,) = await take(queue)
    await queue.record([Outcome(again.recipients[0].id, "failed", "550 still")])
    clock.now += module.KEEP_FAILED + 1
    await queue.submit([LETTER])
    assert [row.letter for row in await queue.listing()] == [taken.id + 1]


async def test_a_report_comes_with_its_failure(queue: Queue) -> None:
    """In one transaction, and into a queue that is full."""
    await queue.submit([LETTER] * 5)
    taken = (await take(queue, 1))[0]
    bounce = Letter("", (taken.sender,), b"Subject: sorry\r\n\r\n", "bounce", "ann")
    await queue.record([Outcome(taken.recipients[0].id, "failed", "550 no")], [bounce])
    assert [(row.sender, row.address, row.why) for row in await queue.listing()][-1] == ("", taken.sender, "bounce")


async def test_what_is_old(queue: Queue, clock: Clock) -> None:
    """Letters that came before a time are taken whether they are due or not."""
    await queue.submit([LETTER])
    (old,) = await take(queue)
    await queue.record([Outcome(old.recipients[0].id, "due", "450 later", clock.now + 10_000)])
    clock.now += 100
    await queue.submit([LETTER])
    assert [one.id for one in await queue.take(10, HOUR, submitted_before=clock.now - 100)] == [old.id]


async def test_many_recipients_are_some_at_a_time(queue: Queue) -> None:
    """So many as every server takes; the others follow."""
    many = tuple(f"{n}@example.net" for n in range(150))
    await queue.submit([replace(LETTER, recipients=(*many, many[0]))])
    sizes = [len(one.recipients) for _ in range(2) for one in await take(queue)]
    assert sizes == [100, 50]


@pytest.mark.parametrize(
    "letter",
    [
        replace(LETTER, recipients=()),
        replace(LETTER, recipients=("x@example.net",) * 1001),
        replace(LETTER, recipients=("\udcff@example.net",)),
    ],
    ids=["nobody", "too many", "no text"],
)
async def test_what_is_no_letter(queue: Queue, letter: Letter) -> None:
    """It is refused, with the others."""
    with pytest.raises(RelayUnavailable):
        await queue.submit([LETTER, letter])
    assert await states(queue) == []


async def test_deleted(queue: Queue) -> None:
    """What waits can be deleted; what is being sent cannot."""
    await queue.submit([LETTER, LETTER])
    (taken,) = await take(queue, 1)
    assert await queue.delete([taken.id, taken.id + 1, 77]) == 1
    assert await states(queue) == [(taken.id, LETTER.recipients[0], "sending")]


async def test_numbers_are_never_used_again(queue: Queue) -> None:
    """A number in an old log line is that letter's."""
    await queue.submit([LETTER])
    (taken,) = await take(queue)
    await queue.record([Outcome(taken.recipients[0].id, "done")])
    await queue.submit([LETTER])
    assert (await take(queue))[0].id == taken.id + 1


async def test_a_file_of_a_newer_version(tmp_path: Path) -> None:
    """It is left alone."""
    db = apsw.Connection(str(tmp_path / "queue.sqlite"))
    db.pragma("user_version", 99)
    db.close()
    with pytest.raises(RelayUnavailable, match="newer"):
        Queue(tmp_path / "queue.sqlite")


async def test_who_else_writes_waits(queue: Queue, tmp_path: Path) -> None:
    """Two processes on one file, as the server and `mailhorn queue`, do not disturb each other."""
    other = Queue(tmp_path / "queue.sqlite")
    for _ in range(2):
        await queue.submit([LETTER])
        await other.submit([LETTER])
    assert len(await queue.listing()) == 4
    await other.close()


async def test_what_is_submitted_or_recorded_is_flushed(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody is told; that it is being sent need not be: after a power cut it is sent again anyway."""
    how: list[int] = []
    run = queue._database.run

    async def noted(work: Any, durable: bool = True) -> Any:
        def looked(db: apsw.Connection) -> Any:
            how.append(db.pragma("synchronous"))
            return work(db)

        return await run(looked, durable)

    monkeypatch.setattr(queue._database, "run", noted)
    await queue.submit([LETTER])
    (taken,) = await take(queue)
    await queue.record([Outcome(taken.recipients[0].id, "done")])
    assert how == [2, 1, 2]
