"""Times as people type them."""

import re
import time
from datetime import datetime

import click

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class When(click.ParamType[float]):
    """A time in the past: `2h`, `30min`, `3d`, `14:30`, `2026-11-22`, `2026-11-22 14:30`; seconds since 1970."""

    name = "when"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the time; what is none ends the command."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        ago = re.fullmatch(r"(\d+)\s*(s|min|m|h|d|w)", text)
        if ago:
            return time.time() - int(ago[1]) * _UNITS[ago[2]]
        try:
            if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", text):
                text = f"{datetime.now().astimezone():%Y-%m-%d} {text.zfill(5)}"
            return datetime.fromisoformat(text).astimezone().timestamp()
        except ValueError:
            self.fail(f"{value} is no time; as 2h, 30min, 3d, 14:30, 2026-11-22 or '2026-11-22 14:30'", param, ctx)


def local(seconds: float) -> str:
    """Return a time of seconds since 1970 as the clock on the wall shows it."""
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


__all__ = ["When", "local"]
