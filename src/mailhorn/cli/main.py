"""The way in: `mailhorn` and `python -m mailhorn`.

Rule: what runs for years does not carry what reads a command line. `mailhorn serve` and `mailhorn watch`, alone or with
a settings file, are understood here; for all else there are `commands`, which take 2 MiB and a third of a second.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .failure import explain


def main() -> None:
    """Run the command line; what is expected to go wrong ends in one line, never in a traceback."""
    try:
        _run(sys.argv[1:])
    except BrokenPipeError:  # `mailhorn serve | head`: who read what we say does not any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(1) from None
    except Exception as error:
        failure = explain(error)
        if failure is None:
            raise
        print(f"mailhorn: {failure}", file=sys.stderr)
        raise SystemExit(failure.code) from None


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
