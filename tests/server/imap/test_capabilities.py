"""What is offered when, and the page made of it."""

from pathlib import Path

import pytest

from mailhorn.server.imap.capabilities import CAPABILITIES, NOT_OFFERED, Capability, Standing, offered, page

ROOT = Path(__file__).parents[3]


def test_before_tls() -> None:
    """From elsewhere and in the clear TLS is offered, and no way to send a password."""
    names = offered(Standing(False, 7, can_start_tls=True))
    assert "STARTTLS" in names and "LOGINDISABLED" in names
    assert not [name for name in names if name.startswith("AUTH=")]
    assert "NAMESPACE" not in names


def test_under_tls() -> None:
    """Under TLS the mechanisms that work are offered, the better one first, and TLS no more."""
    names = offered(Standing(False, 7, mechanisms=("PLAIN", "SCRAM-SHA-256")))
    assert [name for name in names if name.startswith("AUTH=")] == ["AUTH=SCRAM-SHA-256", "AUTH=PLAIN"]
    assert "STARTTLS" not in names and "LOGINDISABLED" not in names


def test_after_login() -> None:
    """What is for before login is offered no more."""
    names = offered(Standing(True, 7, can_start_tls=True))
    assert not {"STARTTLS", "LOGINDISABLED", "AUTH=PLAIN"} & set(names)
    assert {"IMAP4rev1", "NAMESPACE", "APPENDLIMIT=7"} <= set(names)


@pytest.mark.parametrize("capability", CAPABILITIES, ids=lambda capability: capability.name)
def test_each_is_proved(capability: Capability) -> None:
    """Every capability names dialogues, and they are there."""
    assert capability.dialogues
    for dialogue in capability.dialogues:
        assert (ROOT / "tests/dialogues" / f"{dialogue}.txt").is_file(), dialogue


def test_no_name_twice() -> None:
    """A name stands once in the list."""
    assert len({capability.name for capability in CAPABILITIES}) == len(CAPABILITIES)


def test_nothing_is_offered_and_not_offered() -> None:
    """What is said to be missing is missing."""
    assert not {capability.name for capability in CAPABILITIES} & {name for name, _, _ in NOT_OFFERED}


def test_page_is_up_to_date() -> None:
    """docs/reference/imap.md is what `./dev reference` would write."""
    assert (ROOT / "docs/reference/imap.md").read_text("utf-8") == page()


def test_scripts_for_what_clients_do_are_offered_with_their_server() -> None:
    """RFC 6785 §2.1: with its URL, or not at all."""
    assert "IMAPSIEVE=sieve://mail.example.org" in offered(Standing(True, 7, sieve="sieve://mail.example.org"))
    assert not [name for name in offered(Standing(True, 7)) if name.startswith("IMAPSIEVE")]
