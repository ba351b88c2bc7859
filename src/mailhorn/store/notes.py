"""What clients have noted of a mailbox, and who may use it, as a file beside its messages: a rebuild has it from there.

Rule: what makes no sense is passed over, as whoever looks after the directory may have written it.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from ..model.rights import NO_ACL, Acl, parse_rights, spelled

NOTES_FILE = "mailhorn-metadata"
"""In INBOX's directory it also has what was noted of the account."""


def pack_notes(mailbox: Mapping[str, bytes], account: Mapping[str, bytes], acl: Acl = NO_ACL) -> bytes:
    """Return the content of the file, b"" if there is nothing to be noted."""
    told: dict[str, dict[str, str]] = {
        name: {entry: value.decode("utf-8", "surrogateescape") for entry, value in sorted(notes.items())}
        for name, notes in (("mailbox", mailbox), ("account", account))
        if notes
    }
    if acl:
        told["acl"] = dict(sorted(acl.items()))
    return json.dumps(told, indent=1).encode("ascii") + b"\n" if told else b""


def read_notes(folder: str | Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Return what is noted in a directory: of the mailbox, and of the account."""
    told = _read(folder)
    return _notes(told, "mailbox"), _notes(told, "account")


def read_acl(folder: str | Path) -> dict[str, str]:
    """Return the access control list that is noted in a directory."""
    told = _read(folder)
    acl = told.get("acl") if isinstance(told, dict) else None
    read: dict[str, str] = {}
    for identifier, letters in acl.items() if isinstance(acl, dict) else ():
        with contextlib.suppress(ValueError):
            identifier.encode()
            if identifier and isinstance(letters, str):
                read[identifier] = spelled(parse_rights(letters))
    return read


def _read(folder: str | Path) -> object:
    try:
        return json.loads(Path(folder, NOTES_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _notes(told: object, name: str) -> dict[str, bytes]:
    notes = told.get(name) if isinstance(told, dict) else None
    if not isinstance(notes, dict):
        return {}
    return {
        entry: value.encode("utf-8", "surrogateescape")
        for entry, value in notes.items()
        if entry.isascii() and isinstance(value, str) and _is_octets(value)
    }


def _is_octets(text: str) -> bool:
    """Say whether the text stands for octets: half a surrogate pair does only if it is one that an octet became."""
    return all(not "\ud800" <= char <= "\udfff" or "\udc80" <= char <= "\udcff" for char in text)


__all__ = ["NOTES_FILE", "pack_notes", "read_acl", "read_notes"]
