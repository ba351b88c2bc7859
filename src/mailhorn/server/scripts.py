"""Whose Sieve script filters whose mail: files, compiled once for each version of them.

A script that cannot be used never stops mail: it is as if there were none, and the log says so once per version.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from ..sieve import Program, SieveError, compile_script, offered
from ..store.names import login_dir

REMEMBERED = 10_000
"""Compiled scripts kept: one each for 10,000 people."""
RECHECKED = 1.0
"""Seconds after which a file is looked at again. Under load a look costs 0.3 ms: it lets go of the interpreter."""
FRESH = 5_000_000_000
"""Nanoseconds for which a folder that changed is listed again: its time of change is a coarse clock's."""
OFFERS = offered({"envelope"})
"""What a script may require: what needs no more than `server.delivery` tells and does."""
LARGEST = 1_000_000
"""Octets of a script's file; `sieve` has a limit of its own in characters."""

log = structlog.get_logger("mailhorn.sieve")


class ScriptRefused(Exception):
    """The script asks for what delivery cannot do. The text says what."""


def check_script(text: str) -> Program:
    """
    Return the program of a script for delivery. Call this when one is installed.

    Raises:
        SieveError: It does not compile; the text shows where.
        ScriptRefused: It redirects: this version sends no mail to other servers.

    """
    program = compile_script(text, OFFERS)
    if "redirect" in program.actions:
        raise ScriptRefused("redirect is not possible: this version of the server sends no mail to other servers")
    return program


Version = tuple[int, int, int]
"""What differs when a file was written again: time of change, size, inode."""


@dataclass(slots=True)
class Script:
    """
    One version of one script.

    Attributes:
        path: Its file.
        version: Which version of it; None if there is no file.
        program: None if it cannot be used.
        checked_at: When the file was last looked at.
        complained: A failure while it ran was logged.

    """

    path: Path
    version: Version | None
    program: Program | None
    checked_at: float
    complained: bool = False


class Scripts:
    """`<directory>/<login>.sieve`, else the default script, else none."""

    def __init__(
        self,
        directory: Path | None = None,
        default: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Look there; neither needs to exist.

        Args:
            directory: Where everybody's own scripts are.
            default: The script for whoever has none.
            clock: Seconds, going forward.

        """
        self._clock = clock
        self._directory = directory
        self._default = default
        self._known: OrderedDict[Path, Script] = OrderedDict()
        self._names: frozenset[str] = frozenset()
        self._names_at = -RECHECKED
        self._names_version: Version | None = None

    def path_of(self, login: str) -> Path | None:
        """Return where the login's own script is, or would be."""
        return None if self._directory is None else self._directory / f"{login_dir(login)}.sieve"

    def script_for(self, login: str) -> Script | None:
        """Return the script for the login's mail, None if there is none or it cannot be used."""
        own = self.path_of(login) if self._has_scripts() else None
        script = self._read(own) if own is not None and own.name in self._names else None
        if self._default is not None and (script is None or script.version is None):
            script = self._read(self._default)
        return script if script is not None and script.program is not None else None

    def _has_scripts(self) -> bool:
        """Look, if it is time to, which logins have a script of their own; say whether any has."""
        now = self._clock()
        if self._directory is not None and now - self._names_at >= RECHECKED:
            version = _version(self._directory)
            fresh = version is not None and time.time_ns() - version[0] < FRESH  # a file may have come in the same tick
            if version != self._names_version or fresh:
                try:
                    self._names = frozenset(os.listdir(self._directory))
                except OSError:
                    self._names = frozenset()
                self._names_version = version
            self._names_at = now
        return bool(self._names)

    def _read(self, path: Path) -> Script:
        """Return the script as its file is now, or was a moment ago."""
        now = self._clock()
        script = self._known.get(path)
        if script is None or now - script.checked_at >= RECHECKED:
            version = _version(path)
            if script is None or script.version != version:
                program = self._compile(path, version[1]) if version is not None else None
                script = self._known[path] = Script(path, version, program, now)
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            script.checked_at = now
        self._known.move_to_end(path)
        return script

    def _compile(self, path: Path, size: int) -> Program | None:
        try:
            if size > LARGEST:
                raise ScriptRefused(f"it has more than {LARGEST} octets")
            return check_script(path.read_text("utf-8", "surrogateescape"))
        except (SieveError, ScriptRefused, OSError) as error:
            log.error("a Sieve script cannot be used, mail goes to INBOX", script=str(path), reason=str(error))
            return None


def _version(path: Path) -> Version | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


__all__ = ["Script", "ScriptRefused", "Scripts", "check_script"]
