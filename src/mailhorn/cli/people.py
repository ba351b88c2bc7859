"""The CSV file of `mailhorn account import`: who is in it, or what is wrong with it, line by line."""

import csv
from collections.abc import Callable
from pathlib import Path

from .failure import CommandFailed

SHOWN = 10
"""Wrong lines named one by one; more are counted. Enough to see what kind of mistake it is."""
_HEADERS = {"login", "user", "username", "email", "account"}


def read_people(file: Path, wrong_login: Callable[[str], str | None]) -> list[tuple[str, str]]:
    """
    Return (login, password) of every row.

    Args:
        file: UTF-8, with or without a byte order mark and a header line; columns login, password.
        wrong_login: Says what is wrong with a login, None if nothing is.

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
                problem = _problem(row, seen, wrong_login)
                if problem is not None:
                    wrong.append((line, problem))
                    continue
                login, password = row[0].strip(), row[1]
                seen[login.lower()] = line
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


def _problem(row: list[str], seen: dict[str, int], wrong_login: Callable[[str], str | None]) -> str | None:
    """Return what is wrong with a row. A password is never part of it."""
    if len(row) != 2:
        return f"{len(row)} column{'s' if len(row) != 1 else ''} instead of login,password"
    login, password = row[0].strip(), row[1]
    if login.lower() in seen:
        return f"{login} is in line {seen[login.lower()]} already"
    if not password:
        return f"{login or 'the row'} has no password"
    return wrong_login(login)
