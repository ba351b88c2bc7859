"""`mailhorn sieve format`: scripts the way they are best read."""

import os
import sys
import tempfile
from pathlib import Path

from ...sieve import SieveError
from ...sieve.formatting import formatted
from ..failure import CANNOT, CommandFailed
from .script import name_of, tell, text_of


def format_files(files: tuple[Path, ...], write: bool, only_check: bool) -> None:
    """Print the scripts, or change them, or say which would change. Ends with 1 if one is wrong, or would change."""
    good = True
    for path in files:
        text = text_of(path)
        try:
            printed = formatted(text)
        except SieveError as error:
            tell(path, error)
            good = False
            continue
        if not write and not only_check:
            sys.stdout.write(_printable(printed))
        elif printed == text:
            continue
        elif only_check or str(path) == "-":
            print(f"would change: {name_of(path)}")
            good = False
        else:
            _replace(path, printed)
            print(f"changed: {path}")
    if not good:
        raise SystemExit(CANNOT)


def _printable(text: str) -> str:
    """Return the text as standard output takes it: octets that are no UTF-8 are replaced there."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _replace(path: Path, text: str) -> None:
    """Write a file anew, in one step and with its mode; a link stays one. Raises CommandFailed."""
    path = path.resolve()
    try:
        mode = path.stat().st_mode
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(text.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), mode & 0o7777)
                os.replace(file.name, path)
            except OSError:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise CommandFailed(f"{path}: cannot be written: {error.strerror}") from error
