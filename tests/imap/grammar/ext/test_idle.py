"""IDLE ends with DONE."""

import pytest

from mailhorn.imap.grammar.cursor import SyntaxProblem
from mailhorn.imap.grammar.ext.idle import DONE, parse_done


def test_done_is_one_word_in_any_case() -> None:
    """RFC 2177 §4."""
    parse_done(DONE.removesuffix(b"\r\n"))
    parse_done(b"done")
    for line in [b"", b"DON", b"DONE ", b"a DONE", b"a NOOP"]:
        with pytest.raises(SyntaxProblem):
            parse_done(line)
