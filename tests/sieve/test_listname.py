"""Which names of lists are the same (RFC 6134 §2.5)."""

import pytest

from mailhorn.sieve.listname import DEFAULT_LIST, list_name


@pytest.mark.parametrize(
    "name",
    [
        ":addrbook:default",
        ":ADDRBOOK:DEFAULT",
        ":aDdRbOOk:DeFauLt",
        ":AddrBook:%44%65%66ault",
        "urn:ietf:params:sieve:addrbook:default",
        "URN:IETF:params:sieve:addrbook:DEFAULT",
    ],
)
def test_the_default_address_book(name: str) -> None:
    """The examples of RFC 6134 §2.5."""
    assert list_name(name) == DEFAULT_LIST


@pytest.mark.parametrize(
    ("name", "same"),
    [
        (":addrbook:Friends", ":addrbook:Friends"),
        (":addrbook:%46riends", ":addrbook:Friends"),
        ("urn:ietf:params:sieve:addrbook:personal", ":addrbook:personal"),
        ("urn:ietf:params:sieve:other:x", ":other:x"),
        ("urn:ietf:params:sieve:addrbook", ":addrbook"),
        ("tag:example.com,2011-01-01:A%20b", "tag:example.com,2011-01-01:A%20b"),
        ("Friends", "Friends"),
    ],
)
def test_other_names_keep_their_case(name: str, same: str) -> None:
    """What is no address book's name stays as it is written."""
    assert list_name(name) == same
