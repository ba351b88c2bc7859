"""Runs an errand: connection, journal and clock are those of the watcher."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .account import WatchAccount
from .errand import Errand, ErrandScript
from .events import Filed, State, StateChanged
from .journal import JournalThread
from .ledger import Answer, JournalFailed, Place, Recall, Recalled, Request
from .supervisor import Watcher
from .trouble import Trouble


class ErrandFailed(Exception):
    """The errand could not be carried out, or not to its end; the text says why."""


class MailboxFailed(ErrandFailed):
    """It is the mailbox that cannot be had; another one of the account may well be."""


class _NoJournal:
    """In place of a journal, for who only looks."""

    def ask(self, request: Request, answer: Callable[[Answer], None]) -> None:
        """Say how late it is, which is all that can be said here; refuse the rest."""
        if isinstance(request, Recall):
            now = int(time.time())
            answer(Recalled(now, time.localtime(now).tm_gmtoff // 60))
            return
        answer(JournalFailed(f"nothing is to be written here: {type(request).__name__}"))

    def close(self) -> None:
        """Nothing."""


async def run_errand(
    account: WatchAccount,
    script: ErrandScript,
    journal: Path | None,
    on_filed: Callable[[Filed], None] | None = None,
    on_start: Callable[[Watcher], None] | None = None,
) -> None:
    """
    Carry out an errand.

    Args:
        account: Whose.
        script: What.
        journal: The journal; None if nothing is written.
        on_filed: Told of each message to which everything was done.
        on_start: Gets the watcher that runs it, to stop it if need be.

    Raises:
        ErrandFailed: It did not come to its end.
        JournalError: The journal cannot be used; another errand may hold it.

    """
    errand = Errand(account, script)
    loop = asyncio.get_running_loop()

    def changed(_: Place, change: StateChanged) -> None:
        if change.state is State.STOPPED:
            loop.call_soon(watcher.stop)

    watcher = Watcher(
        [replace(account, mailboxes=account.mailboxes[:1], connections=1)],
        journal or Path(),
        on_filed=None if on_filed is None else lambda _, filed: on_filed(filed),
        on_state=changed,
        machine=lambda *_: errand,
    )
    watcher.open_journal = _NoJournal if journal is None else lambda: JournalThread(journal, errand=True)
    if on_start is not None:
        on_start(watcher)
    await watcher.run()
    if errand.bug is not None:
        raise errand.bug
    if not errand.finished:
        failed = MailboxFailed if errand.over and errand.over.trouble is Trouble.MAILBOX else ErrandFailed
        raise failed(f"{account.name}: {errand.over.told if errand.over else 'stopped'}")


__all__ = ["ErrandFailed", "MailboxFailed", "run_errand"]
