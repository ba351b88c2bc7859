"""Whose Sieve scripts filter whose mail: files, compiled once for each version of them and of what they include.

A script that cannot be used never stops mail: mail goes to INBOX, and the log says so once per version. Of each login:
the scripts that the operator has put before everybody's own, the own one or else the default, those put after it.
"""

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import structlog

from ..sieve import Program, SieveError
from ..sieve.errors import printable
from ..sieve.pyrule import PythonRule
from ..store.names import login_dir
from .filtering.abilities import Abilities
from .scriptbook import script_file

REMEMBERED = 10_000
"""Compiled scripts kept: one each for 10,000 people."""
RECHECKED = 1.0
"""Seconds after which a file is looked at again. Under load a look costs 0.3 ms: it lets go of the interpreter."""
FRESH = 5_000_000_000
"""Nanoseconds for which a folder that changed is listed again: its time of change is a coarse clock's."""
AT_ONCE = 16 * 1024
"""Octets of a script that is compiled where it is needed, which takes 15 ms; a larger one may take seconds."""
LARGEST = 1_000_000
"""Octets of a script's file; `sieve` has a limit of its own in characters."""
SUFFIX = ".sieve"
"""Of every script's file."""
PYTHON = ".py"
"""Of a rule in Python, which only the operator's settings can name."""

log = structlog.get_logger("mailhorn.sieve")


class ScriptRefused(Exception):
    """The script cannot be taken, whatever is in it. The text says why."""


def check_script(text: str) -> Program:
    """
    Return the program of a script for a delivery that can do no more than file.

    Raises:
        SieveError: It does not compile, or asks for more; the text shows where.

    """
    return Abilities().program(text)


def problem_file(script: Path) -> Path:
    """Return where it is marked that a script does not work (`filtering.trouble`)."""
    return script.with_name(f"{script.name.removesuffix(SUFFIX)}.problem")


def problem_of(script: Path, octets: bytes | None = None) -> str | None:
    """
    Return what is wrong with a script that failed at a delivery, None if nothing is known of this version of it.

    Args:
        script: The file that delivery reads, or one of its owner's scripts, which that may be.
        octets: What is in it; None: to be read.

    """
    folder = script.absolute().parent
    for mark in (problem_file(script), folder.parent / f"{folder.name}.problem"):
        try:
            digest, _, reason = mark.read_text("utf-8", "replace").partition("\n")
            if digest == _digest(script.read_bytes() if octets is None else octets):
                return reason.rstrip("\n")
        except OSError:
            continue
    return None


def failed_once(script: Path, octets: bytes | None = None) -> str:
    """Return the same as a warning on one line without quotes, "" for none."""
    reason = problem_of(script, octets)
    if reason is None:
        return ""
    told = printable(reason.partition("\n")[0]).replace('"', "'").replace("\\", "/")
    return f"at a delivery this script failed, and the message went to INBOX: {told[:MAX_REASON]}"


MAX_REASON = 300
"""Characters of what was wrong that a warning repeats."""


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
        error: Why it cannot be used, "" if it can.
        digest: Of its text.
        own: It is somebody's own, not the operator's.
        included: The files it includes, and which version of each.
        complained: A failure while it ran was logged.
        rule: A rule in Python, which is in the place of the program; the operator's.
        pending: It is being compiled in a thread: nothing of it is known before that is done; see `ready`.

    """

    path: Path
    version: Version | None
    program: Program | None
    checked_at: float
    error: str = ""
    digest: str = ""
    own: bool = False
    included: dict[Path, Version | None] = field(default_factory=dict)
    complained: bool = False
    rule: PythonRule | None = None
    pending: "asyncio.Task[None] | None" = None

    async def ready(self) -> None:
        """Wait until it is compiled."""
        if self.pending is not None:
            await asyncio.shield(self.pending)
            self.pending = None


@dataclass(frozen=True, slots=True)
class Everybody:
    """
    The operator's scripts, for everybody's mail.

    Attributes:
        before: Run first, in this order: files, and folders whose files are taken by name.
        after: Run last.
        shared: The folder of what scripts include with `:global`; None: there is none.

    """

    before: tuple[Path, ...] = ()
    after: tuple[Path, ...] = ()
    shared: Path | None = None


class Scripts:
    """`<directory>/<login>.sieve`, else the default script, else none; and the operator's around it."""

    def __init__(
        self,
        directory: Path | None = None,
        default: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        abilities: Abilities | None = None,
        everybody: Everybody | None = None,
        python: Callable[[Path], PythonRule] | None = None,
    ) -> None:
        """
        Look there; none of it needs to exist.

        Args:
            directory: Where everybody's own scripts are: LOGIN.sieve is the one in use, LOGIN/NAME.sieve all of them.
            default: The script for whoever has none.
            clock: Seconds, going forward.
            abilities: What scripts may ask for.
            everybody: The operator's scripts.
            python: Loads a rule in Python, of the operator's files only; raises ScriptRefused.

        """
        self._python = python
        self.abilities = abilities or Abilities()
        self._clock = clock
        self._directory = directory
        self._default = default
        self._everybody = everybody or Everybody()
        self._known: OrderedDict[tuple[Path, bool], Script] = OrderedDict()
        self._paths: dict[str, Path] = {}
        self._names: frozenset[str] = frozenset()
        self._names_at = -RECHECKED
        self._names_version: Version | None = None
        self._around: tuple[tuple[Path, ...], tuple[Path, ...]] = ((), ())
        self._around_at = -RECHECKED

    def recheck(self) -> None:
        """Look at all files again when they are needed next, as if a moment had gone by."""
        self._names_at = self._around_at = -RECHECKED
        for script in self._known.values():
            script.checked_at = -RECHECKED

    def path_of(self, login: str) -> Path | None:
        """Return where the login's own script is, or would be."""
        path = self._paths.get(login)
        if path is None and self._directory is not None:
            if len(self._paths) >= REMEMBERED:
                self._paths.clear()
            path = self._paths[login] = self._directory / f"{login_dir(login)}{SUFFIX}"
        return path

    def personal(self, login: str, name: str) -> Path | None:
        """Return where the login's script of that name is, or would be; None: there can be none."""
        return None if self._directory is None else script_file(self._directory, login, name)

    def check(self, login: str, text: str) -> Program:
        """
        Return the program of a script that somebody wants to install.

        Args:
            login: Who.
            text: The script.

        Raises:
            SieveError: It does not compile; the text shows where.

        """
        return self.abilities.program(
            text, lambda place, name: self._included(login, place, name, {}), checks_includes=False
        )

    def check_shared(self, text: str) -> Program:
        """Return the program of a script of the operator's for everybody's mail. Raises SieveError."""
        return self.abilities.program(text, lambda place, name: self._included(None, place, name, {}))

    def check_event(self, text: str) -> Program:
        """Return the program of a script of the operator's for what IMAP clients do. Raises SieveError."""
        return self.abilities.program(text, lambda place, name: self._included(None, place, name, {}), event=True)

    @staticmethod
    def files(places: Sequence[Path]) -> tuple[Path, ...]:
        """Return the files that are meant by files and folders, those of a folder by name."""
        return _files(places)

    def all_for(self, login: str) -> Sequence[Script]:
        """Return the scripts for the login's mail in the order in which they run; one may be unusable."""
        own = self._own(login)
        everybody = self._everybody
        if not everybody.before and not everybody.after:
            return () if own is None else (own,)
        before, after = self._surroundings()
        found = [self._read(path) for path in before]
        if own is not None:
            found.append(own)
        return [script for script in (*found, *(self._read(path) for path in after)) if script.version is not None]

    def script_for(self, login: str) -> Script | None:
        """Return the login's own script or the default one, None if there is none or it cannot be used."""
        script = self._own(login)
        return script if script is not None and script.program is not None else None

    def named(self, login: str, name: str) -> Script | None:
        """Return a script of the login for what IMAP clients do (RFC 6785), None if there is none of that name."""
        path = self.personal(login, name)
        script = None if path is None else self._read(path, login, event=True)
        return script if script is not None and script.version is not None else None

    def event_default(self, path: Path) -> Script | None:
        """Return a script of the operator's for what IMAP clients do, None if there is none."""
        script = self._read(path, event=True)
        return script if script.version is not None else None

    def _own(self, login: str) -> Script | None:
        own = self.path_of(login) if self._has_scripts() else None
        script = self._read(own, login) if own is not None and own.name in self._names else None
        if self._default is not None and (script is None or script.version is None):
            script = self._read(self._default)
        return script if script is not None and script.version is not None else None

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

    def _surroundings(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        now = self._clock()
        if now - self._around_at >= RECHECKED:
            self._around = _files(self._everybody.before), _files(self._everybody.after)
            self._around_at = now
        return self._around

    def _read(self, path: Path, login: str | None = None, event: bool = False) -> Script:
        """Return the script as its file is now, or was a moment ago."""
        now = self._clock()
        script = self._known.get((path, event))
        if script is None or (now - script.checked_at >= RECHECKED and script.pending is None):
            version = _version(path)
            if script is None or script.version != version or _changed(script):
                script = self._known[path, event] = Script(path, version, None, now, own=login is not None)
                if version is not None:
                    self._begin(script, version[1], login, event)
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            script.checked_at = now
        self._known.move_to_end((path, event))
        return script

    def _begin(self, script: Script, size: int, login: str | None, event: bool) -> None:
        """Compile a script: at once if it is small, and else in a thread, so that nobody else waits for it."""
        try:
            at_once = size <= AT_ONCE and b"include" not in script.path.read_bytes()
            loop = None if at_once or script.path.suffix == PYTHON else asyncio.get_running_loop()
        except (OSError, RuntimeError):  # there is no loop that anybody could hold up
            loop = None
        if loop is None:
            self._compile(script, size, login, event)
        else:
            script.pending = loop.create_task(asyncio.to_thread(self._compile, script, size, login, event))

    def _compile(self, script: Script, size: int, login: str | None, event: bool) -> None:
        try:
            if size > LARGEST:
                raise ScriptRefused(f"it has more than {LARGEST} octets")
            octets = script.path.read_bytes()
            script.digest = _digest(octets)
            if script.path.suffix == PYTHON and self._python is not None and login is None and not event:
                script.rule = self._python(script.path)
                return
            script.program = self.abilities.program(
                octets.decode("utf-8", "surrogateescape"),
                lambda place, name: self._included(login, place, name, script.included),
                event,
                checks_includes=login is None,
            )
        except (SieveError, ScriptRefused, OSError) as error:
            script.error = str(error)
            script.complained = True
            log.error("a Sieve script cannot be used, mail goes to INBOX", script=str(script.path), reason=str(error))

    def _included(self, login: str | None, place: str, name: str, versions: dict[Path, Version | None]) -> str | None:
        """Return the text of a script to include (RFC 6609); note which version it was."""
        shared = self._everybody.shared
        if place == "global":
            path = None if shared is None or name.startswith(".") or "\0" in name else shared / f"{name}{SUFFIX}"
        else:
            path = None if login is None else self.personal(login, name)
        if path is None:
            return None
        version = versions[path] = _version(path)
        if version is None or version[1] > LARGEST:
            return None
        try:
            return path.read_text("utf-8", "surrogateescape")
        except OSError:
            return None


def _files(places: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files of scripts, those of folders by name."""
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += sorted(path for path in place.iterdir() if path.suffix == SUFFIX and not path.name.startswith("."))
        else:
            found.append(place)
    return tuple(found)


def _changed(script: Script) -> bool:
    return any(_version(path) != version for path, version in script.included.items())


def _version(path: Path) -> Version | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _digest(octets: bytes) -> str:
    return sha256(octets).hexdigest()


__all__ = [
    "Everybody",
    "Script",
    "ScriptRefused",
    "Scripts",
    "check_script",
    "failed_once",
    "problem_file",
    "problem_of",
]
