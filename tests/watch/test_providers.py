"""What is known of providers."""

import pytest

from mailhorn.watch.providers import IDLE_RENEWAL, provider_of


@pytest.mark.parametrize("host", ["imap.163.com", "IMAP.163.COM.", "163.com"])
def test_known_by_the_end_of_the_name(host: str) -> None:
    """Any host of a provider is that provider's."""
    assert provider_of(host).idle_renewal == 50


@pytest.mark.parametrize("host", ["imap.example.com", "x163.com", "163.com.example.org", "", "::1"])
def test_others_are_treated_with_care(host: str) -> None:
    """Nine minutes stay under what most servers and routers stand."""
    assert provider_of(host).idle_renewal == IDLE_RENEWAL
