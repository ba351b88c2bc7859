"""search-program: what SEARCH asks (RFC 9051 §6.4.4, §9; RFC 3501 §6.4.4)."""

import re
from typing import Final

from ...model.flags import ANSWERED, DELETED, DRAFT, FLAGGED, RECENT, SEEN, Flag, canonical
from ...model.numbers import SeqSet, UIDSet
from ...model.search import (
    AddressKey,
    AgeKey,
    All,
    And,
    DateField,
    DateKey,
    DateTest,
    EmailIdKey,
    HasFlag,
    HeaderKey,
    InSequence,
    InUIDs,
    ModSeqKey,
    Not,
    Or,
    SaveDateKey,
    SaveDateSupported,
    SearchKey,
    SizeKey,
    TextKey,
    ThreadIdKey,
)
from .atoms import parse_astring, parse_atom, parse_number64, write_astring, write_number, write_word
from .cursor import MAX_DEPTH, Cursor, SyntaxProblem, Unwritable, Writer
from .date import parse_date, write_date
from .ext.condstore import parse_search_modsequence, write_search_modsequence
from .ext.messagelimit import parse_uid_bound
from .ext.objectid import parse_objectid_key, write_objectid_key
from .ext.savedate import parse_saved_key, write_saved_key
from .ext.within import parse_age, write_age
from .sequence import parse_sequence_set, write_sequence_set

CHARSETS: Final = {
    "UTF-8": "utf-8",
    "US-ASCII": "utf-8",
    "ISO-8859-1": "iso-8859-1",
    "ISO-8859-15": "iso-8859-15",
    "WINDOWS-1252": "cp1252",
}
"""Charsets a SEARCH may be in, and Python's name for each. Text said to be ASCII that is UTF-8 is read as that."""

MAX_KEYS: Final = 1_000
"""Keys of one search, nested ones too: each is asked of each message. Clients send a few, scripts some hundred."""

_WORD = re.compile(rb"[A-Za-z]+(?![^ )])")
_CHARSET = re.compile(rb"CHARSET ", re.IGNORECASE)
_STATES: dict[bytes, tuple[Flag, bool]] = {
    b"ANSWERED": (ANSWERED, True),
    b"DELETED": (DELETED, True),
    b"DRAFT": (DRAFT, True),
    b"FLAGGED": (FLAGGED, True),
    b"RECENT": (RECENT, True),
    b"SEEN": (SEEN, True),
    b"UNANSWERED": (ANSWERED, False),
    b"UNDELETED": (DELETED, False),
    b"UNDRAFT": (DRAFT, False),
    b"UNFLAGGED": (FLAGGED, False),
    b"OLD": (RECENT, False),
    b"UNSEEN": (SEEN, False),
}
_STATE_WORDS = {state: word for word, state in _STATES.items()}
_ADDRESSES = {b"BCC": "Bcc", b"CC": "Cc", b"FROM": "From", b"TO": "To"}
_ADDRESS_WORDS = {field: word for word, field in _ADDRESSES.items()}
_DATES: dict[bytes, tuple[DateField, DateTest]] = {
    b"BEFORE": (DateField.INTERNAL, DateTest.BEFORE),
    b"ON": (DateField.INTERNAL, DateTest.ON),
    b"SINCE": (DateField.INTERNAL, DateTest.SINCE),
    b"SENTBEFORE": (DateField.SENT, DateTest.BEFORE),
    b"SENTON": (DateField.SENT, DateTest.ON),
    b"SENTSINCE": (DateField.SENT, DateTest.SINCE),
}
_DATE_WORDS = {test: word for word, test in _DATES.items()}
_NEW = And((HasFlag(RECENT), HasFlag(SEEN, False)))


class Reading:
    """What is known while a program is read: the codec of its texts, and how many keys may still come."""

    __slots__ = ("codec", "keys_left")

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.keys_left = MAX_KEYS


def parse_search_program(cur: Cursor) -> tuple[SearchKey, str | None]:
    """
    search-program = ["CHARSET" SP charset SP] search-key *(SP search-key)

    RFC 9051 §6.4.4, §9. Several keys in a row are an And. Text in a charset that is none of CHARSETS is read
    octet by octet: a server answers NO [BADCHARSET] by the charset's name and never looks at it.
    """
    charset = None
    found = _CHARSET.match(cur.data, cur.pos)
    if found is not None:
        cur.pos = found.end()
        charset = parse_charset(cur)
        cur.space()
    return parse_search_keys(cur, charset), charset


def parse_charset(cur: Cursor) -> str:
    """
    charset = atom / quoted

    RFC 9051 §9. Any astring will do.
    """
    return parse_astring(cur).decode("ascii", "replace")


def parse_search_keys(cur: Cursor, charset: str | None) -> SearchKey:
    """
    search-key *(SP search-key)

    RFC 9051 §9; also the end of SORT and THREAD (RFC 5256 §5). Texts are in the charset, UTF-8 if none was said.
    """
    reading = Reading("utf-8" if charset is None else CHARSETS.get(charset.upper(), "iso-8859-1"))
    keys = [parse_search_key(cur, reading)]
    while cur.skip(b" "):
        keys.append(parse_search_key(cur, reading))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def write_search_program(out: Writer, key: SearchKey, charset: str | None) -> None:
    """Write a charset if there is one, and the keys."""
    if charset is not None:
        out.write(b"CHARSET ")
        write_charset(out, charset)
        out.write(b" ")
    write_search_keys(out, key, charset)


def write_charset(out: Writer, charset: str) -> None:
    """Write the name of a charset we can write texts in."""
    if charset.upper() not in CHARSETS:
        raise Unwritable("not a charset we know")
    write_astring(out, charset.encode("ascii"))


def write_search_keys(out: Writer, key: SearchKey, charset: str | None) -> None:
    """Write keys in a row; without a charset, texts are ASCII unless UTF-8 was enabled."""
    codec = CHARSETS[charset.upper()] if charset is not None else "utf-8" if out.dialect.utf8 else "ascii"
    keys = key.keys if isinstance(key, And) else (key,)
    if not keys:
        raise Unwritable("an And of nothing")
    for number, each in enumerate(keys):
        if number:
            out.write(b" ")
        write_search_key(out, each, codec)


def parse_search_key(cur: Cursor, reading: Reading, depth: int = 0) -> SearchKey:
    """
    search-key = "ALL" / "ANSWERED" / ... / sequence-set / "(" search-key *(SP search-key) ")"

    RFC 9051 §6.4.4, §9; RECENT, OLD and NEW from RFC 3501 §9. At most MAX_KEYS, MAX_DEPTH deep.
    """
    reading.keys_left -= 1
    if reading.keys_left < 0:
        raise cur.fails("fewer keys")
    if depth >= MAX_DEPTH:
        raise cur.fails("fewer keys in keys")
    if cur.skip(b"("):
        keys = [parse_search_key(cur, reading, depth + 1)]
        while not cur.closes():
            cur.space()
            keys.append(parse_search_key(cur, reading, depth + 1))
        return keys[0] if len(keys) == 1 else And(tuple(keys))
    start = cur.pos
    found = _WORD.match(cur.data, start)
    if found is None:
        return InSequence(parse_sequence_set(cur, SeqSet))
    word = found[0].upper()
    cur.pos = found.end()
    state = _STATES.get(word)
    if state is not None:
        return HasFlag(*state)
    if word == b"ALL":
        return All()
    if word == b"NEW":
        return _NEW
    if word == b"NOT":
        cur.space()
        return Not(parse_search_key(cur, reading, depth + 1))
    if word == b"OR":
        cur.space()
        left = parse_search_key(cur, reading, depth + 1)
        cur.space()
        return Or(left, parse_search_key(cur, reading, depth + 1))
    key = _parse_key_with_value(cur, word, reading.codec)
    if key is None:
        cur.pos = start
        raise cur.fails("a search key")
    return key


def _parse_key_with_value(cur: Cursor, word: bytes, codec: str) -> SearchKey | None:
    """Parse what follows a word, SP included; None if the word is none of these."""
    if word in _ADDRESSES:
        cur.space()
        return AddressKey(_ADDRESSES[word], _parse_text(cur, codec))
    if word in _DATES:
        cur.space()
        return DateKey(*_DATES[word], parse_date(cur))
    match word:
        case b"SUBJECT":
            cur.space()
            return HeaderKey("Subject", _parse_text(cur, codec))
        case b"YOUNGER" | b"OLDER":
            return parse_age(cur, word == b"YOUNGER")
        case b"HEADER":
            cur.space()
            field = _parse_text(cur, "ascii")
            cur.space()
            return HeaderKey(field, _parse_text(cur, codec))
        case b"TEXT" | b"BODY":
            cur.space()
            return TextKey(_parse_text(cur, codec), word == b"BODY")
        case b"KEYWORD" | b"UNKEYWORD":
            cur.space()
            return HasFlag(canonical(parse_atom(cur).decode("ascii", "surrogateescape")), word == b"KEYWORD")
        case b"LARGER" | b"SMALLER":
            cur.space()
            return SizeKey(word == b"LARGER", parse_number64(cur))
        case b"EMAILID" | b"THREADID":
            return parse_objectid_key(cur, word)
        case b"SAVEDATESUPPORTED":
            return SaveDateSupported()
        case b"SAVEDBEFORE" | b"SAVEDON" | b"SAVEDSINCE":
            return parse_saved_key(cur, word)
        case b"UIDAFTER" | b"UIDBEFORE":
            return parse_uid_bound(cur, word == b"UIDAFTER")
        case b"UID":
            cur.space()
            return InUIDs(parse_sequence_set(cur, UIDSet))
        case b"MODSEQ":
            return parse_search_modsequence(cur)
        case _:
            return None


def write_search_key(out: Writer, key: SearchKey, codec: str, depth: int = 0) -> None:
    """Write one key; an And in parentheses."""
    if depth >= MAX_DEPTH:
        raise Unwritable("too many keys in keys")
    match key:
        case All():
            out.write(b"ALL")
        case And(keys):
            if not keys:
                raise Unwritable("an And of nothing")
            for number, each in enumerate(keys):
                out.write(b" " if number else b"(")
                write_search_key(out, each, codec, depth + 1)
            out.write(b")")
        case Or(left, right):
            out.write(b"OR ")
            write_search_key(out, left, codec, depth + 1)
            out.write(b" ")
            write_search_key(out, right, codec, depth + 1)
        case Not(negated):
            out.write(b"NOT ")
            write_search_key(out, negated, codec, depth + 1)
        case InSequence(numbers):
            write_sequence_set(out, numbers)
        case InUIDs(uids):
            out.write(b"UID ")
            write_sequence_set(out, uids)
        case ModSeqKey():
            write_search_modsequence(out, key)
        case HasFlag(flag, present):
            word = _STATE_WORDS.get((flag, present))
            if word is not None:
                out.write(word)
            else:
                out.write(b"KEYWORD " if present else b"UNKEYWORD ")
                write_word(out, flag)
        case DateKey(field, test, day):
            out.write(_DATE_WORDS[field, test] + b" ")
            write_date(out, day)
        case EmailIdKey() | ThreadIdKey():
            write_objectid_key(out, key)
        case SaveDateKey():
            write_saved_key(out, key)
        case SaveDateSupported():
            out.write(b"SAVEDATESUPPORTED")
        case SizeKey(larger, octets):
            out.write(b"LARGER " if larger else b"SMALLER ")
            write_number(out, octets)
        case HeaderKey(name, text):
            if name == "Subject":
                out.write(b"SUBJECT ")
            else:
                out.write(b"HEADER ")
                _write_text(out, name, "ascii")
                out.write(b" ")
            _write_text(out, text, codec)
        case AddressKey(name, text):
            out.write(_ADDRESS_WORDS[name] + b" ")
            _write_text(out, text, codec)
        case AgeKey():
            write_age(out, key)
        case TextKey(text, body_only):
            out.write(b"BODY " if body_only else b"TEXT ")
            _write_text(out, text, codec)


def _parse_text(cur: Cursor, codec: str) -> str:
    start = cur.pos
    try:
        return parse_astring(cur).decode(codec)
    except UnicodeDecodeError:
        raise SyntaxProblem(start, f"text in {codec}") from None


def _write_text(out: Writer, text: str, codec: str) -> None:
    try:
        write_astring(out, text.encode(codec))
    except UnicodeEncodeError:
        raise Unwritable(f"text that is not {codec}") from None
