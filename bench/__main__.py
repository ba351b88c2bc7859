"""The command line: `./dev bench` measures; `soak` keeps a server busy for an hour, `compared` has watchers compete."""

import argparse
import asyncio
import contextlib
import json
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from . import compared, machine, soak
from .cases import GROUPS, ON_DEMAND, Case, cases
from .figures import LEGEND, Figure, losses, table
from .servers import Dovecot, Mailhorn, Server, Unusable

try:
    import uvloop as loops
except ImportError:
    import asyncio as loops  # type: ignore[no-redef]  # the other loop, by the same name


EVERY = (*GROUPS, *ON_DEMAND)
PROGRAMS = {"soak": (soak.soak, soak.parser), "compared": (compared.compare, compared.parser)}
"""What is more than a table of one's own figures: by its name, what runs and what takes its arguments."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    program, parser = PROGRAMS.get(given[0] if given else "", (measure, _parser))
    options = parser().parse_args(given[1:] if given[:1] and given[0] in PROGRAMS else given)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return run(program, options)


def run(program: Callable[[argparse.Namespace, Path], Coroutine[Any, Any, int]], options: argparse.Namespace) -> int:
    """Run it over a folder of its own; Ctrl-C and SIGTERM end it as its end does."""

    async def interruptible() -> int:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        return await program(options, folder)

    with (
        tempfile.TemporaryDirectory(prefix="mailhorn-bench-", dir=options.directory) as name,
        asyncio.Runner(loop_factory=loops.new_event_loop) as runner,
    ):
        folder = Path(name)
        folder.chmod(0o755)  # Dovecot's mail user comes by
        try:
            return runner.run(interruptible())
        except asyncio.CancelledError:
            sys.stderr.write("bench: stopped\n")
            return 130
        except Unusable as error:
            sys.stderr.write(f"bench: {error}\n")
            return 1


async def measure(options: argparse.Namespace, folder: Path) -> int:
    """Run all cases on all servers in turns, and print the table."""
    todo = cases(options.only, options.full, options.quick, options.seconds)
    accounts = max(case.accounts for case in todo)
    kinds = contestants(todo, options.no_dovecot)
    if Dovecot in kinds:
        _warn_of_inotify(todo)
    flushes = machine.flushes_per_second(folder)
    rows: dict[str, dict[str, Figure | str]] = {}
    console = Console(stderr=True)
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                console=console,
                transient=True,
                auto_refresh=False,  # a thread that draws would be measured, too
                disable=not console.is_terminal,
            )
        )
        bar = progress.add_task("starting", total=len(todo) * len(kinds))
        servers = []
        for kind in kinds:
            progress.update(bar, description=f"starting {kind.name}", refresh=True)
            server = kind(folder / kind.name, accounts)
            stack.callback(server.stop)
            server.start()
            servers.append(server)
        versions = [server.version() for server in servers]
        for case in todo:
            for server in servers:
                progress.update(bar, description=f"{case.name}, {server.name}", refresh=True)
                if not console.is_terminal:
                    console.print(f"{time.monotonic() - began:5.0f} s  {case.name}, {server.name}", highlight=False)
                if not (case.ours_only and server is not servers[0]):
                    await _measure(case, server, rows)
                progress.advance(bar)
    disk = f"{_file_system(folder)}, {flushes:,.0f} flushes/s"
    facts = f"{machine.description()}; {disk}; {', '.join(versions)}."
    names = [server.name for server in servers]
    rows |= losses(names, rows)
    sys.stdout.write(f"{table(names, rows)}\n{LEGEND}\n{facts}\n")
    if options.json:
        options.json.write_text(json.dumps(_document(facts, flushes, rows), indent=1, ensure_ascii=False) + "\n")
    failed = [label for label, row in rows.items() if isinstance(row.get(Mailhorn.name), str)]
    return 1 if failed else 0


def contestants(todo: Sequence[Case], alone: bool) -> list[type[Server]]:
    """Return the servers to start: Dovecot only if it is installed, asked for and has a case to run."""
    beside = Dovecot.installed() and not alone and any(not case.ours_only for case in todo)
    return [Mailhorn, Dovecot] if beside else [Mailhorn]


async def _measure(case: Case, server: Server, rows: dict[str, dict[str, Figure | str]]) -> None:
    """Add the figures of a case; if it cannot be done, say so instead, and go on with a fresh server."""
    try:
        for figure in await case.run(server):
            rows.setdefault(figure.label, {})[server.name] = figure
    except Exception as error:
        while isinstance(error, ExceptionGroup):  # all of a fleet failed alike
            error = error.exceptions[0]
        problem = f"{type(error).__name__} {error}".strip()
        sys.stderr.write(f"bench: {case.name}, {server.name}: {problem}\n{server.log()}\n")
        rows.setdefault(case.name, {})[server.name] = f"failed: {problem.splitlines()[0][:60]}"
        server.stop()
        server.start()


def _warn_of_inotify(todo: Sequence[Case]) -> None:
    with contextlib.suppress(OSError):
        allowed = int(Dovecot.INOTIFY.read_text())
        if allowed < max(case.accounts for case in todo if not case.ours_only):
            sys.stderr.write(
                f"bench: Dovecot takes an inotify instance for each session and may have {allowed}: beyond that it is "
                "told of new mail late or never. sysctl fs.inotify.max_user_instances=65536 gives it more.\n"
            )


def _file_system(folder: Path) -> str:
    """Return the kind of file system the servers wrote to: a flush of a disk in memory costs nothing."""
    best, kind = "", "unknown file system"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, what, *_ = line.split()
        if str(folder).startswith(place) and len(place) > len(best):
            best, kind = place, what
    return kind


def _document(facts: str, flushes: float, rows: dict[str, dict[str, Figure | str]]) -> dict[str, object]:
    return {
        "machine": facts,
        "flushes_per_second": flushes,
        "figures": {
            label: {
                server: figure
                if isinstance(figure, str)
                else {"value": figure.value, "text": figure.text, **figure.details}
                for server, figure in row.items()
            }
            for label, row in rows.items()
        },
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description="Measure mailhorn, and Dovecot beside it if it is installed, and print the table of the README.",
        epilog="`./dev bench soak` keeps a server busy for an hour instead, `./dev bench compared` has programs that "
        "file mail compete; each has a --help of its own.",
    )
    parser.add_argument("--full", action="store_true", help="also 10,000 connections and 100,000 messages; takes long")
    parser.add_argument("--quick", action="store_true", help="only one push and one delivery: ten seconds")
    parser.add_argument(
        "--only", type=_groups, default=GROUPS, metavar="GROUP,…", help=f"of {', '.join(EVERY)}; all but the last"
    )
    parser.add_argument("--seconds", type=_seconds, help="length of what is timed (3, with --full 8)")
    parser.add_argument("--no-dovecot", action="store_true", help="measure mailhorn alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there, too")
    parser.add_argument(
        "--directory", type=Path, metavar="DIR", help="where the servers keep their mail: the disk that is measured"
    )
    return parser


def _groups(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    for group in chosen:
        if group not in EVERY:
            raise argparse.ArgumentTypeError(f"there is no group {group!r}, only {', '.join(EVERY)}")
    return chosen


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 600:
        raise argparse.ArgumentTypeError("from 0.1 to 600")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
