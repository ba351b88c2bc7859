"""One server for one data directory: a lock that the kernel lets go when its process ends, however it ends.

It is taken before anything is opened, because opening an index that another process is making would spoil it. The
store has a lock of its own on the Maildirs, for whoever embeds it without this one.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from .find import ConfigError

NAME = "lock"


STARTING, READY = "starting", "ready"


class InUse(ConfigError):
    """
    Another server holds the data directory.

    Attributes:
        ready: Whether it has opened its store, so that other processes may write beside it.

    """

    def __init__(self, text: str, ready: bool) -> None:
        super().__init__(text)
        self.ready = ready


class DataLock:
    """Holds the data directory from the moment it is made until `release`, or the end of a `with` block."""

    def __init__(self, data: Path) -> None:
        """
        Make the directory if need be, readable by its owner only, and take its lock.

        Raises InUse if another process has it, ConfigError if the directory cannot be used.
        """
        path = data / NAME
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"the data directory {data} cannot be used: {error.strerror}; set `data` in serve.toml to one of yours"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid, _, state = os.read(self._file, 40).decode("ascii", "replace").strip().partition(" ")
            os.close(self._file)
            raise InUse(
                f"{data} is in use by another mailhorn (pid {pid or 'unknown'}); stop that one, "
                "or set another `data` in serve.toml",
                state == READY,
            ) from error
        self._say(STARTING)

    def ready(self) -> None:
        """Let other processes know that they may write beside this one."""
        self._say(READY)

    def _say(self, state: str) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()} {state}\n".encode(), 0)

    def release(self) -> None:
        """Let the next one have it."""
        os.close(self._file)

    def __enter__(self) -> "DataLock":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release it."""
        self.release()
