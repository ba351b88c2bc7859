import time

import pytest

from mailhorn.sieve.address import Address, addresses, envelope_address, outbound


def wholes(field: str) -> list[str]:
    """What :all sees."""
    return [address.whole for address in addresses(field)]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", [""]),
        (" , ,", [""]),
        ("(nobody)", [""]),
        ("a@b", ["a@b"]),
        ("a@b, c@d", ["a@b", "c@d"]),
        ("Ann <a@b>", ["a@b"]),
        ('"Ann, the <x@y> one" <a@b>', ["a@b"]),
        ("a@b (Ann, c@d)", ["a@b"]),
        ("(comment (nested \\) ) here) Ann <a@(in)b>", ["a@b"]),
        ("Friends: a@b, Bob <c@d>; , e@f", ["a@b", "c@d", "e@f"]),
        ("undisclosed-recipients:;", []),
        ("<@relay,@other:a@b>", ["a@b"]),
        ("a . b @ c . d", ["a.b@c.d"]),
        ('"john"@x', ["john@x"]),
        ('"john doe"@x', ['"john doe"@x']),
        ('"a\\"b"@x', ['"a\\"b"@x']),
        ("a@[127.0.0.1]", ["a@[127.0.0.1]"]),
        ("jürgen@exämple.org", ["jürgen@exämple.org"]),
        ("Ann.B. Doe <a@b>", ["a@b"]),
        ("no address", ["no address"]),
        ("<>", [""]),
        ("a@b@c", ["a@b@c"]),
        ("a@", ["a@"]),
        ("@b", ["@b"]),
        ("Ann a@b", ["Ann a@b"]),
        ("<a@b", ["a@b"]),
        ("a..b.@c", ["a..b.@c"]),
        ("a@b <c@d> e@f", ["c@d"]),
        ('"open@x', ['"open@x']),
        ("a\\b@c", ["a\\b@c"]),
    ],
)
def test_fields(field: str, expected: list[str]) -> None:
    """RFC 5228 §5.1: never phrases, comments or group names; the addresses within a group, yes."""
    assert wholes(field) == expected


@pytest.mark.parametrize("field", ["no address", "a@b@c", "a@", "@b", "Ann a@b", "<>", ".@x", '"a" "b"@x', '"a"b@x'])
def test_what_is_no_address_has_no_parts(field: str) -> None:
    """RFC 5228 §2.7.4: "it will not be matched by tests specifying :localpart or :domain"."""
    (address,) = addresses(field)
    assert address.local_part is None and address.domain is None


def test_parts() -> None:
    """The local-part is without quotes, the domain as written."""
    assert addresses('Ann <"a b"@Example.ORG>') == [Address("a b", "Example.ORG", '"a b"@Example.ORG')]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", Address("", "", "")),
        ("<>", Address("", "", "")),
        ("<a@b>", Address("a", "b", "a@b")),
        ("a@b", Address("a", "b", "a@b")),
        ("<@x,@y:a@b>", Address("a", "b", "a@b", False)),
        ("@x,@y:a@b", Address("a", "b", "a@b", False)),
        ("Postmaster", Address(None, None, "Postmaster")),
    ],
)
def test_envelope_paths(path: str, expected: Address) -> None:
    """RFC 5228 §5.4: source routes are dropped; the null path is the empty string."""
    assert envelope_address(path) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b.example", "a@b.example"),
        ("Ann <a@b.example>", "a@b.example"),
        ('"Ann B." <a@b.example>', "a@b.example"),
        (' "a b"@b.example ', '"a b"@b.example'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
    ],
)
def test_outbound_addresses(text: str, expected: str) -> None:
    """RFC 5228 §2.4.2.3: addr-spec, or phrase and addr-spec in brackets."""
    assert outbound(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b", "a b@c", "a@b, c@d", "a@b,", "g: a@b;", "g:a@b", "<@r:a@b>", "a@b\r\nX: y", "a@b\x00", "<a@b"]
    + ["a@b>", "<a@b> x", "a@b..c", "a@.b", "a@" + "b" * 400, "<a@b> <c@d>", "a@[x\\]]", "a@b;", "a..b@c", ".a@b"],
)
def test_what_cannot_be_sent_to(text: str) -> None:
    """RFC 5228 §2.4.2.3: no routes, no groups, one address; and nothing that could break a protocol line."""
    assert outbound(text) is None


@pytest.mark.parametrize("local_part", ["a", "...", "a.b", '"a"', "a b", "é", "a\t", "a\\b", ""])
@pytest.mark.parametrize(
    "form", ["{}@x.y", " {}@x.y ", "Ann B. <{}@x.y>", '"A, <b@c>" C <{}@x.y>', " ,{}@x.y,", "G: {}@x.y,;"]
)
def test_the_quick_way_finds_the_same(form: str, local_part: str) -> None:
    """A comment before the comma forces the long way round."""
    quick, thorough = (
        form.format(local_part),
        form.format(local_part).replace("x.y>", "x.y> ()").replace("x.y", "x.y()"),
    )
    assert addresses(quick) == addresses(thorough)


@pytest.mark.parametrize("piece", ["(", "<", '"', "[", "\\", "a@b,", "a:", "<a@b> ", " a", "(\\", "@", ";", ".", '""'])
def test_hostile_fields_take_linear_time(piece: str) -> None:
    """A hundred kilobytes of any one sign."""
    started = time.perf_counter()
    addresses(piece * 50_000)
    assert time.perf_counter() - started < 3
