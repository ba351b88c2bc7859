"""flag, flag-list, flag-perm (RFC 9051 §2.3.2, §9)."""

import re
from collections.abc import Iterable

from ...model.flags import RECENT, SYSTEM_FLAGS, Flag, canonical
from .atoms import ATOM
from .cursor import Cursor, SyntaxProblem, Unwritable, Writer

_FLAG = re.compile(rb"\\?" + ATOM.pattern)
_FLAG_PERM = re.compile(rb"\\\*|" + _FLAG.pattern)
_LOOSE = re.compile(rb'[^\x00-\x20()"{][^\x00-\x20()]*')
_ONE = rb'(?:\\\*|\\?[^\x00-\x20(){%*"\\\x7f]+)'
_WRITABLE = re.compile(_ONE + rb"(?>(?: " + _ONE + rb")*)")
_LIST = re.compile(rb"\(([^()\r\n]*)\)")
_KNOWN: dict[bytes, Flag] = {flag.encode(): flag for flag in (*SYSTEM_FLAGS, RECENT)}


def parse_flag(cur: Cursor) -> Flag:
    """
    flag = "\\Answered" / "\\Flagged" / "\\Deleted" / "\\Seen" / "\\Draft" / flag-keyword / flag-extension

    RFC 9051 §9. System flags get their usual spelling.
    """
    return _flag(cur.need(_LOOSE if cur.dialect.loose_values else _FLAG, "a flag")[0])


def parse_flag_list(cur: Cursor, pattern: re.Pattern[bytes] = _FLAG) -> tuple[Flag, ...]:
    """
    flag-list = "(" [flag *(SP flag)] ")"

    RFC 9051 §9.
    """
    if cur.dialect.loose_values:
        pattern = _LOOSE
    start = cur.pos + 1
    found = cur.need(_LIST, "a list of flags")
    text = found[1]
    if not text:
        return ()
    words = text.split() if cur.dialect.loose_spaces else text.split(b" ")
    flags = []
    for word in words:
        flag = _KNOWN.get(word)
        if flag is None:
            if not pattern.fullmatch(word):
                raise SyntaxProblem(start, "flags")
            flag = _flag(word)
        flags.append(flag)
    return tuple(flags)


def parse_flag_perm_list(cur: Cursor) -> tuple[Flag, ...]:
    """
    "(" [flag-perm *(SP flag-perm)] ")"; flag-perm = flag / "\\*"

    RFC 9051 §7.1, §9.
    """
    return parse_flag_list(cur, _FLAG_PERM)


def flags_text(flags: Iterable[Flag]) -> bytes:
    """Return flags with a space between each, as they are sent; `\\*` is allowed."""
    words = tuple(flags)
    text = " ".join(words)
    try:
        data = text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        raise Unwritable("not a flag") from None
    if words and not (_WRITABLE.fullmatch(data) and data.count(b" ") == len(words) - 1):
        raise Unwritable("not a flag")
    return data


def write_flag_list(out: Writer, flags: Iterable[Flag]) -> None:
    """Write flags in parentheses, in the order given."""
    out.write(b"(" + flags_text(flags) + b")")


def _flag(word: bytes) -> Flag:
    return _KNOWN.get(word) or canonical(word.decode("ascii", "surrogateescape"))
