"""mailbox and list-mailbox: names as people read them; on the wire modified UTF-7 (RFC 3501 §5.1.3) or UTF-8.

Which of the two is written is the Dialect's (RFC 9051 §5.1). A server reads both from the first command on (RFC 6855
§3): what has octets above 127 is UTF-8, and then in Net-Unicode's normal form, as nothing would say that a name was
changed.
"""

import re
import unicodedata
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from ...model.mailbox import INBOX, canonical_name
from .atoms import parse_astring, parse_string, write_astring, write_string
from .cursor import Cursor, SyntaxProblem, Unwritable, Writer

_DIRECT = re.compile(rb"[\x20-\x25\x27-\x7e]*")
_DIRECT_TEXT = re.compile(r"[\x20-\x25\x27-\x7e]*")
_TO_ENCODE = re.compile(r"[^\x20-\x7e]+|&")
_ENCODED = re.compile(r"&([A-Za-z0-9+,]*)-")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_VERBATIM = re.compile(r"[\udc00-\udcff]")
_TO_VERBATIM = {octet: 0xDC00 + octet for octet in (*range(0x20), 0x26, 0x7F)}
_FROM_VERBATIM = {half: octet for octet, half in _TO_VERBATIM.items()}
_LIST_ATOM = re.compile(rb"[!#-'*+\-,./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+")
_LIST_ATOM_8BIT = re.compile(rb'[^\x00-\x20(){"\\\x7f][^\x00-\x20()"\\\x7f]*')


def decode_utf7(data: bytes) -> str:
    """
    Return the text of modified UTF-7 (RFC 3501 §5.1.3).

    Raises:
        ValueError: It is not modified UTF-7, or not in its only allowed form.

    """
    if _DIRECT.fullmatch(data):
        return data.decode("ascii")
    text = _ENCODED.sub(_decode_run, data.decode("ascii"))
    if encode_utf7(text) != data:
        raise ValueError("not modified UTF-7 in its only form")
    return text


def encode_utf7(text: str) -> bytes:
    """
    Return the text in modified UTF-7 (RFC 3501 §5.1.3).

    Raises:
        ValueError: The text holds half a surrogate pair.

    """
    if _DIRECT_TEXT.fullmatch(text):
        return text.encode("ascii")
    return _TO_ENCODE.sub(_encode_run, text).encode("ascii")


def decode_mailbox(cur: Cursor, data: bytes, start: int) -> str:
    """
    Return a mailbox name as people read it.

    Args:
        cur: For its dialect.
        data: The astring as it was on the wire.
        start: Where it stood, for the SyntaxProblem.

    """
    dialect = cur.dialect
    try:
        name = data.decode("utf-8") if dialect.utf8 else _decode_rev1(data, dialect.loose_names)
        if not dialect.loose_names and _CONTROLS.search(name):
            raise ValueError("control characters")
    except ValueError:
        if not dialect.loose_names:
            expected = "a mailbox name in UTF-8" if dialect.utf8 else "a mailbox name in modified UTF-7"
            raise SyntaxProblem(start, expected) from None
        name = data.decode("ascii", "surrogateescape").translate(_TO_VERBATIM)
    if dialect.loose_names:
        return INBOX if name.upper() == INBOX else name
    return canonical_name(name)


def _decode_rev1(data: bytes, loose: bool) -> str:
    """Return a name in modified UTF-7 or, if it has octets that cannot be that, in UTF-8. Raises ValueError."""
    if loose or data.isascii():
        return decode_utf7(data)
    name = data.decode("utf-8")
    if not unicodedata.is_normalized("NFC", name):
        raise ValueError("not in normal form C")
    return name


def encode_mailbox(out: Writer, name: str) -> bytes:
    """Return a mailbox name as it goes into an astring."""
    if out.dialect.loose_names and _VERBATIM.search(name):
        try:
            return name.translate(_FROM_VERBATIM).encode("ascii", "surrogateescape")
        except UnicodeEncodeError:
            raise Unwritable("half a surrogate pair in a mailbox name") from None
    try:
        return name.encode("utf-8") if out.dialect.utf8 else encode_utf7(name)
    except ValueError:
        raise Unwritable("half a surrogate pair in a mailbox name") from None


def parse_mailbox(cur: Cursor) -> str:
    """
    mailbox = "INBOX" / astring

    RFC 9051 §5.1, §9. INBOX in any case becomes capitals.
    """
    start = cur.pos
    return decode_mailbox(cur, parse_astring(cur), start)


def write_mailbox(out: Writer, name: str) -> None:
    """Write a mailbox name."""
    write_astring(out, encode_mailbox(out, name))


def parse_list_mailbox(cur: Cursor) -> str:
    """
    list-mailbox = 1*list-char / string

    RFC 9051 §6.3.9, §9. `*` and `%` stay as they are.
    """
    start = cur.pos
    found = (_LIST_ATOM_8BIT if cur.dialect.raw_8bit else _LIST_ATOM).match(cur.data, start)
    if found is None:
        data = parse_string(cur)
    else:
        data = found[0]
        cur.pos = found.end()
    return decode_mailbox(cur, data, start)


def write_list_mailbox(out: Writer, pattern: str) -> None:
    """Write a LIST pattern."""
    data = encode_mailbox(out, pattern)
    if _LIST_ATOM.fullmatch(data):
        out.write(data)
    else:
        write_string(out, data)


def _decode_run(found: re.Match[str]) -> str:
    run = found[1]
    if not run:
        return "&"
    try:
        return b64decode(run.replace(",", "/") + "=" * (-len(run) % 4)).decode("utf-16-be")
    except Base64Error:
        raise ValueError("not base64") from None


def _encode_run(found: re.Match[str]) -> str:
    run = found[0]
    if run == "&":
        return "&-"
    return "&" + b64encode(run.encode("utf-16-be")).decode("ascii").rstrip("=").replace("/", ",") + "-"
