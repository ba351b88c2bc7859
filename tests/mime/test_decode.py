"""mime/decode.py: what a message says."""

import pytest

from mailhorn.mime.decode import decoded_header, part_text, text_parts, to_text
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


def test_text_of_parts() -> None:
    """All text leaves, also of messages inside, decoded."""
    data = (
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nplain\n"
        b"--x\nContent-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<b>=E9</b>\n"
        b"--x\nContent-Type: image/png\n\nnot text\n"
        b"--x\nContent-Type: message/rfc822\n\nSubject: in\n\ninner\n--x--\n"
    )
    assert [part_text(part, data) for part in text_parts(scan(data))] == ["plain", "<b>é</b>", "inner"]
