"""What a program says, on standard error."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

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
