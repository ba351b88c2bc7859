"""mime/limits.py: hostile messages cost what the limits say, not more."""

import time

import pytest

from mailhorn.mime.decode import decoded_header, part_text, text_parts
from mailhorn.mime.envelope import envelope
from mailhorn.mime.header import unfold
from mailhorn.mime.limits import MAX_ADDRESSES, MAX_DEPTH, MAX_PARTS
from mailhorn.mime.packed import pack, unpack
from mailhorn.mime.scan import Part, scan
from mailhorn.mime.structure import body_structure

MIXED = b"Content-Type: multipart/mixed; boundary=%s\n\n"
N = 1 << 20


def depth(part: Part) -> int:
    """Return how many levels there are."""
    return 1 + max((depth(child) for child in part.children), default=0)


def count(part: Part) -> int:
    """Return how many parts there are."""
    return 1 + sum(count(child) for child in part.children)


@pytest.mark.parametrize(
    "message",
    [
        MIXED % b"x" + b"--xy\n" * (N // 5),
        MIXED % b"x" + b"--x\n" * (N // 4),
        MIXED % b"x" + b"\n--" * (N // 3),
        MIXED % (b"-" * 70) + (b"-" * 71 + b"\n") * (N // 72),
        MIXED % b"x" + b"--x\n" + b"--x \t" * (N // 5),
        b"".join(MIXED % b"b%d" % i + b"--b%d\n" % i for i in range(300)) + b"\n-" * (N // 2),
        b"Content-Type: message/rfc822\n\n" * (N // 30),
        b"a: b\n" * (N // 5),
        b"To: a@b\n" * (N // 8),
        b"Content-X: b\n" * (N // 13),
        b"content-" * (N // 8),
        b"\ncontent-type\n" * (N // 14),
        b"Content-Type: text/plain" + b"(" * N,
        b"Content-Type: text/plain" + b"()" * N,
        b"Content-Type: text/plain" + b";a=b" * N,
        b"Content-Type: text/plain" + b";a*1=b" * N,
        b'Content-Type: text/plain;a="' + b"\\" * N,
        b"Content-Type: " + b" " * N,
        b"To: " + b"(" * N,
        b"To: " + b")" * N,
        b"To: " + b"@" * N,
        b"To: <" + b"@a," * N,
        b"To: " + b'"\\' * N,
        b"To: " + b"a:" * N,
        b"To: " + b"a:;" * N,
        b"To: " + b"<" * N,
        b"To: " + b"[" * N,
        b"To: a\n" + b" \n" * N,
        b"Subject: " + b"=?" * N,
        b"Subject: " + b"=?utf-8?q?a?= " * (N // 14),
        b"Subject: " + b"=?utf-8?b?" * (N // 10),
        b"\r" * N,
        b"\n" * N,
        b"\0" * N,
        b":" * N,
    ],
)
def test_time_is_linear(message: bytes) -> None:
    """A megabyte or more of the worst takes a fraction of a second each; quadratic time would take hours."""
    started = time.process_time()
    root = scan(message)
    body_structure(root, message)
    header = message[: root.body_start]
    envelope(header)
    decoded_header(header[: 64 << 10])
    for part in text_parts(root):
        if part.body_end - part.body_start < 64 << 10:
            part_text(part, message)
    assert unpack(pack(root)) == root
    assert time.process_time() - started < 5.0


def test_depth() -> None:
    """What is too deep is a leaf of octets."""
    root = scan(b"".join(MIXED % b"b%d" % i + b"--b%d\n" % i for i in range(300)))
    assert depth(root) == MAX_DEPTH + 1
    root = scan(b"Content-Type: message/rfc822\n\n" * 300)
    assert depth(root) == MAX_DEPTH + 1
    while root.children:
        root = root.children[0]
    assert (root.type, root.subtype) == (b"application", b"octet-stream")


def test_parts() -> None:
    """What comes after the last part allowed is part of it."""
    message = MIXED % b"x" + b"--x\n\n\n" * 20_000
    root = scan(message)
    assert count(root) == MAX_PARTS
    assert root.children[-1].body_end == len(message)


def test_addresses() -> None:
    """A field of too many addresses is cut; two fields are put together."""
    assert len(envelope(b"To: " + b"a@b," * 20_000 + b"\nTo: " + b"a@b," * 20_000).to) == MAX_ADDRESSES


def test_unfolding_is_linear() -> None:
    """However many CRs stand where no line ends."""
    started = time.process_time()
    assert len(unfold(b"a\n b" + b"\r" * N + b"c")) == N + 4
    assert time.process_time() - started < 5.0
