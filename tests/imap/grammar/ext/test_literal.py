"""Who may write `{n+}`."""

from mailhorn.imap.grammar.cursor import LENIENT, STRICT, Dialect
from mailhorn.imap.grammar.ext.literal import with_literals


def test_the_capabilities_decide() -> None:
    """RFC 7888 §3 and §5; IMAP4rev2 includes LITERAL- (RFC 9051 §1.3)."""
    assert with_literals(STRICT, ["IMAP4rev1", "literal+"]) == Dialect(literal_plus=True)
    assert with_literals(STRICT, ["LITERAL-"]) == Dialect(literal_minus=True)
    assert with_literals(STRICT, ["IMAP4rev2"]) == Dialect(literal_minus=True)
    assert with_literals(Dialect(literal_plus=True), ["IMAP4rev1"]) == Dialect()
    assert with_literals(LENIENT, []) == LENIENT
