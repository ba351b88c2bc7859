"""mime/transfer.py: transfer encodings, at once and piece by piece."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhorn.mime.transfer import MAX_LINE, decoded, decoder

CASES = [
    (b"aGVsbG8=", b"base64", b"hello"),
    (b"aGVs\r\nbG8", b"base64", b"hello"),
    (b"aGVs!!bG8===", b"base64", b"hello"),
    (b"aGVsbG8=\r\n\r\nadded by a list\r\n", b"base64", b"hello"),
    (b"a", b"base64", b""),
    (b"", b"base64", b""),
    (b"a=C3=A9=\r\nb\r\n", b"quoted-printable", b"a\xc3\xa9b\r\n"),
    (b"a=ZZ=", b"quoted-printable", b"a=ZZ"),
    (b"a \t\r\nb= \r\nc  ", b"quoted-printable", b"a\r\nbc"),
    (b"\xff", b"8bit", b"\xff"),
    (b"x", b"x-unknown", b"x"),
]


@pytest.mark.parametrize(("data", "encoding", "expected"), CASES)
def test_decoded(data: bytes, encoding: bytes, expected: bytes) -> None:
    """RFC 2045 §6.7 and §6.8, and broken input."""
    assert decoded(data, encoding) == expected


pieces = st.lists(st.binary(max_size=6) | st.sampled_from([b"=", b"=\r\n", b" ", b"\r", b"\n", b"=3D", b"YWJj"]))


@given(pieces, st.sampled_from([b"base64", b"quoted-printable"]))
def test_pieces(parts: list[bytes], encoding: bytes) -> None:
    """However it is cut, the result is the same."""
    work = decoder(encoding)
    assert work is not None
    told = b"".join([work.feed(part) for part in parts])
    assert told + work.finish() == decoded(b"".join(parts), encoding)


def test_a_line_without_an_end() -> None:
    """It is told as it comes, not gathered, and nothing encoded is cut in two."""
    work = decoder(b"quoted-printable")
    assert work is not None
    text = b"=41" * MAX_LINE
    told = [work.feed(text[at : at + 1000]) for at in range(0, len(text), 1000)]
    assert sum(map(len, told)) > MAX_LINE // 2
    assert b"".join(told) + work.finish() == b"A" * MAX_LINE
