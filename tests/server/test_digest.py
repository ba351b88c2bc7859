"""Digests of messages, sound and broken."""

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st

from mailhorn.imap.grammar.body import body_structure_bytes, without_extensions
from mailhorn.imap.grammar.envelope import envelope_bytes
from mailhorn.mime.envelope import envelope
from mailhorn.mime.packed import unpack
from mailhorn.mime.scan import scan
from mailhorn.mime.structure import body_structure
from mailhorn.server import digest as module
from mailhorn.server.digest import digest

MESSAGE = (
    b"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Hi\r\nDate: Sat, 21 Nov 2026 20:52:02 +0000\r\n"
    b"Message-ID: <1@example.org>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nOne\r\nTwo\r\n"
)


def test_what_fetch_needs() -> None:
    """As IMAP text, and offsets into the message."""
    made = digest(MESSAGE)
    assert made.header_size == MESSAGE.index(b"One")
    assert made.envelope == (
        b'("Sat, 21 Nov 2026 20:52:02 +0000" "Hi" (("Ann" NIL "ann" "example.org")) (("Ann" NIL "ann" "example.org")) '
        b'(("Ann" NIL "ann" "example.org")) ((NIL NIL "bob" "example.org")) NIL NIL NIL "<1@example.org>")'
    )
    assert (
        without_extensions(made.body_structure).lower() == b'("text" "plain" ("charset" "utf-8") nil nil "7bit" 10 2)'
    )
    assert made.body_structure.lower().startswith(b'("text" "plain" ("charset" "utf-8") nil nil "7bit" 10 2 nil')
    assert unpack(made.parts).body_end == len(MESSAGE)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"no header", b"\0" * 100, b"Content-Type: multipart/mixed\r\n\r\n"])
def test_any_bytes_have_a_digest(body: bytes) -> None:
    """And no bug shows."""
    with structlog.testing.capture_logs() as logs:
        made = digest(body)
    assert made.header_size <= len(body)
    assert logs == []


@given(st.binary(max_size=300))
def test_no_bytes_break_it(body: bytes) -> None:
    """Whatever comes."""
    with structlog.testing.capture_logs() as logs:
        made = digest(b"Content-Type: multipart/mixed; boundary=a\r\nFrom: " + body)
    assert made.envelope.startswith(b"(") and logs == []


HEADER = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("From", "sender", "Reply-To", "TO", "Cc", "Bcc", "Date", "Subject", "Message-ID", "in-reply-to"),
                *("Content-Type", "content-type ", "Content-Transfer-Encoding", "Content-ID", "Content-Language"),
                *("Content-Disposition", "Content-Typewriter", "X-From", "Subjects"),
            )
        ),
        st.sampled_from(
            (
                *(
                    "Ann <ann@example.org>",
                    '"A, B" <a@b>, c@d',
                    "undisclosed:;",
                    "a, b, c,,",
                    "",
                    " ",
                    "\xfc <u@x>",
                    "(c)",
                ),
                *(
                    "text/html",
                    'text/plain; charset="utf-8"; a=b',
                    "message/rfc822",
                    "multipart/mixed; boundary=x",
                    "text",
                ),
                *(
                    "image/png; name=" + "x" * 300,
                    "8BIT",
                    "base64",
                    "one\r\n two\r\n\tthree",
                    "one  two",
                    '"quo\\"ted"',
                ),
                *(f"{'x' * 300} <long@example.org>", "inline; filename=a", "de, en"),
            )
        ),
    ),
    max_size=12,
)


@given(HEADER, st.sampled_from(("\r\n", "\n", "\r")), st.binary(max_size=30))
def test_as_grammar_and_mime_have_it(fields: list[tuple[str, str]], end: str, body: bytes) -> None:
    """What is remembered of other messages makes no difference to what is said of this one."""
    header = "".join(f"{name}: {value}{end}" for name, value in fields).replace("\r\n", end)
    message = header.encode("latin-1") + end.encode() + body
    for data in (message, memoryview(message)):
        made = digest(data)
        root = scan(data)
        assert made.envelope == envelope_bytes(envelope(message[: root.body_start]))
        assert made.body_structure == body_structure_bytes(body_structure(root, data), True)


def test_deep_nesting_has_an_end() -> None:
    """A hundred thousand levels are as good as a hundred."""
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(100_000))
    with structlog.testing.capture_logs() as logs:
        digest(nested)
    assert logs == []


def test_a_bug_makes_an_opaque_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged, and the message is delivered."""

    def broken(data: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "scan", broken)
    with structlog.testing.capture_logs() as logs:
        made = digest(MESSAGE)
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert made.header_size == 0
    assert without_extensions(made.body_structure).lower() == b'("text" "plain" nil nil nil "7bit" %d 0)' % len(MESSAGE)
    assert unpack(made.parts).body_end == len(MESSAGE)
