"""However the network cuts the bytes, SMTP says and tells the same."""

from hypothesis import given
from hypothesis import strategies as st
from tests.kit.smtp import Peer

from mailhorn.smtp.address import Mailbox, parse_path, write_path
from mailhorn.smtp.connection import Options
from mailhorn.smtp.data import ChunkReader, DataReader

OPTIONS = Options(hostname="mx.test", max_size=60, auth_mechanisms=("PLAIN",))
LMTP = Options(hostname="mx.test", max_size=60, lmtp=True)

atoms = st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"..", b"a", b"text", b"\0", b"\xff"])
bodies = st.lists(atoms, max_size=12).map(b"".join)
lines = st.sampled_from([
    b"EHLO x\r\n", b"LHLO x\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n", b"RSET\r\n", b"NOOP\n",
    b"FROB\r\n", b"AUTH PLAIN\r\n", b"*\r\n", b"QUIT\r\n", b"BDAT x\r\n", b"x" * 13_000 + b"\r\n", b"\0\r\n",
])  # fmt: skip
chunks = st.tuples(bodies, st.booleans()).map(
    lambda chunk: b"BDAT %d%s\r\n" % (len(chunk[0]), b" LAST" if chunk[1] else b"") + chunk[0]
)
transaction = st.just(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n")
sessions = st.lists(
    transaction | lines | chunks | bodies.map(lambda body: b"DATA\r\n" + body + b"\r\n.\r\n"), max_size=12
).map(b"".join)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut the data at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in zip(places, places[1:], strict=False)]


@given(sessions, st.lists(st.integers(0, 100_000), max_size=20), st.booleans())
def test_any_split_is_the_same_session(data: bytes, cuts: list[int], lmtp: bool) -> None:
    """Same events, replies and messages."""
    if lmtp:
        data = data.replace(b"EHLO", b"LHLO")
    whole, cut = Peer(LMTP if lmtp else OPTIONS), Peer(LMTP if lmtp else OPTIONS)
    said = whole.send(data) + whole.eof()
    assert cut.send(*pieces(data, cuts)) + cut.eof() == said
    assert cut.story == whole.story
    assert cut.messages == whole.messages


@given(bodies)
def test_octet_by_octet_data(body: bytes) -> None:
    """The reader of DATA, one octet at a time, against a reader that works by the definition."""
    stream = body + b"\r\n.\r\n"
    whole, single = DataReader(1_000), DataReader(1_000)
    good, rest = whole.feed(stream)
    assert rest is not None
    end = len(stream) - len(rest)
    assert stream[:end].endswith(b".\r\n")
    message = b""
    for i in range(end):
        piece, left = single.feed(stream[i : i + 1])
        message += piece
        assert (left is None) is (i < end - 1)
    assert (message, single.fault) == (good, whole.fault)
    text = stream[: end - 3]
    bare = text.replace(b"\r\n", b"")
    if bare.translate(None, b"\r\n\0") == bare:
        by_line = b"".join(line.removeprefix(b".") for line in text.splitlines(keepends=True))
        assert whole.fault is None
        assert good == by_line


@given(st.lists(bodies, max_size=5))
def test_dot_stuffing_is_undone(lines: list[bytes]) -> None:
    """What a client stuffs comes out as it was."""
    message = b"".join(line.translate(None, b"\r\n\0") + b"\r\n" for line in lines)
    stuffed = b"".join(b"." * line.startswith(b".") + line for line in message.splitlines(keepends=True))
    reader = DataReader(10_000)
    assert reader.feed(stuffed + b".\r\n") == (message, b"")
    assert reader.fault is None


@given(st.lists(bodies, min_size=1, max_size=4))
def test_chunks_join_to_the_message(chunks: list[bytes]) -> None:
    """However BDAT divides a message, it is the same one, or the same fault."""

    def read(chunks: list[bytes]) -> tuple[bytes, object]:
        reader, message = ChunkReader(1_000), b""
        for i, chunk in enumerate(chunks):
            reader.begin(len(chunk), i == len(chunks) - 1)
            message += reader.feed(chunk)[0]
        return message, reader.fault

    assert read(chunks) == read([b"".join(chunks)])


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.characters(min_codepoint=160), max_size=20),
    st.sampled_from(["", "x", "a.example", "[192.0.2.1]", "[IPv6:::1]", "bücher.example"]),
)
def test_paths_inverse(local: str, domain: str) -> None:
    """A mailbox that is written is read back."""
    if not local.isprintable() or len(local.encode()) > 60:
        return
    mailbox = Mailbox(local, domain)
    assert parse_path(write_path(mailbox)) == (mailbox, "")
