"""mime/scan.py: where the parts are."""

import mmap
import tempfile

import pytest

from mailhorn.mime.limits import PIECE, SEARCHED
from mailhorn.mime.scan import TEXT_PLAIN, Part, line_ends, scan

ALTERNATIVE = (
    b"From: a@x\r\n"
    b'Content-Type: multipart/alternative; boundary="b 1"\r\n'
    b"\r\n"
    b"preamble --b 1\r\n"
    b"--b 1\r\n"
    b"Content-Type: Text/Plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8BIT\r\n"
    b"\r\n"
    b"one\r\n"
    b"--b 1  \r\n"
    b"\r\n"
    b"two\r\n"
    b"--b 1 no delimiter\r\n"
    b"\r\n"
    b"--b 1--\r\n"
    b"epilogue\r\n"
    b"--b 1\r\n"
)


def body(part: Part, data: bytes) -> bytes:
    """Return the body of a part."""
    return data[part.body_start : part.body_end]


def outline(part: Part, data: bytes) -> object:
    """Return types and bodies only."""
    kind = (part.type + b"/" + part.subtype).decode()
    if part.children:
        return kind, [outline(child, data) for child in part.children]
    return kind, body(part, data)


def test_multipart() -> None:
    """RFC 2046 §5.1.1: preamble, padding, epilogue; the line end before a delimiter is not of the part."""
    root = scan(ALTERNATIVE)
    assert outline(root, ALTERNATIVE) == (
        "multipart/alternative",
        [("text/plain", b"one"), ("text/plain", b"two\r\n--b 1 no delimiter\r\n")],
    )
    first, second = root.children
    assert ALTERNATIVE[: root.body_start].endswith(b"\r\n\r\n") and root.body_end == len(ALTERNATIVE)
    assert ALTERNATIVE[first.header_start :].startswith(b"Content-Type")
    assert (first.params, first.encoding) == (((b"charset", b"utf-8"),), b"8bit")
    assert (second.params, second.encoding) == (TEXT_PLAIN[2], b"7bit")
    assert second.body_start - second.header_start == 2


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"])
def test_line_ends(newline: bytes) -> None:
    """LF and CR alone are read as well."""
    data = ALTERNATIVE.replace(b"\r\n", newline)
    kind, parts = outline(scan(data), data)
    assert parts == [("text/plain", b"one"), ("text/plain", b"two\r\n--b 1 no delimiter\r\n".replace(b"\r\n", newline))]


def mixed(*parts: bytes, boundary: bytes = b"x", close: bytes = b"--x--\r\n") -> bytes:
    """Return a multipart/mixed with these parts."""
    head = b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n"
    return head + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + close


def test_message_within_a_message() -> None:
    """The child of a message/rfc822 is the message, and so on down."""
    inner = mixed(b"\r\ninner", boundary=b"y", close=b"--y--")
    data = mixed(b"Content-Type: message/rfc822\r\n\r\n" + inner, b"\r\nafter")
    assert outline(scan(data), data) == (
        "multipart/mixed",
        [("message/rfc822", [("multipart/mixed", [("text/plain", b"inner")])]), ("text/plain", b"after")],
    )
    assert outline(scan(data.replace(b"rfc822", b"global")), data) != outline(scan(data), data)


def test_digest_holds_messages() -> None:
    """RFC 2046 §5.1.5: the default type within a digest is message/rfc822."""
    data = mixed(b"\r\nSubject: a\r\n\r\nb", b"Content-Type: text/plain\r\n\r\nc").replace(b"mixed", b"digest")
    kinds = [child.type for child in scan(data).children]
    assert kinds == [b"message", b"text"]


def test_an_outer_boundary_ends_inner_parts() -> None:
    """RFC 2046 §5.1.2, where the inner close-delimiter is missing."""
    inner = mixed(b"\r\none", boundary=b"y", close=b"").removesuffix(b"\r\n")
    data = mixed(inner, b"\r\ntwo")
    assert outline(scan(data), data) == (
        "multipart/mixed",
        [("multipart/mixed", [("text/plain", b"one")]), ("text/plain", b"two")],
    )


def test_a_boundary_that_begins_like_another() -> None:
    """A delimiter is a whole line: --xy is none of x."""
    data = mixed(mixed(b"\r\none", boundary=b"xy", close=b"--xy--"), b"\r\ntwo")
    assert outline(scan(data), data) == (
        "multipart/mixed",
        [("multipart/mixed", [("text/plain", b"one")]), ("text/plain", b"two")],
    )


def test_missing_close_delimiter() -> None:
    """The last part goes on to the end."""
    data = mixed(b"\r\none", b"\r\ntwo", close=b"")
    assert [body(child, data) for child in scan(data).children] == [b"one", b"two\r\n"]


def test_no_line_end_after_the_close_delimiter() -> None:
    """Nor after a delimiter at the very end."""
    data = mixed(b"\r\none", close=b"--x--")
    assert [body(child, data) for child in scan(data).children] == [b"one"]
    data = mixed(b"\r\none", close=b"--x")
    assert [body(child, data) for child in scan(data).children] == [b"one", b""]


def test_empty_parts() -> None:
    """Delimiters right behind each other, and a header without an empty line."""
    data = b"Content-Type: multipart/mixed; boundary=x\n\n--x\n--x\nContent-Type: image/png\n--x\n\n--x--\n"
    kinds = [(child.type, child.body_end - child.body_start) for child in scan(data).children]
    assert kinds == [(b"text", 0), (b"image", 0), (b"text", 0)]


@pytest.mark.parametrize(
    "head",
    [b"multipart/mixed", b'multipart/mixed; boundary=""', b"multipart/mixed; boundary=other", b"nonsense", b"", b"/"],
)
def test_what_makes_no_sense_is_text(head: bytes) -> None:
    """RFC 2045 §5.2."""
    data = b"Content-Type: " + head + b"\r\n\r\n--x\r\n\r\nbody\r\n--x--\r\n"
    root = scan(data)
    assert (root.type, root.subtype, root.params) == TEXT_PLAIN
    assert body(root, data).startswith(b"--x")


@pytest.mark.parametrize(
    ("data", "header", "rest"),
    [
        (b"", b"", b""),
        (b"\r\n", b"\r\n", b""),
        (b"\nbody", b"\n", b"body"),
        (b"body without header", b"body without header", b""),
        (b"A: b", b"A: b", b""),
        (b"A: b\r\n", b"A: b\r\n", b""),
        (b"A: b\r\n\r\n", b"A: b\r\n\r\n", b""),
        (b"A: b\n\r\nc", b"A: b\n\r\n", b"c"),
        (b"A: b\r\n \r\n\r\nc", b"A: b\r\n \r\n\r\n", b"c"),
        (b"\0\xff\r\r\n\r\nc", b"\0\xff\r\r\n\r\n", b"c"),
    ],
)
def test_end_of_header(data: bytes, header: bytes, rest: bytes) -> None:
    """The first empty line ends the header; without one all is header."""
    root = scan(data)
    assert (data[: root.body_start], body(root, data)) == (header, rest)


def test_folded_and_commented_fields() -> None:
    """A boundary on a folded line, names in any case, comments; the first of two fields counts."""
    data = (
        b"CONTENT-type: multipart/mixed (of\n (all) sorts);\n\tboundary (here) = \"x\"\n"
        b"Content-Type: text/html\n\n--x\n\nin\n--x--\n"
    )  # fmt: skip
    assert outline(scan(data), data) == ("multipart/mixed", [("text/plain", b"in")])


def test_any_buffer() -> None:
    """Maps and views are searched in place, parts of a view too."""
    expected = scan(ALTERNATIVE)
    assert scan(bytearray(ALTERNATIVE)) == expected
    assert scan(memoryview(ALTERNATIVE)) == expected
    assert scan(memoryview(b"xx" + ALTERNATIVE)[2:]) == expected
    with tempfile.TemporaryFile() as file:
        file.write(ALTERNATIVE)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert scan(mapped) == expected
            with memoryview(mapped) as view:
                assert scan(view) == expected


@pytest.mark.parametrize("length", [1, 70])
def test_a_boundary_is_found_wherever_it_is(length: int) -> None:
    """Also where one search ends and the next one begins."""
    boundary = b"b" * length
    header = b'Content-Type: multipart/mixed; boundary="%b"\n\n' % boundary
    delimiter = b"\n--" + boundary
    for shift in range(-len(delimiter) - 2, len(delimiter) + 3):
        data = header + b"x" * (2 * SEARCHED + shift) + delimiter + b"\n\nin" + delimiter + b"--\n" + b"x" * SEARCHED
        assert outline(scan(data), data) == ("multipart/mixed", [("text/plain", b"in")])


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_line_ends_are_counted(size: int) -> None:
    """Those between the two offsets are counted, whatever is beyond."""
    data = b"\n\n" + b"\n\nc\nab\n" * (size // 7) + b"\n" * (size % 7) + b"\n\n"
    assert line_ends(data, 2, size + 2) == line_ends(bytearray(data), 2, size + 2) == data.count(b"\n", 2, size + 2)


def test_param() -> None:
    """Parameters by name."""
    root = scan(ALTERNATIVE)
    assert root.param(b"boundary") == b"b 1"
    assert root.param(b"charset") is None
    assert root.is_multipart and not root.is_message
