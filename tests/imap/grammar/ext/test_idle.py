"""The line that ends IDLE."""

import pytest

from mailhorn.imap.grammar.ext.idle import DONE, is_done


@pytest.mark.parametrize("line", [DONE.removesuffix(b"\r\n"), b"done", b"DONE "])
def test_done_ends_idle(line: bytes) -> None:
    """In any case, with spaces around it."""
    assert is_done(line)


@pytest.mark.parametrize("line", [b"", b"DONE x", b"a DONE", b"NOOP"])
def test_nothing_else_is_done(line: bytes) -> None:
    """RFC 2177 §4: only DONE."""
    assert not is_done(line)
