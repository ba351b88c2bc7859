"""What is known of providers."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mailhorn.watch.providers import CONNECTIONS, IDLE_RENEWAL, greeted_by, provider_of, providers

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "providers.md"


@pytest.mark.parametrize("host", ["imap.163.com", "IMAP.163.COM.", "163.com"])
def test_known_by_the_end_of_the_name(host: str) -> None:
    """Any host of a provider is that provider's."""
    assert provider_of(host).idle_renewal == 50


@pytest.mark.parametrize("host", ["imap.example.com", "x163.com", "163.com.example.org", "", "::1"])
def test_others_are_treated_with_care(host: str) -> None:
    """Nine minutes stay under what most servers and routers stand."""
    assert provider_of(host).idle_renewal == IDLE_RENEWAL
    assert provider_of(host).connections == CONNECTIONS


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("imap.gmail.com", "Gmail"),
        ("outlook.office365.com", "Outlook"),
        ("imap-mail.outlook.com", "Outlook"),
        ("imap.mail.me.com", "iCloud"),
        ("imap.mail.yahoo.com", "Yahoo"),
        ("imap.fastmail.com", "Fastmail"),
        ("imap.gmx.net", "GMX"),
        ("imap.mailbox.org", "mailbox.org"),
    ],
)
def test_the_hosts_people_enter(host: str, name: str) -> None:
    """They are the ones that their providers name."""
    assert provider_of(host).name == name


@pytest.mark.parametrize(
    ("greeting", "name"),
    [
        (b"[CAPABILITY IMAP4rev1] Dovecot (Debian) ready.", "Dovecot"),
        (b"The Microsoft Exchange IMAP4 service is ready.", "Exchange"),
        (b"Proton Mail Bridge 03.04.01 - gluon session ID 1", "Proton Bridge"),
    ],
)
def test_servers_without_a_name_of_their_own(greeting: bytes, name: str) -> None:
    """They are known by what they say."""
    known = greeted_by(greeting)
    assert known is not None and known.name == name
    assert greeted_by(b"IMAP4rev1 ready") is None


def test_limits_are_kept() -> None:
    """Nobody is sent more connections than allowed, with room for people; tokens come over https."""
    for one in providers():
        assert one.allowed is None or 2 * one.connections <= one.allowed
        assert one.idle_renewal <= IDLE_RENEWAL
        for url in (one.tokens.authorize, one.tokens.token, one.tokens.device) if one.tokens else ():
            assert not url or urlsplit(url).scheme == "https"


def test_the_page_has_them_all() -> None:
    """Somebody reads it before setting up an account."""
    page = TABLE.read_text("utf-8")
    for one in providers():
        assert f"| {one.name} |" in page
        for quirk in one.quirks:
            assert quirk in page
