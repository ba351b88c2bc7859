"""Envelopes."""

import pytest

from mailhorn.imap.grammar.cursor import LENIENT, Cursor, SyntaxProblem
from mailhorn.imap.grammar.envelope import envelope_bytes, parse_envelope
from mailhorn.model.structure import Address, Envelope

EXAMPLE = (
    b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev2 WG mtg summary and minutes" '
    b'(("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) '
    b'(("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) '
    b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL '
    b'"<B27397-0100000@cac.washington.ed>")'
)
"""RFC 9051 §8."""

TERRY = Address(b"Terry Gray", None, b"gray", b"cac.washington.edu")
VALUE = Envelope(
    b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
    b"IMAP4rev2 WG mtg summary and minutes",
    *[(TERRY,)] * 3,
    (Address(None, None, b"imap", b"cac.washington.edu"),),
    (Address(None, None, b"minutes", b"CNRI.Reston.VA.US"), Address(b"John Klensin", None, b"KLENSIN", b"MIT.EDU")),
    (),
    None,
    b"<B27397-0100000@cac.washington.ed>",
)


def test_the_example_of_the_rfc() -> None:
    """Both ways, octet by octet."""
    assert parse_envelope(Cursor(EXAMPLE)) == VALUE
    assert envelope_bytes(VALUE) == EXAMPLE


def test_octets_above_127_are_sent_as_a_literal() -> None:
    """A client reads them from quoted strings too (fault F19)."""
    value = Envelope(None, b'Caf\xe9 "\r\n', (), (), (), (), (), (), None, None)
    assert envelope_bytes(value) == b'(NIL {8}\r\nCaf\xe9 "\r\n NIL NIL NIL NIL NIL NIL NIL NIL)'
    quoted = Cursor(b'(NIL "Caf\xe9" NIL NIL NIL NIL NIL NIL NIL NIL)', LENIENT)
    assert parse_envelope(quoted).subject == b"Caf\xe9"


def test_spaces_and_empty_lists_are_quirks() -> None:
    """Seen from servers."""
    cur = Cursor(
        b'( NIL NIL  () ( ( NIL NIL "a" "b") (NIL NIL "c" "d")) NIL NIL NIL NIL nil x )',
        LENIENT,
    )
    found = parse_envelope(cur)
    assert found.from_ == ()
    assert [person.mailbox for person in found.sender] == [b"a", b"c"]
    assert found.message_id == b"x"


@pytest.mark.parametrize(
    "data", [b"", b"()", b"(NIL)", EXAMPLE[:-1], EXAMPLE.replace(b" NIL NIL", b" NIL"), EXAMPLE.replace(b"((", b"()(")]
)
def test_what_is_no_envelope(data: bytes) -> None:
    """Strictly."""
    with pytest.raises(SyntaxProblem):
        parse_envelope(Cursor(data))
