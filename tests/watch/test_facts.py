"""What is fetched, what the rules get to know, and which scripts a watcher takes."""

import pytest

from mailhorn.imap.commands import Fetch
from mailhorn.imap.grammar.command import write_command
from mailhorn.imap.grammar.response import parse_response
from mailhorn.imap.responses import Fetched
from mailhorn.model.ids import UID
from mailhorn.model.numbers import UIDSet
from mailhorn.sieve import ALL, Actions, SieveError, compile_script, evaluate
from mailhorn.sieve.verdicts import Verdicts
from mailhorn.watch import facts
from mailhorn.watch.facts import (
    Gathered,
    check_program,
    header_fields_of,
    install,
    items_to_fetch,
    offers,
    refusals,
)


def gathered(*lines: bytes) -> Gathered:
    """Return what FETCH responses with this text tell of message 7."""
    known = Gathered(UID(7))
    for line in lines:
        response = parse_response(b"* 1 FETCH (" + line + b")")
        assert isinstance(response, Fetched)
        known = known.with_items(response.items)
    return known


def header(text: bytes) -> bytes:
    """Return the fetch item that brings this header."""
    return b"BODY[HEADER.FIELDS (SUBJECT)] {%d}\r\n%s" % (len(text), text)


def test_exactly_the_fields_of_the_rules_are_fetched() -> None:
    """And Message-ID, by which a message is known again."""
    program = install('if header "X-Spam" "yes" { discard; } if address "from" "a@x" { discard; }')
    command = Fetch(UIDSet.of([1]), items_to_fetch(header_fields_of(program)))
    assert write_command(b"a", command) == [
        b"a UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE"
        b" BODY.PEEK[HEADER.FIELDS (from message-id subject x-spam)])\r\n"
    ]


def test_field_names_cannot_inject() -> None:
    """Fault F90: whatever a script names is quoted or sent as a literal."""
    names = header_fields_of(install('if exists "a{1}\\"b" { stop; }'))
    (segment,) = write_command(b"a", Fetch(UIDSet.of([1]), items_to_fetch(names)))
    assert b'"a{1}\\"b"' in segment


def test_told_in_pieces() -> None:
    """Servers may tell one message in several responses; header fields count as told only when they are there."""
    first = gathered(b"UID 7 FLAGS (\\seen Work) RFC822.SIZE 99")
    assert (first.flags, first.size, first.fields) == (frozenset({"\\Seen", "Work"}), 99, None)
    assert gathered(b"UID 7", b"BODY[HEADER.FIELDS (SUBJECT)] NIL").fields is None
    both = gathered(b"UID 7 FLAGS ()", header(b"Subject: a\r\n b\r\nMessage-Id:\t <1@x> \r\n\r\n"))
    assert both.fields == (("Subject", "a b"), ("Message-Id", "<1@x>"))
    assert both.message_id == "<1@x>"


def test_a_server_that_tells_too_much_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told again counts once, and what is too much is not kept."""
    monkeypatch.setattr(facts, "LARGEST", 100)
    monkeypatch.setattr(facts, "MAX_SECTIONS", 3)
    same = gathered(*[b"UID 7 BODY[1] {40}\r\n" + b"x" * 40] * 50)
    assert len(same.sections) == 1
    large = gathered(*[b"UID 7 BODY[%d] {40}\r\n" % n + b"x" * 40 for n in range(1, 50)])
    assert len(large.sections) == 2
    many = gathered(*[b"UID 7 BODY[%d.MIME] {1}\r\nx" % n for n in range(1, 50)])
    assert len(many.sections) == 3


def test_nothing_a_sender_writes_fails() -> None:
    """Fault F19: raw octets, no header at all, a Message-ID that is none."""
    assert gathered(header(b"\r\n")).fields == ()
    assert gathered(header(b"\r\n")).message_id == ""
    assert gathered(header(b"Message-ID: <caf\xe9@x>\r\n\r\n")).message_id == "<caf\ufffd@x>"
    assert len(gathered(header(b"Message-ID: " + b"x" * 5000 + b"\r\n\r\n")).message_id) == 998


@pytest.mark.parametrize(
    "field",
    [
        "Subject: Grüße aus Köln".encode(),
        b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus =?iso-8859-1?q?K=F6ln?=",
        b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n aus K\xc3\xb6ln",
    ],
)
def test_rules_see_decoded_headers(field: bytes) -> None:
    """RFC 5228 §2.7.2: encoded words, raw UTF-8 and folds make no difference."""
    program = install('require "fileinto"; if header :is "subject" "Grüße aus Köln" { fileinto "A"; }')
    decided = evaluate(program, gathered(header(field + b"\r\n\r\n")).facts(program, None))
    assert isinstance(decided, Actions) and not decided.implicit_keep


@pytest.mark.parametrize(
    "script, line, said",
    [
        ('keep;\nif true {\n  redirect "a@example.com";\n}', 3, r"set host in \[relay\]"),
        ('require "envelope";\nrequire ["fileinto", "vacation"];', 2, r'"vacation": .* set host in \[relay\]'),
        ('require "editheader";', 1, "leave this to the server"),
        ('require "ereject";', 1, "use reject"),
        ('require "spamtestplus";', 1, "set spam_header of the account"),
        ('require "virustest";', 1, "set virus_header of the account"),
        ('require "vnd.mailhorn.pipe";', 1, "use a .*hook"),
        ('require "imapsieve";', 1, "does not hear what clients do"),
        ('require ["include", "fileinto"];\ninclude "missing";', 2, "missing"),
        ("keep;\nkepe;", 2, "did you mean"),
    ],
)
def test_what_a_watcher_cannot_do_is_refused_at_once(script: str, line: int, said: str) -> None:
    """Not at three in the morning: with its line."""
    with pytest.raises(SieveError, match=said) as caught:
        install(script)
    assert caught.value.line == line


def test_programs_compiled_elsewhere_are_checked_too() -> None:
    """One line for each thing that is not possible here."""
    assert check_program(install("keep;")) == []
    program = compile_script('require "editheader"; addheader "X-A" "b"; redirect "a@example.com";')
    assert len(check_program(program)) == 2
    assert len(check_program(program, sends=True)) == 1


def test_every_extension_is_offered_or_refused_with_a_reason() -> None:
    """Nothing that the engine knows is forgotten, and nothing that is refused is silently there."""
    sent, checked = offers(sends=True, verdicts=frozenset({"spam", "virus"})), offers()
    assert checked < sent
    assert sent | refusals(True, frozenset({"spam", "virus"})).keys() == ALL
    assert checked | refusals(False, frozenset()).keys() == ALL
    assert {"vacation", "enotify", "reject", "spamtest"} <= sent - checked
    assert {"body", "date", "duplicate", "envelope", "foreverypart", "include", "special-use"} <= checked


@pytest.mark.parametrize(
    ("field", "part", "expected"),
    [
        (b"Return-Path: <a@example.com>", "from", ("a@example.com",)),
        (b"Return-Path: <>", "from", ("",)),
        (b"Subject: x", "from", ()),
        (b"Delivered-To: ann@example.org\r\nDelivered-To: forged@example.net", "to", ("ann@example.org",)),
        (b"Envelope-To: ann@example.org", "to", ("ann@example.org",)),
        (b"Received: from a (b)\r\n by c for <ann@example.org>;\r\n Thu, 1 Jan 2026", "to", ("ann@example.org",)),
        (b"Received: from a by c; Thu, 1 Jan 2026", "to", ()),
    ],
)
def test_the_envelope_is_what_delivery_has_noted(field: bytes, part: str, expected: tuple[str, ...]) -> None:
    """The field that was added last counts; without one nothing is known."""
    assert gathered(header(field + b"\r\n\r\n")).envelope(part) == expected


@pytest.mark.parametrize(
    ("kind", "value", "verdict"),
    [
        ("spam", "", 0),
        ("spam", "no number", 0),
        ("spam", "Yes, score=7.5 required=5.0 tests=A", 76),
        ("spam", "-2.1", 1),
        ("spam", "99", 101),
        ("virus", "Infected", 5),
        ("virus", "clean", 1),
        ("virus", "4", 4),
        ("virus", "?", 0),
    ],
)
def test_verdicts_of_checkers(kind: str, value: str, verdict: int) -> None:
    """RFC 5235: 1 to 101 for spam, 1 to 5 for viruses, 0 if nobody has looked."""
    checkers = Verdicts("x-spam", 10.0, "x-virus")
    assert checkers.verdict(kind, lambda name: [value] if name in ("x-spam", "x-virus") else []) == verdict
    assert Verdicts().verdict(kind, lambda name: ["5"]) == 0
