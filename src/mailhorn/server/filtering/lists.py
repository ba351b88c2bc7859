"""Lists that scripts can look into (RFC 6134): files with an address in each line, named by the operator.

Rule: a list is read when a script asks for it, and again when its file has changed. One that cannot be read is empty.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from ...sieve.listname import list_name
from ...store.names import login_dir

RECHECKED = 1.0
"""Seconds after which a file is looked at again."""
LARGEST = 4 * 1024 * 1024
"""Octets of a list's file: a hundred thousand addresses. A longer one is not read: it is no address book."""
REMEMBERED = 1_000
"""Files that are kept in memory."""

log = structlog.get_logger("mailhorn.sieve")


@dataclass(slots=True)
class _Kept:
    version: tuple[int, int] | None
    members: dict[str, str]
    checked_at: float


class Lists:
    """The lists there are."""

    def __init__(self, files: Mapping[str, str] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Look there.

        Args:
            files: The path of each list by its name; `{login}` in it is whose script asks.
            clock: Seconds, going forward.

        """
        self._files = {list_name(name): path for name, path in (files or {}).items()}
        self._clock = clock
        self._kept: dict[Path, _Kept] = {}

    def __bool__(self) -> bool:
        """Return whether there is any."""
        return bool(self._files)

    def known(self, name: str) -> bool:
        """Say whether there is a list of that name."""
        return name in self._files

    def found(self, name: str, value: str, login: str) -> tuple[str, ...]:
        """Return a value as the list has it, none if it is not there; case does not matter."""
        member = self._members(name, login).get(value.strip().lower())
        return () if member is None else (member,)

    def members(self, name: str, login: str) -> tuple[str, ...]:
        """Return what is in the list, as it is written; nothing of one that is not known."""
        return tuple(self._members(name, login).values())

    def _members(self, name: str, login: str) -> dict[str, str]:
        template = self._files.get(name)
        if template is None:
            return {}
        path = Path(template.replace("{login}", login_dir(login)))
        kept, now = self._kept.get(path), self._clock()
        if kept is not None and now - kept.checked_at < RECHECKED:
            return kept.members
        version = _version(path)
        if kept is None or kept.version != version:
            if len(self._kept) >= REMEMBERED:
                self._kept.clear()
            kept = self._kept[path] = _Kept(version, {} if version is None else _read(path), now)
        kept.checked_at = now
        return kept.members


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST + 1)
        if len(octets) > LARGEST:
            raise OSError(f"it has more than {LARGEST} octets")
    except OSError as error:
        log.error("a list cannot be read, it is empty for all rules", list=str(path), reason=str(error))
        return {}
    lines = (line.partition("#")[0].strip() for line in octets.decode("utf-8", "replace").splitlines())
    return {line.lower(): line for line in lines if line}


__all__ = ["Lists"]
