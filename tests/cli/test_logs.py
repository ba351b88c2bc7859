"""What a program says, on standard error."""

import asyncio
import io
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from mailhorn.cli.logs import Lines, Output

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
    """They are written when the turn is over, in their order, whoever says them; the next turn is another write."""
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
        await asyncio.sleep(0)

    asyncio.run(say())
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
