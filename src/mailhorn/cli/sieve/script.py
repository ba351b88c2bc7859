"""Scripts on disk: reading them, and telling what is wrong with one as a compiler does."""

import sys
from collections.abc import Iterator
from pathlib import Path

from ...sieve import ALL, Program, SieveError, compile_script
from ...watch.rules import RuleNames
from ..failure import CANNOT, CommandFailed

LARGEST = 16 * 1024 * 1024
"""Octets that are read of a script, a filter file or standard input; the engine has a smaller limit of its own."""


def name_of(path: Path) -> str:
    """Return what a file is called for people."""
    return "standard input" if str(path) == "-" else str(path)


def octets_of(path: Path) -> bytes:
    """Return what is in a file, `-` is standard input. Raises CommandFailed."""
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
    except OSError as error:
        raise CommandFailed(f"{name_of(path)}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise CommandFailed(f"{name_of(path)}: is larger than {LARGEST // 1024 // 1024} MiB")
    return content


def text_of(path: Path) -> str:
    """Return a script's text; octets that are no UTF-8 come as surrogates. Raises CommandFailed."""
    return octets_of(path).decode("utf-8", "surrogateescape")


def included_beside(path: Path) -> "Included":
    """Return where the scripts are that a script includes."""
    return Included(Path() if str(path) == "-" else path.parent)


class Included:
    """The scripts that a script includes (RFC 6609): NAME.sieve in its own folder, wherever it wants them from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, place: str, name: str) -> str | None:
        """Return the text of a script, None if there is none."""
        if "/" in name or "\0" in name:
            return None
        try:
            return (self._folder / f"{name}.sieve").read_text("utf-8", "surrogateescape")
        except OSError:
            return None


def compiled(path: Path) -> tuple[Program, RuleNames]:
    """
    Return the program of a script, with all extensions there are, and what its rules are called.

    Raises:
        CommandFailed: It cannot be read, or does not compile; everything that is wrong with it was printed.

    """
    text = text_of(path)
    try:
        return compile_script(text, ALL, scripts=included_beside(path)), RuleNames(text)
    except SieveError as error:
        tell(path, error)
        raise CommandFailed(f"{name_of(path)}: does not compile", CANNOT) from error


def tell(path: Path, error: SieveError) -> None:
    """Print all that is wrong with a script to standard error."""
    for one in problems(error):
        print(shown_problem(path, one), file=sys.stderr)


def problems(error: SieveError) -> Iterator[SieveError]:
    """Yield the error and the others that were found with it."""
    yield error
    yield from error.others


def shown_problem(path: Path, error: SieveError) -> str:
    """Return an error as compilers write it: path:line:column, the line, and a caret below the place."""
    where = path.parent / f"{error.script}.sieve" if error.script else path
    _, _, shown = str(error).partition("\n")
    return f"{name_of(where)}:{error.line}:{error.column}: error: {error.message}\n{shown}"


__all__ = [
    "Included",
    "compiled",
    "included_beside",
    "name_of",
    "octets_of",
    "problems",
    "shown_problem",
    "tell",
    "text_of",
]
