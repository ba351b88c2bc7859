"""The CSV file of `mailhorn account import`: who is in it, or what is wrong with it, line by line."""

import csv
from collections.abc import Callable
from pathlib import Path

from ..server.credential import is_stored
from .failure import CommandFailed

SHOWN = 10
"""Wrong lines named one by one; more are counted. Enough to see what kind of mistake it is."""
_HEADERS = {"login", "user", "username", "email", "e-mail", "account"}


def read_people(file: Path, check: Callable[[str, str], str]) -> list[tuple[str, str]]:
    """
    Return (login, password) of every row.

    Args:
        file: UTF-8, with or without a byte order mark and a header line; columns login, password.
        check: Takes login and password, returns the login as it is stored; ValueError says what is wrong.

    Raises:
        CommandFailed: The file cannot be read, or lines are wrong; each is named with its number.

    """
    people: list[tuple[str, str]] = []
    wrong: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text, strict=True)
            for row in reader:
                line = reader.line_num
                if not row or (not people and not wrong and row[0].strip().lower() in _HEADERS):
                    continue
                try:
                    login, password = _person(row, check)
                    if login in seen:
                        raise ValueError(f"{login} is in line {seen[login]} already")
                except ValueError as problem:
                    wrong.append((line, str(problem)))
                    continue
                seen[login] = line
                people.append((login, password))
    except OSError as error:
        raise CommandFailed(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file}: is not UTF-8 text; save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise CommandFailed(f"{file}: line {reader.line_num}: {error}") from error
    if wrong:
        named = [f"line {line}: {problem}" for line, problem in wrong[:SHOWN]]
        if len(wrong) > SHOWN:
            named.append(f"and {len(wrong) - SHOWN} more")
        raise CommandFailed(f"{file}: nothing was imported; " + "; ".join(named))
    return people


def _person(row: list[str], check: Callable[[str, str], str]) -> tuple[str, str]:
    """Return login and password. Raises ValueError with what is wrong; a password is never part of it."""
    if len(row) > 2 and is_stored(row[1]):  # has commas, and nobody who makes such a file by hand quotes it
        row = [row[0], ",".join(row[1:])]
    if len(row) != 2:
        raise ValueError(f"{len(row)} column{'s' if len(row) != 1 else ''} instead of login,password")
    login, password = row
    if not password:
        raise ValueError(f"{login.strip() or 'the row'} has no password")
    if password.lstrip().startswith('"') and not password.startswith('"'):
        raise ValueError(f"{login.strip()}: no space between the comma and the quotation mark")
    return check(login, password), password
