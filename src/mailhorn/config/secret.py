"""Secrets that are read from files or printed by programs, and the one that the server makes for itself."""

import os
import secrets
import shlex
import subprocess
from pathlib import Path

from .find import ConfigError
from .settings import Secret

SIZE = 32
"""Octets of the server's own secret."""

PASSWORD_COMMAND_LIMIT = 60
"""Seconds a password command may take: a person may have to unlock a key ring."""


def kept_secret(path: Path) -> bytes:
    """
    Return the secret in the file; it is made at the first call and then kept, readable by its owner only.

    Raises:
        ConfigError: It cannot be read or made.

    """
    try:
        try:
            kept = bytes.fromhex(path.read_text("ascii"))
        except FileNotFoundError:
            kept = secrets.token_bytes(SIZE)
            new = path.with_name(f".{path.name}.new")
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
                file.write(kept.hex() + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read or made: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: is not what was written there; remove it, a new one is made") from error
    if len(kept) != SIZE:
        raise ConfigError(f"{path}: is not what was written there; remove it, a new one is made")
    return kept


def secret_of(setting: str, given: Secret | None, file: Path | None) -> str:
    """
    Return the secret, wherever the settings say it is, "" if they name none.

    Raises:
        ConfigError: Both are set, or the file cannot be read; the secret is never part of it.

    """
    if given is not None and file is not None:
        raise ConfigError(f"{setting} and {setting}_file: set only one of them")
    if given is not None:
        return given.reveal()
    if file is None:
        return ""
    try:
        return file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{setting}_file {file} cannot be read: {reason}") from error


def printed_secret(setting: str, command: tuple[str, ...]) -> str:
    """
    Return what a program prints.

    Args:
        setting: What to call it.
        command: The program and its arguments.

    Raises:
        ConfigError: It cannot be run, or fails; what it printed is never part of it.

    """
    shown = shlex.join(command)
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=PASSWORD_COMMAND_LIMIT, check=False, text=True)
    except OSError as error:
        raise ConfigError(f"{setting} {shown} cannot be run: {error.strerror}") from error
    except (subprocess.TimeoutExpired, UnicodeDecodeError, IndexError) as error:
        raise ConfigError(f"{setting} {shown} printed nothing usable in time") from error
    if done.returncode != 0:
        raise ConfigError(f"{setting} {shown} failed with exit code {done.returncode}")
    return done.stdout


__all__ = ["PASSWORD_COMMAND_LIMIT", "kept_secret", "printed_secret", "secret_of"]
