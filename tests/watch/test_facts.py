"""What is fetched, what the rules get to know, and which scripts a watcher takes."""

import pytest

from mailhorn.imap.commands import Fetch
from mailhorn.imap.grammar.command import write_command
from mailhorn.imap.grammar.response import parse_response
from mailhorn.imap.responses import Fetched
from mailhorn.model.ids import UID
from mailhorn.model.numbers import UIDSet
from mailhorn.sieve import Actions, SieveError, compile_script, evaluate
from mailhorn.watch.facts import Gathered, check_program, install, items_to_fetch


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
    command = Fetch(UIDSet.of([1]), items_to_fetch(program))
    assert write_command(b"a", command) == [
        b"a UID FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE"
        b" BODY.PEEK[HEADER.FIELDS (from message-id subject x-spam)])\r\n"
    ]


def test_field_names_cannot_inject() -> None:
    """Fault F90: whatever a script names is quoted or sent as a literal."""
    (segment,) = write_command(b"a", Fetch(UIDSet.of([1]), items_to_fetch(install('if exists "a{1}\\"b" { stop; }'))))
    assert b'"a{1}\\"b"' in segment


def test_told_in_pieces() -> None:
    """Servers may tell one message in several responses; header fields count as told only when they are there."""
    first = gathered(b"UID 7 FLAGS (\\seen Work) RFC822.SIZE 99")
    assert (first.flags, first.size, first.fields) == (frozenset({"\\Seen", "Work"}), 99, None)
    assert gathered(b"UID 7", b"BODY[HEADER.FIELDS (SUBJECT)] NIL").fields is None
    both = gathered(b"UID 7 FLAGS ()", header(b"Subject: a\r\n b\r\nMessage-Id:\t <1@x> \r\n\r\n"))
    assert both.fields == (("Subject", "a b"), ("Message-Id", "<1@x>"))
    assert both.message_id == "<1@x>"


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
        ('keep;\nif true {\n  redirect "a@example.com";\n}', 3, "no redirect"),
        ('require "envelope";\nif envelope "from" "a" { stop; }', 1, "not available here"),
        ("keep;\nkepe;", 2, "did you mean"),
        ('reject "no";', 1, "cannot reject"),
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
    program = compile_script('require "envelope"; if envelope "to" "a" { redirect "a@example.com"; }')
    assert len(check_program(program)) == 2
