"""The way in: `mailhorn` and `python -m mailhorn`.

Rule: what runs for years does not carry what reads a command line. `mailhorn serve` and `mailhorn watch`, alone or with
a settings file, are understood here; for all else there are `commands`, which take 2 MiB and a third of a second.
"""

import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .failure import CANNOT, explain

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO))


def main() -> None:
    """Run the command line; what is expected to go wrong ends in one line, never in a traceback."""
    _speak()
    try:
        try:
            _run(sys.argv[1:])
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # at the very end Python would only say that it has ignored something
    except BrokenPipeError:  # `mailhorn serve | head`: who read what we say does not any more
        _fall_silent()
        raise SystemExit(CANNOT) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            _fall_silent()
            print(f"mailhorn: what is to be said cannot be written: {error.strerror}", file=sys.stderr)
            raise SystemExit(CANNOT) from None
        failure = explain(error)
        if failure is None:
            raise
        print(f"mailhorn: {failure}", file=sys.stderr)
        raise SystemExit(failure.code) from None


def _speak() -> None:
    """Have whatever stands in a mail be printable: JSON and Sieve in UTF-8, and what a terminal cannot show escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what Python has made: there may be none
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def _fall_silent() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: Sequence[str]) -> None:
    match words:
        case [("serve" | "watch") as program]:
            config = None
        case [("serve" | "watch") as program, "--config" | "-c", file] if not file.startswith("-"):
            config = Path(file)
        case _:
            from .commands import app

            app(prog_name="mailhorn")
            return
    if program == "serve":
        run_server(config)
    else:
        from .watch.run import watch

        watch(config)


def run_server(config: Path | None) -> None:
    """Run the mail server; see `serve.serve`."""
    from .memory import without_the_unused

    with without_the_unused():
        from .serve import serve

    serve(config)


__all__ = ["main", "run_server"]
