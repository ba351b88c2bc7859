"""CATENATE, both ways, and URLs of messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit.imap_values import clean_octets, flag_lists, moments, tags

from mailhorn.imap.commands import Append, AppendStep, Section, SectionText
from mailhorn.imap.framing import SERVER_LIMITS
from mailhorn.imap.grammar.command import (
    CommandProblem,
    parse_append_rest,
    parse_append_steps,
    write_append_rest,
    write_append_steps,
)
from mailhorn.imap.grammar.cursor import SyntaxProblem
from mailhorn.imap.responses import Condition
from mailhorn.imap.server import (
    AppendBroken,
    AppendData,
    AppendEnded,
    AppendStarted,
    AppendStepped,
    CommandReceived,
    ServerConnection,
)
from mailhorn.imap.state import State
from mailhorn.imap.url import MessageUrl, parse_message_url
from mailhorn.model.flags import flag_set
from mailhorn.model.ids import UID

EXAMPLE = (
    b"A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE "
    b'(URL "/Drafts;UIDVALIDITY=1/;UID=20/;section=HEADER" TEXT {42}'
)


def test_the_example() -> None:
    """RFC 4469 appendix A, example 1."""
    tag, mailbox, replaces, step = parse_append_steps(EXAMPLE)
    flags = flag_set(("\\Seen", "\\Draft", "$MDNSent"))
    url = b"/Drafts;UIDVALIDITY=1/;UID=20/;section=HEADER"
    assert (tag, mailbox, replaces) == (b"A003", "Drafts", None)
    assert step == AppendStep((), False, (), Append("Drafts", flags, None, 42, urls=(url,)), 42)
    rest = b' URL "/Drafts;UIDVALIDITY=1/;UID=30" TEXT {44}'
    assert parse_append_rest(rest, mailbox, inside=True) == AppendStep(
        (b"/Drafts;UIDVALIDITY=1/;UID=30",), False, (), None, 44
    )
    assert parse_append_rest(b")", mailbox, inside=True) == AppendStep(closes=True)


urls = st.lists(clean_octets, max_size=3).map(tuple)
sizes = st.integers(0, 2**40)
kinds = st.sampled_from([(False, False), (True, False), (True, True)])


@st.composite
def messages(draw: st.DrawFn, whole: bool) -> Append:
    """A message: one of URLs alone, or one whose literal follows."""
    flags, date = draw(flag_lists.map(flag_set)), draw(st.none() | moments)
    if whole:
        return Append("box", flags, date, 0, urls=draw(urls.filter(bool)))
    binary, utf8 = draw(kinds)
    return Append("box", flags, date, draw(sizes), binary, utf8=utf8, urls=draw(st.none() | urls))


@st.composite
def steps(draw: st.DrawFn, inside: bool) -> AppendStep:
    """What may stand in one line, in a CATENATE that goes on or elsewhere."""
    before = draw(urls) if inside else ()
    if inside and draw(st.booleans()):
        binary, utf8 = draw(kinds)
        return AppendStep(before, False, (), None, draw(sizes), binary, utf8)
    whole = tuple(draw(st.lists(messages(True), max_size=2)))
    if draw(st.booleans()) or (not inside and not whole):
        message = draw(messages(False))
        return AppendStep(before, inside, whole, message, message.size, message.binary, message.utf8)
    return AppendStep(before, inside, whole)


def unended(data: bytes) -> bytes:
    """Without the end of the line, as the framer gives it; literals are not synchronizing on their way in."""
    return data.removesuffix(b"\r\n")


@given(tags, steps(False))
def test_commands_round_trip(tag: bytes, step: AppendStep) -> None:
    """What is written is read as the same."""
    assert parse_append_steps(unended(write_append_steps(tag, "box", None, step))) == (tag, "box", None, step)


@given(st.booleans().flatmap(lambda inside: st.tuples(st.just(inside), steps(inside))))
def test_what_follows_a_literal_round_trips(case: tuple[bool, AppendStep]) -> None:
    """Inside of a CATENATE and outside of one."""
    inside, step = case
    assert parse_append_rest(unended(write_append_rest(step)), "box", inside) == step


@pytest.mark.parametrize(
    ("line", "position"),
    [
        (b"a APPEND b CATENATE ()", 21),
        (b"a APPEND b CATENATE (URL x", 27),
        (b"a APPEND b CATENATE (TEXT x)", 26),
        (b"a APPEND b CATENATE (TEXT {3} )", 30),
        (b"a APPEND b CATENATE (UTF8 {3})", 21),
        (b"a APPEND b CATENATE (TEXT UTF8 (~{3}", 21),
        (b"a REPLACE 1 b CATENATE (URL x) CATENATE (URL y)", 47),
    ],
)
def test_mistakes(line: bytes, position: int) -> None:
    """They are found where they are."""
    with pytest.raises(CommandProblem) as problem:
        parse_append_steps(line)
    assert abs(problem.value.position - position) <= 1, problem.value


def test_too_many_urls() -> None:
    """A line of them would have the server read all day."""
    with pytest.raises(SyntaxProblem, match="fewer URLs"):
        parse_append_rest(b" URL a" * 1001 + b")", "box", inside=True)


def test_texts_pass_through() -> None:
    """A text is never whole in the core, however long it is, and neither is what was before it."""
    core = ServerConnection()
    core.state = State.AUTHENTICATED
    core._framer.limits = SERVER_LIMITS
    core.receive_data(b"a APPEND b CATENATE (URL x TEXT {3000000+}\r\n")
    (event,) = core.events_received()
    assert isinstance(event, AppendStepped) and event.first and event.step.message is not None
    core.accept_append()
    for _ in range(30):
        core.receive_data(b"x" * 100_000)
        assert all(isinstance(event, AppendData) for event in core.events_received())
        assert core._framer.buffered == 0
    core.receive_data(b" TEXT {4+}\r\n")
    (event,) = core.events_received()
    assert isinstance(event, AppendStepped) and event.step == AppendStep((), False, (), None, 4) and not event.first


@pytest.mark.parametrize(
    ("url", "selected", "meant"),
    [
        (
            b"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER",
            None,
            MessageUrl("Drafts", 385759045, UID(20), Section((), SectionText.HEADER), None),
        ),
        (
            b"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME",
            None,
            MessageUrl("Drafts", 385759045, UID(20), Section((1,), SectionText.MIME), None),
        ),
        (b"/INBOX/;UID=1", None, MessageUrl("INBOX", None, UID(1), Section(), None)),
        (b"/inbox/;uid=1", None, MessageUrl("INBOX", None, UID(1), Section(), None)),
        (b";UID=20/;SECTION=1.2", "box", MessageUrl(None, None, UID(20), Section((1, 2)), None)),
        (b"other/;UID=20", "a/b/c", MessageUrl("a/b/other", None, UID(20), Section(), None)),
        (b"other/;UID=20", "box", MessageUrl("other", None, UID(20), Section(), None)),
        (b"other/;UID=20", None, MessageUrl("other", None, UID(20), Section(), None)),
        (b"/a/b;UIDVALIDITY=3/;UID=4/;PARTIAL=0.1024", None, MessageUrl("a/b", 3, UID(4), Section(), (0, 1024))),
        (b"/a%20b/;UID=4/;PARTIAL=7", None, MessageUrl("a b", None, UID(4), Section(), (7, None))),
        (b"/gr%C3%BCn/;UID=4", None, MessageUrl("grün", None, UID(4), Section(), None)),
    ],
)
def test_urls(url: bytes, selected: str | None, meant: MessageUrl) -> None:
    """RFC 4469 appendix A, RFC 5092 §7."""
    assert parse_message_url(url, selected) == meant


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b";UID=1",
        b"/;UID=1",
        b"/x;UID=1",
        b"/x/;UID=0",
        b"/x/;UID=4294967296",
        b"/x/;UID=1;section=1",
        b"/x/;UID=1/;SECTION=",
        b"/x/;UID=1/;SECTION=0",
        b"/x/;UID=1/;SECTION=1%00",
        b"/x/;UID=1/;PARTIAL=1.0",
        b"/x/;UID=1;EXPIRE=2026-01-01T00:00:00Z;URLAUTH=anonymous:internal:00",
        b"imap://host/x/;UID=1",
        b"//host/x/;UID=1",
        b"/%ff/;UID=1",
        b"/%4/;UID=1",
        b"/gr\xc3\xbcn/;UID=1",
        b"/a b/;UID=1",
    ],
)
def test_no_urls(url: bytes) -> None:
    """What names no message of this server."""
    with pytest.raises(ValueError, match="not|no |codec"):
        parse_message_url(url, None)


def logged_in() -> ServerConnection:
    """A core in which APPEND is legal."""
    core = ServerConnection()
    core.state = State.SELECTED
    core._framer.limits = SERVER_LIMITS
    return core


@pytest.mark.parametrize("rest", [b" TEXT {3+}\r\n", b" URL x TEXT {3+}\r\n", b") {3+}\r\n"])
def test_pieces_behind_a_message_that_is_none(rest: bytes) -> None:
    """They are BAD, and the APPEND is over."""
    core = logged_in()
    core.receive_data(b"a APPEND b {3+}\r\n")
    core.events_received()
    core.accept_append()
    core.receive_data(b"abc" + rest + b"abc\r\nb NOOP\r\n")
    events = core.events_received()
    assert AppendBroken() in events and isinstance(events[-1], CommandReceived)
    assert core.data_to_send().startswith(b"a BAD ")


SEEDS = (
    b'a APPEND b (\\Seen) CATENATE (URL "/x/;UID=2/;section=HEADER" TEXT {3+}\r\nabc URL {2+}\r\nxy TEXT {4+}\r\nabcd) '
    b"(\\Flagged) {3+}\r\nabc CATENATE (URL x) CATENATE (UTF8 (~{3+}\r\nabc))\r\n",
    b"a UID REPLACE 3 b CATENATE (URL x TEXT ~{3+}\r\nabc)\r\nb NOOP\r\n",
    b"a APPEND b CATENATE (URL x URL y) {3+}\r\nabc\r\nc NOOP\r\n",
    b"a APPEND b UTF8 (~{3+}\r\nabc) CATENATE (TEXT {0+}\r\n)\r\n",
)
PIECES = (b" ", b")", b"(", b"{3+}\r\nabc", b"\r\n", b"CATENATE (", b"URL x", b"TEXT {2+}\r\nxx", b'"', b"{3}\r\n")


def said(data: bytes, size: int) -> tuple[list[object], bytes]:
    """Return what happens, and what is answered, if it comes in pieces of that size."""
    core, happened = logged_in(), list[object]()
    for start in range(0, len(data), size):
        core.receive_data(data[start : start + size])
        while events := core.events_received():
            for event in events:
                if isinstance(event, AppendStarted) or (
                    isinstance(event, AppendStepped) and event.step.size is not None
                ):
                    core.accept_append()
                elif isinstance(event, CommandReceived | AppendEnded | AppendStepped):
                    core.complete(Condition.OK, None, b"done")
                if not isinstance(event, AppendData):
                    happened.append(event)
    return happened, core.data_to_send()


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(PIECES), st.integers(0, 5)), max_size=3),
)
def test_whatever_is_sent_has_an_answer(seed: bytes, changes: list[tuple[int, bytes, int]]) -> None:
    """No exception, and the same however it is cut."""
    data = seed
    for at, piece, gone in changes:
        data = data[:at] + piece + data[at + gone :]
    assert said(data, 1) == said(data, 7) == said(data, len(data))
