"""`mailhorn check`: is the store what it says it is; and with `--repair`, mending what is not.

Rule: a check changes nothing, and runs beside a server; mending needs the server stopped, and begins with what a crash
left in the journal.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..config.find import serve_settings
from ..config.lock import DataLock, InUse
from ..config.settings import Log
from ..config.wire import BESIDE, data_folder, open_store, recover
from ..server.accounts import normal_login
from ..store.abc import StoreError
from ..store.check import LOST_AND_FOUND, Checker, Report
from .failure import CANNOT, WRONG, CommandFailed
from .logs import set_up
from .loop import run

SECOND_LOOK = 2.0
"""Seconds until a check beside a running server looks again: what was under way has come to rest by then."""

MAX_ROUNDS = 3
"""Of mending: what one mends may show what was hidden behind it."""


def check(config: Path | None, repair: bool, login: str | None, as_json: bool) -> None:
    """Check, say what was found, and mend it if asked to."""
    settings, _ = serve_settings(config)
    set_up(Log(level="warning", format=settings.log.format))
    data = data_folder(settings)
    if login is not None:
        try:
            login = normal_login(login)
        except ValueError as error:
            raise CommandFailed(str(error), WRONG) from error
    if not data.is_dir():
        raise CommandFailed(f"there is nothing at {data}; see `data` in serve.toml")
    try:
        lock = DataLock(data)
    except InUse as in_use:
        if repair:
            raise CommandFailed(f"a server is running on {data}: stop it, then: mailhorn check --repair") from in_use
        print("The server is running: what is under way is left out, nothing is changed.", file=sys.stderr)
        left = _tell(_beside_a_server(data, login), as_json, repaired=False)
    else:
        with lock:
            if repair and (data / "index.sqlite").exists():
                with contextlib.suppress(StoreError):  # what is wrong with it, the check tells
                    run(recover(data))
            report = _look(Checker(data, False, BESIDE), login)
            if repair and report.findings:
                _tell(report, as_json=False, repaired=True, file_is_stderr=as_json)
                report = _repair(data, login, report)
            left = _tell(report, as_json, repaired=repair)
    if left:
        raise SystemExit(CANNOT)


def _beside_a_server(data: Path, login: str | None) -> Report:
    """Return what is wrong at two looks, one after the other."""
    checker = Checker(data, True, BESIDE)
    report = _look(checker, login)
    if report.findings:
        time.sleep(SECOND_LOOK)
        again = _look(checker, login)
        again.findings = [finding for finding in again.findings if finding in report.findings]
        return again
    return report


def _look(checker: Checker, login: str | None) -> Report:
    with _bar("Checking messages") as progress:
        return checker.check(login, progress)


def _repair(data: Path, login: str | None, report: Report) -> Report:
    """Mend, bring it to rest in the Maildirs, look again; return what is still wrong."""
    checker = Checker(data, False, BESIDE)
    for _ in range(MAX_ROUNDS):
        if not report.findings:
            break
        if report.damaged:
            saved, aside = checker.salvage()
            print(
                f"The damaged index is now {aside}; {saved} messages that were only in it were saved.", file=sys.stderr
            )
        else:
            with _bar("Repairing") as progress:
                checker.mend(report, progress)
        _bring_to_rest(data, report.messages)
        report = _look(checker, login)
    return report


def _bring_to_rest(data: Path, messages: int) -> None:
    """Start the store and stop it: an index that is not there is made anew, and files and names are written."""
    with _bar("Making the index anew") as progress:
        done: dict[str, int] = {}

        def restored(login: str, count: int) -> None:
            done[login] = count
            progress(sum(done.values()), messages)

        async def work() -> None:
            store = open_store(data, lambda change: None, restored=restored)
            try:
                await store.start()
            finally:
                await store.close()

        run(work())


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far it is."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _tell(report: Report, as_json: bool, repaired: bool, file_is_stderr: bool = False) -> int:
    """Print the report; return how much is wrong."""
    left = len(report.findings)
    if as_json:
        findings = [{name: getattr(f, name) for name in ("kind", "where", "what", "repair")} for f in report.findings]
        figures = {"damaged": report.damaged, "messages": report.messages, "mailboxes": report.mailboxes}
        print(json.dumps({"findings": findings, "notes": report.pending, **figures}))
        return left
    file = sys.stderr if file_is_stderr else sys.stdout
    for finding in report.findings:
        print(f"{finding.where}: {finding.what} [{finding.kind}; repair: {finding.repair}]", file=file)
    for note in report.pending:
        print(f"note: {note}", file=file)
    looked = f"{report.messages} messages in {report.mailboxes} mailboxes"
    if not left:
        print(f"All is well: {looked}.", file=file)
    elif not repaired:
        print(f"{left} found, {looked}. With the server stopped: mailhorn check --repair", file=file)
    else:
        print(f"{left} found, {looked}. Nothing is deleted that may be mail; see also {LOST_AND_FOUND}.", file=file)
    return left
