"""Has a running watcher take other settings: on SIGHUP, and when the settings file or a rules file is changed.

Rule 1: all or nothing. Everything is read and checked first; what is wrong is one line in the log, and the old settings
stay. Rule 2: reading runs in a thread: a password command may take its time, and nobody waits for it.
"""

import asyncio
import signal
from pathlib import Path

import apsw
import structlog

from ..config.changes import Changes
from ..config.find import ConfigError, watch_settings
from ..config.settings import WatchSettings
from ..config.watching import list_of_hooks, rule_files, watched_accounts
from ..net.tls import TLSProblem
from ..watch.account import WatchAccount
from ..watch.hooks import Hook, Hooks
from ..watch.journal import JournalError
from ..watch.supervisor import Watcher

log = structlog.get_logger("mailhorn.watch")


class Reloading:
    """Reads the settings again when it is told to, one reading at a time; a `with` block says for how long."""

    def __init__(
        self, watcher: Watcher, hooks: Hooks, settings: WatchSettings, config: Path | None, path: Path | None
    ) -> None:
        """
        Begin; call in the watcher's event loop.

        Args:
            watcher: Who takes the settings.
            hooks: Who takes those of hooks.
            settings: Those that it has.
            config: What `--config` named.
            path: The file that they came from.

        """
        self._watcher = watcher
        self._hooks = hooks
        self._relay = settings.relay
        self._config = config
        self._changes = Changes(self.again)
        self._watch(settings, path)
        self._task: asyncio.Task[None] | None = None
        self._once_more = False

    def __enter__(self) -> "Reloading":
        """Listen to SIGHUP."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.again)
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        self._changes.close()
        if self._task is not None:
            self._task.cancel()

    def again(self) -> None:
        """Read the settings, soon."""
        self._once_more = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._once_more:
                self._once_more = False
                try:
                    settings, path, accounts, hooks = await asyncio.to_thread(self._all)
                    gone, new = self._watcher.reload(accounts)
                    await self._hooks.reload(hooks, settings.hooks_at_once)
                except (ConfigError, JournalError, TLSProblem, ValueError, apsw.Error) as error:
                    log.error("the settings were changed and cannot be used, the old ones stay", reason=str(error))
                else:
                    log.info("settings read", stopped=gone, started=new)
                    if settings.relay != self._relay:
                        log.warning("[relay] has changed; that takes effect when the watcher is started again")
                    self._watch(settings, path)
        finally:
            self._task = None

    def _all(self) -> tuple[WatchSettings, Path | None, list[WatchAccount], list[Hook]]:
        settings, path = watch_settings(self._config)
        return settings, path, watched_accounts(settings), list_of_hooks(settings)

    def _watch(self, settings: WatchSettings, path: Path | None) -> None:
        self._changes.watch([*rule_files(settings), *([path] if path is not None else [])])


__all__ = ["Reloading"]
