"""Of a large message only headers and texts are fetched, and rules see no difference."""

import pytest
from tests.kit.letters import generated

from mailhorn.imap.commands import Section, SectionText
from mailhorn.mime.entity import Entity
from mailhorn.mime.packed import part_range
from mailhorn.mime.scan import scan
from mailhorn.mime.structure import body_structure
from mailhorn.watch.facts import MAX_SECTIONS
from mailhorn.watch.parts import looks_beyond_texts, put_together, sections_of

WHAT = {SectionText.PART: "body", SectionText.MIME: "mime", SectionText.HEADER: "header"}


def fetched(raw: bytes) -> tuple[bytes | None, int]:
    """Return what is put together of a message as a server tells it, and how many octets that took."""
    root = scan(raw)
    structure = body_structure(root, raw)
    sections: dict[Section, bytes] = {}
    for section in sections_of(structure) or ():
        span = part_range(root, section.part, WHAT[section.text])
        if span is not None:
            sections[section] = raw[slice(*span)]
    return put_together(structure, sections), sum(map(len, sections.values()))


def seen(raw: bytes) -> list[tuple[object, ...]]:
    """Return what rules see of a message: types, header fields, and texts."""
    return [
        (part.type, part.subtype, part.fields(), part.text() if part.type == "text" else "")
        for part in Entity(raw).walk()
    ]


def test_generated_messages_look_the_same() -> None:
    """Whatever is in them; what cannot be put together is fetched as it is."""
    together = 0
    for seed in range(400):
        raw = generated(seed)
        message, _ = fetched(raw)
        if message is not None:
            together += 1
            assert seen(message) == seen(raw), f"seed {seed}"
    assert together > 50


def attached(octets: int) -> bytes:
    """Return a message with a text, and something large in it, two levels deep."""
    return (
        b"Subject: s\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n"
        b'--a\r\nContent-Type: multipart/related; boundary="b c"\r\n\r\n'
        b"--b c\r\nContent-Type: text/html\r\n\r\n<p>hello</p>\r\n"
        b"--b c\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + b"A"
        * octets
        + b"\r\n--b c--\r\n"
        b"--a\r\n\r\nplain, without a header\r\n--a--\r\n"
    )


def test_what_is_attached_is_not_fetched() -> None:
    """A large picture costs its header."""
    raw = attached(1_000_000)
    message, octets = fetched(raw)
    assert message is not None and octets < 500
    assert seen(message) == seen(raw)
    assert len(Entity(message).children[0].children[1].data()) == 0


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: s\r\n\r\njust a text\r\n",
        b"Subject: s\r\nContent-Type: image/png\r\n\r\nAAAA\r\n",
        b"Subject: s\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
        + b"--a\r\n\r\nx\r\n" * (MAX_SECTIONS + 1)
        + b"--a--\r\n",
    ],
)
def test_what_is_fetched_as_it_is(raw: bytes) -> None:
    """One part, or more parts than can be asked for."""
    assert sections_of(body_structure(scan(raw), raw)) is None


def test_what_a_server_does_not_tell() -> None:
    """A section that is missing, a header without its empty line, and a boundary that is none."""
    raw = attached(10)
    structure = body_structure(scan(raw), raw)
    head = Section(text=SectionText.HEADER)
    assert put_together(structure, {}) is None
    assert put_together(structure, {head: raw.partition(b"\r\n\r\n")[0]}) is None
    assert put_together(structure, {head: b"Subject: no type\r\n\r\n"}) is None


@pytest.mark.parametrize(
    ("script", "beyond"),
    [
        ("keep;", False),
        ('require "body"; if body :contains "x" { keep; }', False),
        ('require "body"; if not anyof (true, body :text "x") { keep; }', False),
        ('require "body"; if body :content ["text/html", "TEXT"] :is "x" { keep; }', False),
        ('require "body"; if body :content "application" :is "x" { keep; }', True),
        ('require "body"; if true { if body :raw "x" { keep; } }', True),
        ('require ["mime", "foreverypart"]; foreverypart { if header :mime "a" "b" { keep; } }', False),
        ('require ["foreverypart", "extracttext", "variables"]; foreverypart { extracttext "a"; }', True),
    ],
)
def test_which_rules_look_at_more(script: str, beyond: bool) -> None:
    """Those get the message as it is."""
    assert looks_beyond_texts(script) == beyond
