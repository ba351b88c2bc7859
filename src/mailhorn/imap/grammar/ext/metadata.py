"""METADATA (RFC 5464), LIST-METADATA (RFC 9590).

Changes: `command-auth =/ setmetadata / getmetadata`, `response-data =/ metadata-resp`, `resp-text-code =/ "METADATA" SP
(...)` (kept as text), `return-option =/ "METADATA" SP entries` (parsed with the others).
"""

import re

from ...commands import GetMetadata, SetMetadata
from ...responses import Metadata
from ..atoms import parse_astring, parse_nstring, parse_number64, write_astring, write_nstring
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..mailbox import parse_mailbox, write_mailbox
from .binary import parse_literal8, write_literal8

MAX_ENTRIES = 200
"""Of one command; clients ask for a handful."""

# ASCII but * and %, with a / before each part: named by what may stand there, as classes that reach the end of Unicode
# take 5 ms to compile.
_ENTRY = re.compile(r"(?:/[\x1a-$&-)+-.0-~]+)+")
_OPTION = re.compile(rb"[A-Za-z]+")
_DEPTHS = {b"0": 0, b"1": 1, b"INFINITY": None}


def parse_entry(cur: Cursor) -> str:
    """
    entry = astring, slash-separated path; no "*" or "%", no "//" and no "/" at the end, ASCII, no controls

    RFC 5464 §3.2, §5. In lower case, as entries compare.
    """
    start = cur.pos
    entry = parse_astring(cur).decode("latin-1").lower()
    if not _ENTRY.fullmatch(entry):
        raise SyntaxProblem(start, "an entry's name, as /private/comment")
    return entry


def write_entry(out: Writer, entry: str) -> None:
    """Write the name of an entry."""
    if not _ENTRY.fullmatch(entry):
        raise Unwritable("not an entry's name")
    write_astring(out, entry.encode("ascii"))


def parse_entries(cur: Cursor) -> tuple[str, ...]:
    """
    entries = entry / "(" entry *(SP entry) ")"

    RFC 5464 §5.
    """
    if not cur.at(b"("):
        return (parse_entry(cur),)
    cur.opens()
    entries = [parse_entry(cur)]
    while not cur.closes():
        cur.space()
        entries.append(parse_entry(cur))
        if len(entries) > MAX_ENTRIES:
            raise cur.fails("fewer entries")
    return tuple(entries)


def write_entries(out: Writer, entries: tuple[str, ...]) -> None:
    """Write entries in parentheses."""
    if not entries:
        raise Unwritable("no entry")
    for number, entry in enumerate(entries):
        out.write(b" " if number else b"(")
        write_entry(out, entry)
    out.write(b")")


def parse_get_metadata(cur: Cursor) -> GetMetadata:
    """
    getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries; getmetadata-options = "(" ("MAXSIZE" SP
    number / "DEPTH" SP ("0" / "1" / "infinity")) *(SP …) ")"

    RFC 5464 §4.2, §5. Reads on behind the word. The options may also stand behind the mailbox, as in its examples.
    """
    cur.space()
    options: tuple[int | None, int | None] = (None, 0)
    if cur.at(b"("):
        options = _parse_options(cur)
        cur.space()
    mailbox = parse_mailbox(cur)
    cur.space()
    start = cur.pos
    if cur.at(b"("):
        try:
            options = _parse_options(cur)
            cur.space()
        except SyntaxProblem:
            cur.pos = start
    entries = parse_entries(cur)
    while cur.at(b" ") and len(entries) < MAX_ENTRIES:  # as in the examples of RFC 5464 §4.4.1
        cur.space()
        entries += (parse_entry(cur),)
    return GetMetadata(mailbox, entries, *options)


def _parse_options(cur: Cursor) -> tuple[int | None, int | None]:
    cur.opens()
    max_size: int | None = None
    depth: int | None = 0
    while True:
        start = cur.pos
        option = cur.need(_OPTION, "MAXSIZE or DEPTH")[0].upper()
        cur.space()
        if option == b"MAXSIZE":
            max_size = parse_number64(cur)
        elif option == b"DEPTH":
            start = cur.pos
            word = parse_astring(cur).upper()
            if word not in _DEPTHS:
                raise SyntaxProblem(start, "0, 1 or infinity")
            depth = _DEPTHS[word]
        else:
            raise SyntaxProblem(start, "MAXSIZE or DEPTH")
        if cur.closes():
            return max_size, depth
        cur.space()


def write_get_metadata(out: Writer, value: GetMetadata) -> None:
    """Write what follows the word."""
    options = []
    if value.max_size is not None:
        options.append(b"MAXSIZE %d" % value.max_size)
    if value.depth != 0:
        options.append(b"DEPTH 1" if value.depth else b"DEPTH infinity")
    out.write(b" (" + b" ".join(options) + b") " if options else b" ")
    write_mailbox(out, value.mailbox)
    out.write(b" ")
    write_entries(out, value.entries)


def parse_set_metadata(cur: Cursor) -> SetMetadata:
    """
    setmetadata = "SETMETADATA" SP mailbox SP entry-values

    RFC 5464 §4.3, §5. Reads on behind the word.
    """
    cur.space()
    mailbox = parse_mailbox(cur)
    cur.space()
    return SetMetadata(mailbox, parse_entry_values(cur))


def write_set_metadata(out: Writer, value: SetMetadata) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_mailbox(out, value.mailbox)
    out.write(b" ")
    write_entry_values(out, value.values, in_command=True)


def parse_entry_values(cur: Cursor) -> tuple[tuple[str, bytes | None], ...]:
    """
    entry-values = "(" entry-value *(SP entry-value) ")"; entry-value = entry SP value; value = nstring / literal8

    RFC 5464 §5.
    """
    cur.opens()
    values: list[tuple[str, bytes | None]] = []
    while True:
        entry = parse_entry(cur)
        cur.space()
        values.append((entry, parse_literal8(cur) if cur.at(b"~{") else parse_nstring(cur)))
        if len(values) > MAX_ENTRIES:
            raise cur.fails("fewer entries")
        if cur.closes():
            return tuple(values)
        cur.space()


def write_entry_values(out: Writer, values: tuple[tuple[str, bytes | None], ...], *, in_command: bool = False) -> None:
    """Write entries with their values; a literal8 in a response if there is a NUL."""
    if not values:
        raise Unwritable("no entry")
    for number, (entry, value) in enumerate(values):
        out.write(b" " if number else b"(")
        write_entry(out, entry)
        out.write(b" ")
        if value is not None and b"\0" in value and not in_command:
            write_literal8(out, value)
        else:
            write_nstring(out, value)
    out.write(b")")


def parse_metadata_resp(cur: Cursor) -> Metadata:
    """
    metadata-resp = "METADATA" SP mailbox SP (entry-values / entry-list); entry-list = entry *(SP entry)

    RFC 5464 §4.4, §5. Reads on behind the word.
    """
    cur.space()
    mailbox = parse_mailbox(cur)
    cur.space()
    if cur.at(b"("):
        return Metadata(mailbox, parse_entry_values(cur))
    entries = [parse_entry(cur)]
    while cur.at(b" "):
        cur.space()
        entries.append(parse_entry(cur))
    return Metadata(mailbox, changed=tuple(entries))


def write_metadata_resp(out: Writer, value: Metadata) -> None:
    """Write what follows the word."""
    out.write(b" ")
    write_mailbox(out, value.mailbox)
    out.write(b" ")
    if value.values:
        write_entry_values(out, value.values)
        return
    if not value.changed:
        raise Unwritable("no entry")
    for number, entry in enumerate(value.changed):
        out.write(b" " if number else b"")
        write_entry(out, entry)


__all__ = [
    "parse_entries",
    "parse_get_metadata",
    "parse_metadata_resp",
    "parse_set_metadata",
    "write_entries",
    "write_get_metadata",
    "write_metadata_resp",
    "write_set_metadata",
]
