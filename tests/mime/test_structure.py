"""mime/structure.py: BODYSTRUCTURE."""

import mmap
import tempfile

from mailhorn.mime.envelope import envelope
from mailhorn.mime.scan import scan
from mailhorn.mime.structure import body_structure
from mailhorn.model.structure import Disposition, Extension, MultiPart, SinglePart

US_ASCII = ((b"charset", b"us-ascii"),)


def structure(data: bytes) -> object:
    """Return the structure of a message."""
    return body_structure(scan(data), data)


def test_plain_text_without_mime() -> None:
    """Dovecot: ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 14 2 NIL NIL NIL NIL)."""
    assert structure(b"Subject: x\r\n\r\nhello\r\nworld\r\n") == SinglePart(
        b"text", b"plain", US_ASCII, None, None, b"7bit", 14, 2, extension=Extension()
    )


def test_text_without_a_charset() -> None:
    """It is given the default (RFC 2045 §5.2), behind what it has; other types are not."""
    found = structure(b"Content-Type: text/html; a=b\r\n\r\n")
    assert isinstance(found, SinglePart) and found.params == ((b"a", b"b"), *US_ASCII)
    found = structure(b"Content-Type: text/html; charset*=utf-8''utf-8\r\n\r\n")
    assert isinstance(found, SinglePart) and len(found.params) == 1
    found = structure(b"Content-Type: image/png\r\n\r\n")
    assert isinstance(found, SinglePart) and found.params == ()


def test_the_last_line_of_a_part_has_no_end() -> None:
    """Line ends are counted, and the one before a boundary belongs to the boundary (as Dovecot does)."""
    data = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\ntwo\r\n--x--\r\n"
    found = structure(data)
    assert isinstance(found, MultiPart) and isinstance(found.parts[0], SinglePart)
    assert (found.parts[0].octets, found.parts[0].lines) == (8, 1)
    assert found.params == ((b"boundary", b"x"),)


def test_an_attachment() -> None:
    """All that BODYSTRUCTURE has and BODY leaves out (RFC 9051 §7.5.2)."""
    data = (
        b"Content-Type: application/pdf; name=\"a b.pdf\"\r\nContent-Transfer-Encoding: BASE64\r\n"
        b"Content-ID: <1@x>\r\nContent-Description: a\r\n file\r\nContent-MD5: Q2hlY2s=\r\n"
        b"Content-Disposition: attachment; filename*=utf-8''a%20b.pdf\r\nContent-Language: de, en (some)\r\n"
        b"Content-Location: http://x/\r\n y\r\n\r\nAAAA\r\n"
    )  # fmt: skip
    assert structure(data) == SinglePart(
        type=b"application",
        subtype=b"pdf",
        params=((b"name", b"a b.pdf"),),
        content_id=b"<1@x>",
        description=b"a file",
        encoding=b"base64",
        octets=6,
        lines=None,
        md5=b"Q2hlY2s=",
        extension=Extension(
            Disposition(b"attachment", ((b"filename*", b"utf-8''a%20b.pdf"),)), (b"de", b"en"), b"http://x/ y"
        ),
    )


def test_a_message_within() -> None:
    """message/rfc822 has envelope, structure and lines of the message inside."""
    inner = b"Subject: in\r\nFrom: a@x\r\n\r\nhi\r\n"
    data = b"Content-Type: message/rfc822\r\n\r\n" + inner
    found = structure(data)
    assert isinstance(found, SinglePart)
    assert (found.octets, found.lines) == (len(inner), 4)
    assert found.envelope == envelope(inner[:-4])
    assert found.body == structure(inner)


def test_every_multipart_has_a_part() -> None:
    """`body-type-mpart = 1*body …`: one without parts is text, so clients can parse it."""
    found = structure(b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing\r\n--x--\r\n")
    assert isinstance(found, SinglePart) and found.type == b"text"


def test_lines_of_a_map() -> None:
    """A map gives the same as its octets."""
    data = b"Content-Type: text/plain\r\n\r\n" + b"line\r\n" * 200_000
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert body_structure(scan(mapped), mapped) == structure(data)
