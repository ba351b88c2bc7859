"""mime/packed.py: what the index keeps, and parts by number."""

import pytest

from mailhorn.mime.packed import What, find_part, pack, part_range, unpack
from mailhorn.mime.scan import scan

# the message of RFC 9051 §6.4.5.1, each leaf naming its number
DATA = b"""\
Subject: top
Content-Type: multipart/mixed; boundary=a

--a
Content-Type: text/plain

1
--a
Content-Type: application/octet-stream

2
--a
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

3.1
--b
Content-Type: application/octet-stream

3.2
--b--
--a
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: image/gif

4.1
--c
Content-Type: message/rfc822

Subject: four.two
Content-Type: multipart/mixed; boundary=d

--d
Content-Type: text/plain

4.2.1
--d
Content-Type: multipart/alternative; boundary=e

--e
Content-Type: text/plain

4.2.2.1
--e
Content-Type: text/richtext

4.2.2.2
--e--
--d--
--c--
--a--
"""
ROOT = scan(DATA)


def section(*part: int, what: What = "body", data: bytes = DATA) -> bytes | None:
    """Return the octets of a section."""
    found = part_range(scan(data), part, what)
    return data[found[0] : found[1]] if found else None


@pytest.mark.parametrize("number", ["1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"])
def test_the_example_of_rfc_9051(number: str) -> None:
    """RFC 9051 §6.4.5.1: the complex message."""
    assert section(*map(int, number.split("."))) == number.encode()


def test_sections_of_messages() -> None:
    """HEADER and TEXT of the message and of messages inside it; MIME of parts."""
    assert section() == DATA
    header, text = section(what="header"), section(what="text")
    assert header is not None and text is not None
    assert header + text == DATA and header.endswith(b"boundary=a\n\n")
    assert section(what="mime") is None
    inner, body = section(3, what="header"), section(3, what="text")
    assert inner is not None and body is not None
    assert inner == b"Subject: three\nContent-Type: multipart/mixed; boundary=b\n\n"
    assert body.startswith(b"--b") and inner + body == section(3)
    assert section(3, what="mime") == b"Content-Type: message/rfc822\n\n"
    assert section(4, 2, 2, 1, what="mime") == b"Content-Type: text/plain\n\n"
    assert (section(4, 2, what="header") or b"").startswith(b"Subject: four.two")


@pytest.mark.parametrize("number", [(0,), (5,), (1, 1), (2, 1), (3, 3), (4, 3), (4, 2, 2, 3), (3, 1, 1), (2**40,)])
def test_no_such_part(number: tuple[int, ...]) -> None:
    """Numbers that name nothing."""
    assert find_part(ROOT, number) is None
    assert part_range(ROOT, number) is None


def test_header_and_text_are_of_messages_only() -> None:
    """RFC 9051 §6.4.5.1: they refer to a message/rfc822."""
    assert section(1, what="header") is None
    assert section(4, what="text") is None


def test_a_message_that_is_no_multipart() -> None:
    """It has one part, itself, inside another message too."""
    plain = b"Subject: x\n\nbody"
    assert section(1, data=plain) == b"body"
    assert section(1, what="mime", data=plain) == b"Subject: x\n\n"
    assert section(2, data=plain) is None
    assert section(1, 1, data=plain) is None
    wrapped = b"Content-Type: message/rfc822\n\n" + plain
    assert section(1, data=wrapped) == plain
    assert section(1, 1, data=wrapped) == b"body"
    assert section(1, what="text", data=wrapped) == b"body"
    assert section(1, 1, 1, data=wrapped) is None


def test_pack() -> None:
    """Packed and unpacked it is the same, and small."""
    assert unpack(pack(ROOT)) == ROOT
    assert len(pack(scan(b"Subject: x\n\nbody"))) < 60


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x01", b"\x02" + pack(ROOT)[1:], pack(ROOT)[:-1], pack(ROOT) + b"x"])
def test_what_was_not_packed(data: bytes) -> None:
    """Other bytes are an error to act upon, not a wrong answer."""
    with pytest.raises(ValueError):
        unpack(data)
