"""mime/address.py: address lists as ENVELOPE shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhorn.mime import address
from mailhorn.mime.address import MISSING_DOMAIN, MISSING_MAILBOX, parse_addresses
from mailhorn.mime.header import unfold
from mailhorn.model.structure import Address

END = Address(None, None, None, None)


def a(name: bytes | None, mailbox: bytes, host: bytes = b"x", route: bytes | None = None) -> Address:
    """Return an address."""
    return Address(name, route, mailbox, host)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b"", []),
        (b" , ,", []),
        (b"<>", []),
        (b"a@x", [a(None, b"a")]),
        (b" a.b @ c . d ", [a(None, b"a.b", b"c.d")]),
        (b"<a@x>", [a(None, b"a")]),
        (b"Jo <a@x>, b@x", [a(b"Jo", b"a"), a(None, b"b")]),
        (b'"Doe, John" <a@x>', [a(b"Doe, John", b"a")]),
        (b'"a \\"b\\" c" <a@x>', [a(b'a "b" c', b"a")]),
        (b"John Q. Public\r\n <a@x>", [a(b"John Q. Public", b"a")]),
        (b"=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?= <a@x>", [a(b"=?utf-8?q?J=C3=BC?= =?utf-8?q?rgen?=", b"a")]),
        (b"a@x (John)", [a(b"John", b"a")]),
        (b"(c) Jo (d) <a(e)@x> (f)", [a(b"Jo", b"a")]),
        (b'"a b"@x', [a(None, b"a b")]),
        (b"a@[192.0.2.1]", [a(None, b"a", b"[192.0.2.1]")]),
        (b"<@one,@two:a@x>", [a(None, b"a", route=b"@one,@two")]),
        (b"a@b@x", [a(None, b"a@b")]),
        (b"Friends: a@x, Jo <b@x>;", [Address(None, None, b"Friends", None), a(None, b"a"), a(b"Jo", b"b"), END]),
        (b"Undisclosed recipients:;", [Address(None, None, b"Undisclosed recipients", None), END]),
        (b"g: a@x; , b@x", [Address(None, None, b"g", None), a(None, b"a"), END, a(None, b"b")]),
        (b"never: a@x", [Address(None, None, b"never", None), a(None, b"a"), END]),
        (b"root", [a(None, b"root", MISSING_DOMAIN)]),
        (b"<root>", [a(None, b"root", MISSING_DOMAIN)]),
        (b"Some Body", [a(b"Some Body", MISSING_MAILBOX, MISSING_DOMAIN)]),
        (b"Jo <>", [a(b"Jo", MISSING_MAILBOX, MISSING_DOMAIN)]),
        (b"<@x>", [a(None, MISSING_MAILBOX, b"x")]),
        (b"Jo <a@x, b@x", [a(b"Jo", b"a"), a(None, b"b")]),
        (b"Jo <a@x", [a(b"Jo", b"a")]),
        (b'"never closed <a@x>', [a(b"never closed <a@x>", MISSING_MAILBOX, MISSING_DOMAIN)]),
        (b"J\xc3\xbcrgen <a@x>", [a(b"J\xc3\xbcrgen", b"a")]),
    ],
)
def test_addresses(value: bytes, addresses: list[Address]) -> None:
    """RFC 5322 §3.4 and §4.4, RFC 9051 §7.5.2, and what is broken in the wild."""
    assert list(parse_addresses(value)) == addresses


USUAL = [
    b"a",
    b"b.c",
    b" ",
    b"  ",
    b'"q r"',
    b'" x"',
    b'"',
    b'""',
    b"<",
    b">",
    b"@",
    b",",
    b"\\",
    b"\xe9",
    b"\t",
    b"Ann",
]


@given(st.lists(st.sampled_from(USUAL), max_size=9))
def test_the_short_way_reads_as_the_long_one(tokens: list[bytes]) -> None:
    value = b"".join(tokens)
    assert parse_addresses(value) == tuple(address._unusual(unfold(value)))
