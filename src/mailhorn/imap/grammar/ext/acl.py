"""ACL (RFC 4314), LIST-MYRIGHTS (RFC 8440).

Changes: `command-auth =/ setacl / deleteacl / getacl / listrights / myrights`, `mailbox-data =/ acl-data /
listrights-data / myrights-data`, `return-option =/ "MYRIGHTS"` (parsed with the others).
"""

import re

from ...commands import AclChange, DeleteAcl, ListRights, SetAcl
from ...responses import AclResponse, ListRightsResponse, MyRightsResponse
from ..atoms import parse_astring, write_astring
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..mailbox import parse_mailbox, write_mailbox

_RIGHTS = re.compile(rb"[a-z0-9]*")
_CHANGES = {change.value: change for change in AclChange}


def parse_identifier(cur: Cursor) -> str:
    """
    identifier = astring

    RFC 4314 §2, §7. UTF-8, not empty.
    """
    start = cur.pos
    try:
        identifier = parse_astring(cur).decode("utf-8", "surrogateescape" if cur.dialect.raw_8bit else "strict")
    except UnicodeDecodeError:
        raise SyntaxProblem(start, "an identifier in UTF-8") from None
    if not identifier:
        raise SyntaxProblem(start, "an identifier that is not empty")
    return identifier


def write_identifier(out: Writer, identifier: str) -> None:
    """Write an identifier."""
    if not identifier:
        raise Unwritable("an empty identifier")
    write_astring(out, identifier.encode("utf-8", "surrogateescape"))


def parse_rights(cur: Cursor) -> str:
    """
    rights = astring, only lowercase ASCII letters and digits

    RFC 4314 §7. Which of them are rights is the reader's business.
    """
    start = cur.pos
    rights = parse_astring(cur)
    if not _RIGHTS.fullmatch(rights):
        raise SyntaxProblem(start, "rights, in lower case")
    return rights.decode("ascii")


def write_rights(out: Writer, rights: str) -> None:
    """Write rights."""
    data = rights.encode("ascii", "replace")
    if not _RIGHTS.fullmatch(data):
        raise Unwritable("not rights")
    write_astring(out, data)


def parse_setacl(cur: Cursor) -> SetAcl:
    """
    setacl = "SETACL" SP mailbox SP identifier SP mod-rights; mod-rights = astring: + to add, - to remove, or neither

    RFC 4314 §3.1, §7. Reads on behind the word.
    """
    mailbox, identifier = _parse_entry(cur)
    cur.space()
    start = cur.pos
    text = parse_astring(cur)
    change = _CHANGES[text[:1] if text[:1] in (b"+", b"-") else b""]
    rights = text[len(change.value) :]
    if not _RIGHTS.fullmatch(rights):
        raise SyntaxProblem(start, "rights, in lower case, after + or - or neither")
    return SetAcl(mailbox, identifier, rights.decode("ascii"), change)


def write_setacl(out: Writer, value: SetAcl) -> None:
    """Write what follows the word."""
    _write_entry(out, value.mailbox, value.identifier)
    out.write(b" ")
    data = value.rights.encode("ascii", "replace")
    if not _RIGHTS.fullmatch(data):
        raise Unwritable("not rights")
    write_astring(out, value.change.value + data)


def parse_deleteacl(cur: Cursor) -> DeleteAcl:
    """
    deleteacl = "DELETEACL" SP mailbox SP identifier

    RFC 4314 §3.2, §7. Reads on behind the word.
    """
    return DeleteAcl(*_parse_entry(cur))


def parse_listrights(cur: Cursor) -> ListRights:
    """
    listrights = "LISTRIGHTS" SP mailbox SP identifier

    RFC 4314 §3.4, §7. Reads on behind the word.
    """
    return ListRights(*_parse_entry(cur))


def write_acl_entry(out: Writer, value: DeleteAcl | ListRights) -> None:
    """Write what follows the word DELETEACL or LISTRIGHTS."""
    _write_entry(out, value.mailbox, value.identifier)


def _parse_entry(cur: Cursor) -> tuple[str, str]:
    cur.space()
    mailbox = parse_mailbox(cur)
    cur.space()
    return mailbox, parse_identifier(cur)


def _write_entry(out: Writer, mailbox: str, identifier: str) -> None:
    out.write(b" ")
    write_mailbox(out, mailbox)
    out.write(b" ")
    write_identifier(out, identifier)


def parse_acl_data(cur: Cursor) -> AclResponse:
    """
    acl-data = "ACL" SP mailbox *(SP identifier SP rights)

    RFC 4314 §3.6, §7. Reads on behind the word.
    """
    cur.space()
    mailbox = parse_mailbox(cur)
    entries = []
    while cur.at(b" "):
        cur.space()
        identifier = parse_identifier(cur)
        cur.space()
        entries.append((identifier, parse_rights(cur)))
    return AclResponse(mailbox, tuple(entries))


def write_acl_data(out: Writer, value: AclResponse) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_mailbox(out, value.mailbox)
    for identifier, rights in value.entries:
        out.write(b" ")
        write_identifier(out, identifier)
        out.write(b" ")
        write_rights(out, rights)


def parse_listrights_data(cur: Cursor) -> ListRightsResponse:
    """
    listrights-data = "LISTRIGHTS" SP mailbox SP identifier SP rights *(SP rights)

    RFC 4314 §3.7, §7. Reads on behind the word.
    """
    mailbox, identifier = _parse_entry(cur)
    cur.space()
    required = parse_rights(cur)
    optional = []
    while cur.at(b" "):
        cur.space()
        optional.append(parse_rights(cur))
    return ListRightsResponse(mailbox, identifier, required, tuple(optional))


def write_listrights_data(out: Writer, value: ListRightsResponse) -> None:
    """Write what follows the word."""
    _write_entry(out, value.mailbox, value.identifier)
    for rights in (value.required, *value.optional):
        out.write(b" ")
        write_rights(out, rights)


def parse_myrights_data(cur: Cursor) -> MyRightsResponse:
    """
    myrights-data = "MYRIGHTS" SP mailbox SP rights

    RFC 4314 §3.8, §7. Reads on behind the word.
    """
    cur.space()
    mailbox = parse_mailbox(cur)
    cur.space()
    return MyRightsResponse(mailbox, parse_rights(cur))


def write_myrights_data(out: Writer, value: MyRightsResponse) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_mailbox(out, value.mailbox)
    out.write(b" ")
    write_rights(out, value.rights)


__all__ = [
    "parse_acl_data",
    "parse_deleteacl",
    "parse_listrights",
    "parse_listrights_data",
    "parse_myrights_data",
    "parse_setacl",
    "write_acl_data",
    "write_acl_entry",
    "write_listrights_data",
    "write_myrights_data",
    "write_setacl",
]
