"""mime/preview.py: the first words of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhorn.mime.limits import MAX_PREVIEW
from mailhorn.mime.preview import LENGTH, preview, preview_part
from mailhorn.mime.scan import scan


def of(message: bytes) -> str:
    """Return the preview of a message."""
    part = preview_part(scan(message))
    return preview(part, message[part.body_start : part.body_end]) if part is not None else ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Hello,\r\n\r\n  this is  it.\r\n", "Hello, this is it."),
        (b"> quoted\r\n> more\r\nanswer\r\n", "answer"),
        (b"> only quoted\r\n", "> only quoted"),
        (b"text\r\n-- \r\nsignature\r\n", "text"),
        ("Grüße".encode(), "Grüße"),
        (b"\xff\xfe", "ÿþ"),
        (b"", ""),
        (b"\r\n \r\n", ""),
        (b"word " * 100, "word " * 39 + "word"),
    ],
)
def test_plain(text: bytes, expected: str) -> None:
    """What somebody wrote, not what they quote; one line."""
    assert of(b"Subject: a\r\n\r\n" + text) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"<p>one</p><p>t<b>w</b>o</p>", "one two"),
        (b"<head><title>no</title></head><STYLE>p { }</style>yes<script>no", "yes"),
        (b"a &lt;b&gt; &amp; c&nbsp;d<!-- no -->e<br>f", "a <b> & c de f"),
        ("\u200b\u200cseen\u00ad".encode(), "seen"),
        (b"1 < 2 <!doctype html> <unclosed", "1 < 2"),
        (b"<!-- never closed", ""),
    ],
)
def test_html(source: bytes, expected: str) -> None:
    """The text of HTML, without what is not shown."""
    assert of(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + source) == expected


def test_which_part() -> None:
    """Plain text before HTML, wherever it stands; decoded."""
    head = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
    empty = b"--x\r\n\r\n\r\n"
    page = b"--x\r\nContent-Type: text/html\r\n\r\n<p>page</p>\r\n"
    plain = (
        b"--x\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: base64\r\n\r\nR3L832U=\r\n"
    )
    image = b"--x\r\nContent-Type: image/png\r\n\r\npng\r\n"
    assert of(head + empty + image + page + plain + b"--x--") == "Grüße"
    assert of(head + empty + image + page + b"--x--") == "page"
    assert of(head + image + b"--x--") == ""


@given(st.text("<>/!-& \r\n\"'abhestyl;#\u200bä") | st.text(), st.sampled_from([b"plain", b"html"]))
def test_anything(text: str, subtype: bytes) -> None:
    """Whatever it is, it is one line of at most so many characters."""
    said = of(b"Content-Type: text/" + subtype + b"; charset=utf-8\r\n\r\n" + text.encode("utf-8", "replace"))
    assert len(said) <= LENGTH and said == " ".join(said.split())


@pytest.mark.parametrize("source", [b"<", b"<head>", b"<head></head>", b"<!--", b"&", b"<a", b"\xe2\x80\x8b", b"<p>"])
def test_hostile(source: bytes) -> None:
    """No octets make it slow."""
    of(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + source * (MAX_PREVIEW // len(source) + 1))
