"""The CSV file of accounts: read whole, or refused with the lines that are wrong."""

from pathlib import Path

import pytest

from mailhorn.cli.failure import CommandFailed
from mailhorn.cli.people import SHOWN, read_people


def check(login: str, password: str) -> str:
    if not login.strip():
        raise ValueError("it has no login")
    return login.strip().lower()


def people(tmp_path: Path, text: str | bytes) -> list[tuple[str, str]]:
    file = tmp_path / "people.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_people(file, check)


@pytest.mark.parametrize(
    "header", ["", "login,password\n", "Email,Password\r\n", "E-Mail,Passwort\n", "\ufefflogin,password\n"]
)
def test_a_header_is_fine_and_so_is_none(tmp_path: Path, header: str) -> None:
    """Spreadsheets write one, and a byte order mark too."""
    assert people(tmp_path, header + "ann,one\n\nbob,two\n") == [("ann", "one"), ("bob", "two")]


def test_a_password_is_taken_as_it_is(tmp_path: Path) -> None:
    """Spaces and commas belong to it."""
    assert people(tmp_path, 'ann ," a,b "\n') == [("ann", " a,b ")]


def test_a_hash_needs_no_quotes(tmp_path: Path) -> None:
    """Its commas are its own."""
    stored = "$argon2id$v=19$m=4096,t=1,p=1$c2FsdA$aGFzaA"
    assert people(tmp_path, f'ann,{stored}\nbob,"{stored}"\n') == [("ann", stored), ("bob", stored)]


def test_wrong_rows_are_named_by_line(tmp_path: Path) -> None:
    """All of them at once, without a password in sight."""
    with pytest.raises(CommandFailed) as caught:
        people(tmp_path, "login,password\nann,hunter2\nbob\nAnn,hunter2\ncarl,\n,hunter2\n")
    message = str(caught.value)
    assert message.endswith(
        "nothing was imported; line 3: 1 column instead of login,password; line 4: ann is in line 2 already; "
        "line 5: carl has no password; line 6: it has no login"
    )
    assert "hunter2" not in message


def test_many_wrong_rows_are_counted(tmp_path: Path) -> None:
    """The line on the screen stays one that a person reads."""
    with pytest.raises(CommandFailed, match=r"line 10: .*; and 5 more$") as caught:
        people(tmp_path, "wrong\n" * (SHOWN + 5))
    assert "line 11" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'ann, "one"\n', "line 1: ann: no space between the comma and the quotation mark"),
        (b"ann,\xff\n", "is not UTF-8 text"),
        (b'ann,"one\n', "line 1: unexpected end of data"),
    ],
)
def test_what_is_no_csv_is_said(tmp_path: Path, data: bytes, reason: str) -> None:
    """Which file, and what to do."""
    with pytest.raises(CommandFailed, match=reason):
        people(tmp_path, data)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(CommandFailed, match=r"nobody.csv: cannot be read: No such file or directory"):
        read_people(tmp_path / "nobody.csv", check)
