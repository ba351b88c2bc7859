"""Rules from a file, as a setting names it."""

from collections.abc import Callable
from pathlib import Path

from ..server.scripts import ScriptRefused
from ..sieve import Program, SieveError
from .find import ConfigError


def rules_of(path: Path, setting: str, compiled: Callable[[str], Program]) -> Program:
    """
    Return the program in a file.

    Args:
        path: The file.
        setting: What names it, for the error.
        compiled: Makes a program of the text, and refuses what this side cannot do.

    Raises:
        ConfigError: It cannot be read, or is no program this side takes.

    """
    try:
        return compiled(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{setting}: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting}: {path} is not UTF-8 text") from error
    except SieveError as error:
        place = f"{path}, line {error.line}, column {error.column}"
        raise ConfigError(f"{setting}: {place}: {error.message}") from error
    except ScriptRefused as error:
        raise ConfigError(f"{setting}: {path}: {error}") from error


__all__ = ["rules_of"]
