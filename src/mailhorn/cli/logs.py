"""Logging for a command: everything the program tells goes to standard error, as text or as JSON lines.

What the program says itself goes there without a detour through the standard library's logging, which takes longer than
all else: a server writes a line for each message. Those of one turn of the event loop are written together, and while
there are many, those of some turns: a hundred lines that are made in a row take less than a hundred between answers.
"""

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections import deque
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TextIO

import msgspec
import structlog

from ..config.settings import Log

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

GATHER = 0.02
"""Seconds between two writes of what can wait."""

MOST = 256
"""Lines that wait at the most: a millisecond's work."""


class Said(NamedTuple):
    """What will be a line: who said it, how important it is, when, nanoseconds since 1970, and what."""

    name: str
    level: str
    at: int
    event: str
    fields: dict[str, Any]


class Output:
    """
    Where lines go, in their order; what the stream will not have is lost, and nothing else.

    What can wait until the end of the running loop's turn is written together with all else of that turn, unless there
    was a write just before: each write lets go of the interpreter, and a thread that takes it meanwhile keeps the next
    answer waiting.
    """

    __slots__ = ("_loop", "_not_before", "_stream", "_waiting")

    def __init__(self, stream: TextIO) -> None:
        """Write there."""
        self._stream = stream
        self._waiting: deque[str | Said] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._not_before = 0.0

    def write(self, text: str) -> None:
        """Write it at once, behind all that waits."""
        self._waiting.append(text)
        self.flush()

    def write_soon(self, line: str | Said) -> None:
        """Write it when this turn of the loop is over, or a moment later; at once, if there is none."""
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._loop is not loop:
            self._loop = loop
            loop.call_soon(self._turn_over, loop)
        elif len(self._waiting) >= MOST:
            self.flush()

    def _turn_over(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        if now >= self._not_before:
            self.flush()
        else:
            loop.call_later(self._not_before - now, self.flush)

    def flush(self) -> None:
        """Write all that waits."""
        self._loop = None
        self._not_before = time.monotonic() + GATHER
        lines: list[str] = []
        with contextlib.suppress(IndexError):  # one by one, as other threads may do the same
            while True:
                line = self._waiting.popleft()
                lines.append(line if isinstance(line, str) else _written(line))
        if not lines:
            return
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):  # closed, or the disk is full
            pass


class Lines:
    """
    Writes the lines of one part of the program.

    Attributes:
        name: Of that part.

    """

    __slots__ = ("_output", "name")

    def __init__(self, name: str, output: Output) -> None:
        """Write there."""
        self.name = name
        self._output = output

    def info(self, line: str) -> None:
        """Write a line of which there may be thousands in a second."""
        self._output.write_soon(f"{line}\n")

    def say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write a line of such fields, which is made when it is written."""
        self._output.write_soon(Said(self.name, level, time.time_ns(), event, fields))

    def error(self, line: str) -> None:
        """Write a line that must not be lost, whatever happens next."""
        self._output.write(f"{line}\n")

    debug, msg, warning = info, info, error


_ENCODER = json.JSONEncoder(default=repr)
_QUICK = msgspec.json.Encoder(enc_hook=repr)
_PLAIN = frozenset((str, int, float, bool, list, tuple))
"""Types that both encoders write alike."""


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return the fields of a line as JSON in ASCII, with a space behind each comma and colon."""
    if _PLAIN.issuperset(map(type, event.values())):
        try:
            line = msgspec.json.format(_QUICK.encode(event), indent=0)
        except (UnicodeEncodeError, OverflowError):  # octets that are no text stand in it, or a number of many digits
            return _ENCODER.encode(event)
        if line.isascii():
            return line.decode()
    return _ENCODER.encode(event)


@lru_cache(maxsize=4)
def _second(number: int) -> str:
    return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _time(nanoseconds: int) -> str:
    """Return the time, as RFC 3339 has it, in UTC."""
    microseconds = nanoseconds // 1000
    return f"{_second(microseconds // 1_000_000)}.{microseconds % 1_000_000:06}Z"


def _stamp(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Note the time."""
    event["time"] = _time(time.time_ns())
    return event


def _written(said: Said) -> str:
    """Return the line, with its end."""
    name, level, at, event, fields = said
    return _as_json(None, level, {**fields, "event": event, "level": level, "logger": name, "time": _time(at)}) + "\n"


def _quick(level: int) -> Any:
    """
    Return the class of loggers that take note of what is of no weight and plain, and have it made a line later.

    All else goes through structlog's processors at once.
    """
    base: Any = structlog.make_filtering_bound_logger(level)

    def info(self: Any, event: str, *args: Any, **fields: Any) -> None:
        if args or self._context or not _PLAIN.issuperset(map(type, fields.values())):
            base.info(self, event, *args, **fields)
        else:
            self._logger.say("info", event, fields)

    return type("Quick", (base,), {"info": info}) if level <= logging.INFO else base


def set_up(settings: Log) -> None:
    """Make structlog, and the standard library's logging with it, write what the settings ask for."""
    level = _LEVELS[settings.level]
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _stamp,
    ]
    renderer: structlog.typing.Processor
    if as_json:
        shared.append(structlog.processors.format_exc_info)
        renderer = _as_json
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time")
    output = Output(sys.stderr)
    handler = logging.StreamHandler(output)  # which is flushed when the program ends
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("asyncio").setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=lambda name="mailhorn": Lines(name, output),
        wrapper_class=_quick(level) if as_json else structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
