"""mime/encode.py: binary parts in base64."""

import pytest

from mailhorn.mime.encode import without_nul
from mailhorn.mime.packed import part_range
from mailhorn.mime.scan import scan
from mailhorn.mime.transfer import decoded

BINARY = (
    b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
    b"--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\nno NUL\r\n"
    b"--x\r\nContent-type: image/png\r\ncontent-transfer-encoding:\r\n binary\r\nX-More: y\r\n\r\n\0\1\n\r\0\r\n"
    b"--x--\r\n"
)


def test_binary() -> None:
    """The part with NUL is encoded, and says so; nothing else is touched."""
    pieces = without_nul(memoryview(BINARY))
    assert pieces is not None
    text = b"".join(pieces)
    root = scan(text)
    assert [part.encoding for part in root.children] == [b"binary", b"base64"]
    start, end = part_range(root, (2,)) or (0, 0)
    assert decoded(text[start:end], b"base64") == b"\0\1\n\r\0"
    assert b"\r\nContent-type: image/png\r\nContent-Transfer-Encoding: base64\r\nX-More: y\r\n\r\n" in text
    assert text[: root.children[0].body_end] == BINARY[: root.children[0].body_end]


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: \0\r\n\r\nbody",
        b"Subject: a\r\n\r\n\0",
        BINARY.replace(b"no NUL", b"a NUL\0").replace(b"Content-Transfer-Encoding: binary", b"X: y"),
    ],
)
def test_nul_elsewhere(message: bytes) -> None:
    """What is not of a binary part cannot be encoded."""
    assert without_nul(message) is None


def test_nothing_to_do() -> None:
    """A message without NUL stays as it is."""
    assert b"".join(without_nul(b"Subject: a\r\n\r\nbody") or []) == b"Subject: a\r\n\r\nbody"
