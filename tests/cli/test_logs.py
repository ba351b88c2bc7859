"""What a program says, on standard error."""

import asyncio
import io
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mailhorn.cli.logs import GATHER, MOST, Lines, Output
from mailhorn.testing import VirtualLoop

SAYS = """
import logging, os, sys
import structlog
from mailhorn.cli.logs import set_up
from mailhorn.config.settings import Log

set_up(Log(format=sys.argv[1]))
log = structlog.get_logger("mailhorn.delivery")
log.debug("nobody hears this")
log.info("delivered", id="a1", size=4096, copies=[(1, 2)], ms=1.5, none=None, name="Zo\\u00eb", raw="\\udcff", odd=b"x")
logging.getLogger("asyncio").warning("from %s", "elsewhere")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("bug", path=os)
os.close(2)
log.info("nobody hears this either")
print("goes on")
"""


def said(form: str) -> list[str]:
    """Return the lines of a program that says this and that."""
    done = subprocess.run([sys.executable, "-c", SAYS, form], capture_output=True, text=True, check=True)
    assert done.stdout == "goes on\n"
    return done.stderr.splitlines()


def test_json() -> None:
    """A line each, in ASCII: what happened, with its fields, who says it, how important it is, and when."""
    before = datetime.now(UTC)
    delivered, elsewhere, bug = [json.loads(line) for line in said("json") if line.isascii()]
    assert before <= datetime.fromisoformat(delivered.pop("time")) <= datetime.now(UTC)
    assert delivered == {
        **{"event": "delivered", "level": "info", "logger": "mailhorn.delivery", "id": "a1", "size": 4096, "ms": 1.5},
        **{"copies": [[1, 2]], "none": None, "name": "Zoë", "raw": "\udcff", "odd": "b'x'"},
    }
    assert (elsewhere["event"], elsewhere["logger"]) == ("from elsewhere", "asyncio")
    assert (
        bug["level"] == "error" and "ZeroDivisionError" in bug["exception"] and bug["path"].startswith("<module 'os'")
    )


@pytest.mark.parametrize("words", [("delivered", "size=4096", "mailhorn.delivery"), ("from elsewhere",), ("bug",)])
def test_text(words: tuple[str, ...]) -> None:
    """For people."""
    assert any(all(word in line for word in words) for line in said("text"))


class Counted(io.StringIO):
    """A stream that keeps what was written to it, write by write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)


def test_lines_of_one_turn_are_one_write() -> None:
    """They are written when the turn is over, in their order, whoever says them; what comes later is another write."""
    stream = Counted()
    output = Output(stream)
    one, other = Lines("one", output), Lines("other", output)

    async def say() -> None:
        one.info("a")
        other.debug("b")
        one.info("c")
        assert stream.writes == []
        await asyncio.sleep(0)
        assert stream.writes == ["a\nb\nc\n"]
        one.info("d")
        await asyncio.sleep(GATHER)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(say())
    assert stream.writes == ["a\nb\nc\n", "d\n"]


def test_a_warning_waits_for_nothing() -> None:
    """What waits is written in front of it, and none of it twice."""
    stream = Counted()
    lines = Lines("one", Output(stream))

    async def say() -> None:
        lines.info("a")
        lines.warning("b")
        assert "".join(stream.writes) == "a\nb\n"
        lines.info("c")
        lines.error("d")
        assert "".join(stream.writes) == "a\nb\nc\nd\n"

    asyncio.run(say())
    assert "".join(stream.writes) == "a\nb\nc\nd\n"


ENDS = """
import asyncio, sys
import structlog
from mailhorn.cli.logs import set_up
from mailhorn.config.settings import Log

set_up(Log(format="json"))
log = structlog.get_logger("mailhorn.delivery")
log.info("before")

async def say():
    log.info("within")
    if sys.argv[1] == "exit":
        raise SystemExit(0)
    if sys.argv[1] == "stop":
        asyncio.get_running_loop().stop()

loop = asyncio.new_event_loop()
try:
    loop.run_until_complete(say())
except RuntimeError:
    pass
log.info("between")
asyncio.run(say())
"""


@pytest.mark.parametrize("end", ["return", "exit", "stop"])
def test_nothing_is_lost_at_the_end(end: str) -> None:
    """However a loop ends, what was said in its last turn is written, at the end of the program at the latest."""
    done = subprocess.run([sys.executable, "-c", ENDS, end], capture_output=True, text=True, check=False)
    said = [json.loads(line)["event"] for line in done.stderr.splitlines() if line.startswith("{")]
    assert said == (["before", "within"] if end == "exit" else ["before", "within", "between", "within"])


def test_in_a_storm_lines_of_some_turns_are_one_write() -> None:
    """A line after silence is written at once, those that follow when a moment is over or many wait."""
    stream = Counted()
    lines = Lines("one", Output(stream))

    async def say() -> None:
        loop = asyncio.get_running_loop()
        lines.info("a")
        await asyncio.sleep(0)
        assert stream.writes == ["a\n"]
        for line in "bcd":
            lines.info(line)
            await asyncio.sleep(0)
        assert stream.writes == ["a\n"]
        await asyncio.sleep(GATHER)
        assert stream.writes == ["a\n", "b\nc\nd\n"]
        begin = loop.time()
        for number in range(MOST * 3):
            lines.info(str(number))
        assert loop.time() == begin and 3 <= len(stream.writes) <= 5
        await asyncio.sleep(GATHER * 2)
        assert "".join(stream.writes[2:]).split() == [str(number) for number in range(MOST * 3)]

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(say())


def test_plain_lines_are_what_all_others_are() -> None:
    """Whether a line is made at once or later shows in nothing: the same fields in the same order."""
    fields: dict[str, object] = {
        "id": "a1",
        "name": "Zoë",
        "size": 2**70,
        "copies": [(1, 2)],
        "raw": "\udcff",
        "x": 1.5,
    }
    code = (
        "import sys, structlog\nfrom mailhorn.cli.logs import set_up\nfrom mailhorn.config.settings import Log\n"
        "set_up(Log(format='json'))\nlog = structlog.get_logger('one')\n"
        f"fields = {fields!r}\nlog.info('said', **fields)\nlog.info('said', **fields, none=None)\n"
        "log.bind(more=1).info('said', **fields)\nlog.info('%s said', 'who', **fields)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    plain, odd, bound, formatted = [json.loads(line) for line in done.stderr.splitlines()]
    assert list(plain) == [*fields, "event", "level", "logger", "time"]
    assert list(odd) == [*fields, "none", "event", "level", "logger", "time"]
    assert list(bound) == ["more", *fields, "event", "level", "logger", "time"]
    assert formatted["event"] == "who said"
    for line in (plain, odd, bound, formatted):
        assert {name: line[name] for name in fields} == {**fields, "copies": [[1, 2]]}
