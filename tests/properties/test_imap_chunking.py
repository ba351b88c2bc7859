"""Any split of the input gives the same events."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mailhorn.imap.framing import (
    NEED_DATA,
    Event,
    Framer,
    FramingLimits,
    LiteralChunk,
    LiteralEnd,
    StreamStart,
)

TINY = FramingLimits(line=24, literal=8, frame=48, stream=40, skip=60)

PIECES = st.sampled_from(
    [
        *(b"a", b"b1", b" ", b"X", b"\r", b"\n", b"\r\n", b"\r\n", b"\0", b"}", b"{", b"+", b"* OK ", b"12345678"),
        *(b"{0}\r\n", b"{3}\r\n", b"{3+}\r\n", b"{8+}\n", b"~{2}\r\n", b"{9}\r\n", b"{20+}\r\n", b"{50+}\r\n"),
        *(b"{61+}\r\n", b"{9223372036854775808}\r\n", b"t APPEND {5}\r\n", b"t APPEND x {12+}\r\n", b"DONE\r\n"),
    ]
)


def joined(events: list[Event]) -> list[Event]:
    """Adjacent chunks of a literal as one."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, LiteralChunk) and out and isinstance(out[-1], LiteralChunk):
            out[-1] = LiteralChunk(out[-1].data + event.data)
        else:
            out.append(event)
    return out


def run(pieces: list[bytes], synchronizing: bool, accepts: list[bool], bare: set[int]) -> list[Event]:
    """All events, streams answered and bare lines asked for in a fixed order."""
    framer = Framer(TINY, synchronizing=synchronizing, stream=lambda head, size: b"APPEND" in head)
    answers = iter(accepts * 100)
    out: list[Event] = []
    told = 0

    def pull() -> None:
        nonlocal told
        while (event := framer.next_event()) is not NEED_DATA:
            out.append(event)
            if isinstance(event, StreamStart):
                if next(answers):
                    framer.accept()
                else:
                    framer.refuse()
            elif not isinstance(event, LiteralChunk | LiteralEnd):
                told += 1
                if told in bare and type(event).__name__ == "Frame":
                    framer.expect_line()

    for piece in pieces:
        framer.receive_data(piece)
        pull()
    framer.receive_eof()
    pull()
    return joined(out)


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(PIECES, max_size=40).map(b"".join).filter(bool),
    synchronizing=st.booleans(),
    accepts=st.lists(st.booleans(), min_size=1, max_size=5),
    bare=st.sets(st.integers(1, 6)),
    cuts=st.lists(st.integers(0, 300), max_size=12),
)
def test_any_split_gives_the_same_events(
    data: bytes, synchronizing: bool, accepts: list[bool], bare: set[int], cuts: list[int]
) -> None:
    """Whole, octet by octet and cut anywhere: all the same but for where chunks are cut."""
    whole = run([data], synchronizing, accepts, bare)
    assert run([data[i : i + 1] for i in range(len(data))], synchronizing, accepts, bare) == whole
    places = sorted({c for c in cuts if 0 < c < len(data)})
    split = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    assert run(split, synchronizing, accepts, bare) == whole
