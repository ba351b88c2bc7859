"""Names on disk."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhorn.store.names import (
    InvalidName,
    decode_utf7,
    encode_utf7,
    file_name,
    flags_of_letters,
    folder_of,
    login_dir,
    login_of,
    mailbox_of,
    parse_file_name,
    system_letters,
)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("INBOX", ""),
        ("Work", ".Work"),
        ("Work/2026", ".Work.2026"),
        ("INBOX/x", ".INBOX.x"),
        ("a.b/c", ".a&AC4-b.c"),
        ("Entwürfe & mehr", ".Entw&APw-rfe &- mehr"),
        ("台北", ".&U,BTFw-"),
        ("...", ".&AC4-&AC4-&AC4-"),
    ],
)
def test_folders_are_maildir_plus_plus(name: str, folder: str) -> None:
    """Levels become dots, dots and other than ASCII modified UTF-7 (RFC 3501 §5.1.3), and back."""
    assert folder_of(name) == folder
    assert mailbox_of(folder) == name


@pytest.mark.parametrize(
    "name",
    ["", "/", "/x", "x/", "a//b", ".", "..", "../x", "x/..", "a\0", "a\x7f", "\x85", "\ud800", "inbox", "Inbox/x"],
)
def test_names_that_are_refused(name: str) -> None:
    """Empty levels, dots as a level, control characters, what cannot be encoded, INBOX as nobody can select it."""
    with pytest.raises(InvalidName):
        folder_of(name)


def test_length_counts_on_disk() -> None:
    """200 octets as they are written, not as they are read."""
    assert len(folder_of("x" * 199)) == 200
    for name in ("x" * 200, "." * 40, "ä" * 80):
        with pytest.raises(InvalidName):
            folder_of(name)


@given(st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_name_is_refused_or_safe_and_comes_back(name: str) -> None:
    """What is accepted is one plain directory entry, and nothing of the name is lost."""
    try:
        folder = folder_of(name)
    except InvalidName:
        return
    assert folder == "" or (folder[0] == "." and folder not in (".", "..") and not set(folder) & set("/\0\n"))
    assert mailbox_of(folder) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=150, deadline=None)
def test_utf7_is_inverse(text: str) -> None:
    """decode(encode(x)) == x."""
    assert decode_utf7(encode_utf7(text)) == text


@pytest.mark.parametrize("folder", [".a..b", ".&", ".&AC4", ".&AGE-", ".a&-&AOQ", ".&ab!-", ".INBOX", ".a&2AA-"])
def test_foreign_folders_are_refused(folder: str) -> None:
    """A directory that no mailbox of ours would have is not taken for one."""
    with pytest.raises(InvalidName):
        mailbox_of(folder)


@given(st.text(min_size=1, max_size=50))
@settings(max_examples=150, deadline=None)
def test_any_login_is_a_safe_directory_and_comes_back(login: str) -> None:
    """Nothing but plain characters, no dot in front, inverse."""
    login = login.lower()
    try:
        directory = login_dir(login)
    except InvalidName:
        return
    assert not set(directory) - set("abcdefghijklmnopqrstuvwxyz0123456789@._+-%") and directory[0] != "."
    assert login_of(directory) == login


@pytest.mark.parametrize("directory", [".spool", "", "A", "a/b", "%61", "%zz", "ä"])
def test_foreign_directories_are_no_accounts(directory: str) -> None:
    """Our own directories and everybody else's are told apart."""
    with pytest.raises(InvalidName):
        login_of(directory)


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        (file_name("1.M2P3Q4.host", 5, 6, "FS"), ("1.M2P3Q4.host", 5, 6, "FS")),
        ("1.x.host:2,", ("1.x.host", None, None, "")),
        ("1.x.host,S=9,W=10,U=7:2,Sa", ("1.x.host", 9, 7, "Sa")),
        ("1.x.host,S=9", ("1.x.host", 9, None, "")),
        ("1.x.host,U=0:2,S", ("1.x.host", None, None, "S")),
        ("1.x.host,U=99999999999:2,S", ("1.x.host", None, None, "S")),
        ("odd", ("odd", None, None, "")),
    ],
)
def test_file_names(name: str, parsed: tuple[object, ...]) -> None:
    """Size, UID and flags are read from names of ours, of Dovecot and of plain Maildir tools."""
    assert parse_file_name(name) == parsed


def test_letters() -> None:
    """Maildir's six letters, sorted; the rest are keywords."""
    letters, keywords = system_letters(["\\Seen", "work", "\\Draft", "$Forwarded", "\\Deleted", "$Junk"])
    assert (letters, keywords) == ("DPST", ["work", "$Junk"])
    assert flags_of_letters("DPSTxz") == ["\\Draft", "$Forwarded", "\\Seen", "\\Deleted"]
