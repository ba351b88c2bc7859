"""mime/decode.py: what a message says."""

import codecs
import encodings
import pkgutil

import pytest

from mailhorn.mime.decode import _codec, decoded_header, part_text, text_parts, to_text
from mailhorn.mime.scan import scan


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b" plain ", "plain"),
        (b"folded\r\n line", "folded line"),
        (b"=?utf-8?q?J=C3=BCrgen?=", "Jürgen"),
        (b"=?UTF-8?B?SsO8cmdlbg==?=", "Jürgen"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=  \r\n    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?utf-8?b?ww==?= =?utf-8?b?qQ?=", "é"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
        (b"=?utf-8*de?q?=C3=A9?=", "é"),
        (b"x =?utf-8?q?a?= y =?utf-8?q?b?= z", "x a y b z"),
        (b"=?utf-8?q?with space?=", "with space"),
        (b"=?x-unknown?q?=E9?=", "é"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
        (b"=?utf-8?q?never closed", "=?utf-8?q?never closed"),
        (b"=?punycode?q?a-b?= =?zlib?b?eJw=?= =?idna?q?x?=", "a-bxœx"),
        (b"=?a\xffb?q?x?=", "x"),
        ("grün".encode(), "grün"),
        (b"gr\xfcn", "grün"),
        (b"", ""),
    ],
)
def test_header(value: bytes, text: str) -> None:
    """RFC 2047, its examples in §8, and what is broken in the wild."""
    assert decoded_header(value) == text


@pytest.mark.parametrize(
    ("data", "charset", "text"),
    [
        (b"a", b"us-ascii", "a"),
        (b"\xc3\xa9", b"us-ascii", "é"),
        (b"\xe9", b"iso-8859-1", "é"),
        (b"\x80", b"windows-1252", "€"),
        (b"\x1b$B$3$s\x1b(B", b"iso-2022-jp", "こん"),
        (b"a\xff", b"utf-8", "a\ufffd"),
        (b"\xc3\xa9", b"no such charset", "é"),
        (b"\xe9", b"", "é"),
        (b"\xe9", b"\0", "é"),
        (b"\xe9", b"undefined", "é"),
        (b"\xe9", b"../../etc", "é"),
        (b"+AOk-", b"utf-7", "é"),
    ],
)
def test_charsets(data: bytes, charset: bytes, text: str) -> None:
    """What is claimed, else UTF-8, else windows-1252; never an error."""
    assert to_text(data, charset) == text


def test_unknown_charsets_are_not_kept() -> None:
    """Python would keep each name it is asked for, as long as it runs."""
    before = len(encodings._cache)  # type: ignore[attr-defined]  # where it does
    for number in range(1_000):
        assert to_text(b"\xc3\xa9", b"x-%d" % number) == "é"
        assert to_text(b"\xc3\xa9", b"utf-8" + b"-" * number + b"8") == "é"
    to_text(b"\xc3\xa9", b"x" * 1_000_000)
    assert len(encodings._cache) == before  # type: ignore[attr-defined]
    assert _codec.cache_info().currsize <= 256


def test_all_charsets_of_python_are_known() -> None:
    """But those that are none: mail may not ask for them."""
    none = {
        "aliases",
        "charmap",
        "idna",
        "punycode",
        "raw_unicode_escape",
        "unicode_escape",
        "undefined",
        "ascii",
        "oem",
    }
    for name in {module.name for module in pkgutil.iter_modules(encodings.__path__)}:
        try:
            codec = None if name in none else codecs.lookup(name).name
        except LookupError:  # of another system
            continue
        assert _codec(name.encode()) == codec


@pytest.mark.parametrize("charset", [b"utf-7", b"UTF7", b"unicode_escape", b"unicode-escape", b"raw-unicode-escape"])
def test_no_charset_makes_half_a_character(charset: bytes) -> None:
    """What is decoded can be stored and sent."""
    for data in (b"a+2AA-", b"a\\ud800", b"\xff+2AA-\\ud800"):
        assert to_text(data, charset).encode()


def test_text_of_parts() -> None:
    """All text leaves, also of messages inside, decoded."""
    data = (
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nplain\n"
        b"--x\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<b>=E9</b>\n"
        b"--x\nContent-Type: image/png\n\nnot text\n"
        b"--x\nContent-Type: message/rfc822\n\nSubject: in\n\ninner\n--x--\n"
    )
    assert [part_text(part, data) for part in text_parts(scan(data))] == ["plain", "<b>é</b>", "inner"]
