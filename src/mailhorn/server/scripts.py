"""Whose Sieve script filters whose mail: files, compiled once for each version of them.

A script that cannot be used never stops mail: it is as if there were none, and the log says so once per version.
"""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import structlog

from ..sieve import Program, SieveError, compile_script
from ..store.names import login_dir

REMEMBERED = 10_000
"""Compiled scripts kept: one each for 10,000 people."""
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
    program = compile_script(text)
    if "redirect" in program.actions:
        raise ScriptRefused("redirect is not possible: this version of the server sends no mail to other servers")
    return program


@dataclass(slots=True)
class Script:
    """
    One version of one script.

    Attributes:
        path: Its file.
        program: None if it cannot be used.
        complained: A failure while it ran was logged.

    """

    path: Path
    version: tuple[int, int, int]
    program: Program | None
    complained: bool = False


class Scripts:
    """`<directory>/<login>.sieve`, else the default script, else none."""

    def __init__(self, directory: Path | None = None, default: Path | None = None) -> None:
        """
        Look there; neither needs to exist.

        Args:
            directory: Where everybody's own scripts are.
            default: The script for whoever has none.

        """
        self._directory = directory
        self._default = default
        self._known: OrderedDict[Path, Script] = OrderedDict()

    def path_of(self, login: str) -> Path | None:
        """Return where the login's own script is, or would be."""
        return None if self._directory is None else self._directory / f"{login_dir(login)}.sieve"

    def script_for(self, login: str) -> Script | None:
        """Return the script for the login's mail, None if there is none or it cannot be used."""
        own = self.path_of(login)
        script = self._read(own) if own is not None else None
        if script is None and self._default is not None:
            script = self._read(self._default)
        return script if script is not None and script.program is not None else None

    def _read(self, path: Path) -> Script | None:
        """Return the script as the file is now; None if there is no file."""
        try:
            status = path.stat()
        except OSError:
            self._known.pop(path, None)
            return None
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        script = self._known.get(path)
        if script is None or script.version != version:
            script = self._known[path] = Script(path, version, self._compile(path, status.st_size))
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
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


__all__ = ["Script", "ScriptRefused", "Scripts", "check_script"]
