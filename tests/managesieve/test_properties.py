"""Any octets, split anywhere: answered by the grammar's own rules, and never by an exception."""

from hypothesis import given
from hypothesis import strategies as st
from tests.kit.managesieve import Reader, literal
from tests.kit.sievepeer import Peer

from mailhorn.managesieve.events import CommandReceived

WORDS = [
    b"AUTHENTICATE",
    b"STARTTLS",
    b"PUTSCRIPT",
    b"checkscript",
    b"HAVESPACE",
    b"LISTSCRIPTS",
    b"NOOP",
    b"LOGOUT",
    b"UNAUTHENTICATE",
    b'"PLAIN"',
    b'"AGEAYg=="',
    b'"*"',
    b'"bW9yZQ=="',
    b'"a"',
    b'""',
    b"{5+}\r\nkeep;",
    b"{3}\r\nabc",
    b"{99+}",
    b"{65537+}",
    b"12",
    b" ",
    b" ",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\\",
    b"\0",
    b"\xff",
]
INPUT = st.lists(st.sampled_from(WORDS) | st.binary(max_size=20), max_size=40).map(b"".join)


@given(data=INPUT, cuts=st.lists(st.integers(0, 500), max_size=6), known=st.booleans())
def test_any_octets_get_a_legal_answer_however_they_come(data: bytes, cuts: list[int], known: bool) -> None:
    """The same one, too; but where STARTTLS forgets what has come, which depends on what that is."""
    whole, cut = Peer(tls=False), Peer(tls=False)
    if known:
        whole.log_in()
        cut.log_in()
    said = whole.send(data) + whole.eof()
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    assert cut.send(*pieces) + cut.eof() == said
    assert cut.events == whole.events
    assert whole.connection.closed
    legal(said)


@given(data=INPUT)
def test_starttls_breaks_nothing(data: bytes) -> None:
    """Wherever it stands."""
    peer = Peer()
    legal(peer.send(data) + peer.eof())


def legal(said: bytes) -> None:
    reader = Reader(lambda: b"")
    reader.buffer = said
    while reader.buffer:
        reader.answer(challenge=True)


@given(name=st.binary(max_size=600), script=st.binary(max_size=300))
def test_what_is_sent_as_literals_arrives(name: bytes, script: bytes) -> None:
    """Octet by octet."""
    peer = Peer().log_in()
    said = peer.send(b"PUTSCRIPT " + literal(name) + b" " + literal(script) + b"\r\n")
    [event] = peer.events
    assert isinstance(event, CommandReceived)
    assert (event.command.name, event.command.script) == (name, script)  # type: ignore[union-attr]
    legal(said)
