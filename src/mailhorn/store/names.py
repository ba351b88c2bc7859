"""What things are called on disk: mailboxes, accounts, message files. Pure, and the only way to a path.

Rule 1: a name that `folder_of` or `login_dir` accepts stays inside its directory, whatever the network
sent. Rule 2: both are inverse to `mailbox_of` and `login_of`, so nothing is lost when only files are left.

Folders are Maildir++: `.Work.2026` beside INBOX's `cur`, levels parted by ".", names in modified UTF-7
(RFC 3501 §5.1.3) with a "." inside a level written `&AC4-`.
"""

import re
from base64 import b64decode, b64encode

from ..model.ids import MAX_UID
from ..model.mailbox import DELIMITER, INBOX, canonical_name
from .abc import StoreError

MAX_NAME_ON_DISK = 200
"""Octets of a directory's name. File systems take 255; the rest is room for what tools append to it."""

SYSTEM_FLAGS_BY_LETTER = {
    "D": "\\Draft",
    "F": "\\Flagged",
    "P": "$Forwarded",
    "R": "\\Answered",
    "S": "\\Seen",
    "T": "\\Deleted",
}
"""Maildir's own letters; P, passed on, is what IMAP knows as $Forwarded (RFC 5788)."""

SYSTEM_LETTERS = {flag.lower(): letter for letter, flag in SYSTEM_FLAGS_BY_LETTER.items()}

KEYWORD_LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Letters that a folder's `dovecot-keywords` file gives a meaning, in its order."""


class InvalidName(StoreError):
    """No mailbox or account can be called that. Answer CANNOT (RFC 5530 §3)."""


def folder_of(name: str) -> str:
    """
    Return the directory of a mailbox inside its account's, "" for INBOX.

    Raises InvalidName if the name is empty, too long, or has an empty level, "." or ".." as a level,
    control characters or unpaired surrogates, or INBOX in other letters, which nobody could select.
    """
    if name == INBOX:
        return ""
    levels = name.split(DELIMITER)
    if not all(levels) or "." in levels or ".." in levels:
        raise InvalidName(f"no mailbox can be called {name[:80]!r}: a level is empty or made of dots")
    if any(ch < " " or "\x7f" <= ch <= "\x9f" or "\ud800" <= ch <= "\udfff" or ch in "\u2028\u2029" for ch in name):
        raise InvalidName(f"no mailbox can be called {name[:80]!r}: it has characters that cannot be written")
    if canonical_name(name) != name:
        raise InvalidName(f"no mailbox can be called {name[:80]!r}: INBOX is written in capitals")
    folder = "." + ".".join(encode_utf7(level).replace(".", "&AC4-") for level in levels)
    if len(folder) > MAX_NAME_ON_DISK:
        raise InvalidName(f"the mailbox name {name[:40]!r}... is too long")
    return folder


def mailbox_of(folder: str) -> str:
    """Return the mailbox that `folder_of` gave this directory. Raises InvalidName for any other directory."""
    if folder == "":
        return INBOX
    name = DELIMITER.join(decode_utf7(level) for level in folder[1:].split("."))
    if folder_of(name) != folder:
        raise InvalidName(f"{folder!r} is not a Maildir++ folder")
    return name


def encode_utf7(text: str) -> str:
    """Return the text in modified UTF-7 (RFC 3501 §5.1.3)."""
    return re.sub(r"&|[^\x20-\x7e]+", _shift, text)


def _shift(run: re.Match[str]) -> str:
    if run[0] == "&":
        return "&-"
    return "&" + b64encode(run[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",").decode() + "-"


def decode_utf7(text: str) -> str:
    """Return what modified UTF-7 stands for. Raises InvalidName if it is none."""
    return re.sub(r"&([^-]*)(-?)", _unshift, text)


def _unshift(run: re.Match[str]) -> str:
    code, end = run[1], run[2]
    if not end:
        raise InvalidName("modified UTF-7 ends within a shift")
    if not code:
        return "&"
    try:
        raw = b64decode(code.replace(",", "/") + "=" * (-len(code) % 4), validate=True)
        return raw.decode("utf-16-be")
    except ValueError as problem:
        raise InvalidName(f"{run[0]!r} is not modified UTF-7") from problem


def login_dir(login: str) -> str:
    """
    Return the directory of an account: the login, percent-encoded where it is not plain.

    Raises InvalidName if it is empty or too long.
    """
    encoded = re.sub(rb"[^a-z0-9@._+-]|^\.", lambda m: b"%%%02x" % m[0][0], login.encode("utf-8", "surrogatepass"))
    if not 0 < len(encoded) <= MAX_NAME_ON_DISK:
        raise InvalidName(f"no account can be called {login[:80]!r}: its name must have 1 to {MAX_NAME_ON_DISK} octets")
    return encoded.decode()


def login_of(directory: str) -> str:
    """Return the login of a directory. Raises InvalidName if `login_dir` does not give such names."""
    try:
        raw = re.sub(rb"%([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), directory.encode())
        login = raw.decode("utf-8", "surrogatepass")
    except ValueError as problem:
        raise InvalidName(f"{directory!r} is not an account's directory") from problem
    if login_dir(login) != directory:
        raise InvalidName(f"{directory!r} is not an account's directory")
    return login


def file_name(key: str, size: int, uid: int, letters: str) -> str:
    """Return the name of a message in `cur`: size and UID in front of the flags, as Maildir++ and Dovecot read them."""
    return f"{key},S={size},U={uid}:2,{letters}"


def parse_file_name(name: str) -> tuple[str, int | None, int | None, str]:
    """Return key, size, UID (None if the name does not tell) and flag letters of any file in `cur` or `new`."""
    base, _, letters = name.partition(":2,")
    key, *fields = base.partition(":")[0].split(",")
    told = {field[:2]: int(field[2:]) for field in fields if re.fullmatch(r"[SU]=[0-9]{1,18}", field)}
    uid = told.get("U=", 0)
    return key, told.get("S="), uid if 0 < uid <= MAX_UID else None, letters


def flags_of_letters(letters: str) -> list[str]:
    """Return the flags that Maildir's own letters stand for."""
    return [SYSTEM_FLAGS_BY_LETTER[letter] for letter in letters if letter in SYSTEM_FLAGS_BY_LETTER]


def system_letters(flags: list[str]) -> tuple[str, list[str]]:
    """Return the letters of the system flags, sorted, and the flags that are left: the keywords."""
    letters, keywords = [], []
    for flag in flags:
        low = flag.lower()
        if low in SYSTEM_LETTERS:
            letters.append(SYSTEM_LETTERS[low])
        else:
            keywords.append(flag)
    return "".join(sorted(letters)), keywords


__all__ = [
    "KEYWORD_LETTERS",
    "MAX_NAME_ON_DISK",
    "InvalidName",
    "decode_utf7",
    "encode_utf7",
    "file_name",
    "flags_of_letters",
    "folder_of",
    "login_dir",
    "login_of",
    "mailbox_of",
    "parse_file_name",
    "system_letters",
]
