"""Logging for a command: everything the program tells goes to standard error, as text or as JSON lines.

What the program says itself goes there without a detour through the standard library's logging, which takes longer than
all else: a server writes a line for each message.
"""

import contextlib
import json
import logging
import sys
import time
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog

from ..config.settings import Log

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Lines:
    """
    Writes lines; what a stream will not have is lost, and nothing else.

    Attributes:
        name: Of the part of the program that speaks.

    """

    __slots__ = ("_stream", "name")

    def __init__(self, name: str, stream: TextIO) -> None:
        """Write there."""
        self.name = name
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write a line, at once."""
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # closed, or the disk is full
            pass

    debug = info = warning = error = msg


_ENCODER = json.JSONEncoder(default=repr)
_QUICK = msgspec.json.Encoder(enc_hook=repr)
_PLAIN = frozenset((str, int, float, bool, list, tuple))
"""Types that both encoders write alike."""


def _encoded(event: dict[str, Any], **_: Any) -> str:
    """Return the fields of a line as JSON in ASCII, with a space behind each comma and colon."""
    if _PLAIN.issuperset(map(type, event.values())):
        with contextlib.suppress(UnicodeEncodeError):  # octets that are no text stand in it
            line = msgspec.json.format(_QUICK.encode(event), indent=0)
            if line.isascii():
                return line.decode()
    return _ENCODER.encode(event)


@lru_cache(maxsize=4)
def _second(number: int) -> str:
    return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _stamp(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Note the time, as RFC 3339 has it, in UTC."""
    microseconds = time.time_ns() // 1000
    event["time"] = f"{_second(microseconds // 1_000_000)}.{microseconds % 1_000_000:06}Z"
    return event


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
        renderer = structlog.processors.JSONRenderer(_encoded)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="time")
    stream = sys.stderr
    handler = logging.StreamHandler(stream)
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
        logger_factory=lambda name="mailhorn": Lines(name, stream),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
