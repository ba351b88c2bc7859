"""Base subjects: RFC 5256 §2.1, step by step."""

import pytest

from mailhorn.server.imap.subject import base_subject


@pytest.mark.parametrize(
    ("raw", "base", "answers"),
    [
        (None, "", False),
        (b"", "", False),
        (b"Fruit", "fruit", False),
        (b"Re: Fruit", "fruit", True),
        (b"RE : fw: FWD:  Fruit", "fruit", True),
        (b"Re[2]: Fruit", "fruit", True),
        (b"Re [x] : Fruit", "fruit", True),
        (b"[list] Fruit", "fruit", False),
        (b"[list] Re: [list] Fruit", "fruit", True),
        (b"Re: [list] re: Fruit (fwd) (FWD) ", "fruit", True),
        (b"Fruit  \t and \r\n milk", "fruit and milk", False),
        (b"[Fwd: Re: Fruit]", "fruit", True),
        (b"[fwd: [fwd: Fruit] (fwd)]", "fruit", True),
        (b"[PATCH]", "[patch]", False),
        (b"[a] [b]", "[b]", False),
        (b"Re: [a] [b]", "[b]", True),
        (b"Re:", "", True),
        (b"Reply", "reply", False),
        (b"Forward: x", "forward: x", False),
        (b"[a [b] c] x", "[a [b] c] x", False),
        (b"=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "gru\u0308sse", True),
    ],
)
def test_what_is_left(raw: bytes | None, base: str, answers: bool) -> None:
    """Prefixes, blobs and trailers go, in any number; what is left is compared without case."""
    assert base_subject(raw) == (base, answers)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", [b"Re: ", b"[a] ", b"[fwd: ", b" (fwd)", b"[", b"re[", b" ", b"[a]re"])
def test_nothing_takes_long(piece: bytes) -> None:
    """A subject of a megabyte, made to be looked at again and again."""
    base_subject(piece * (1_000_000 // len(piece)) + b"]")
