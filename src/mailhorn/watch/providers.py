"""What is known of mail providers beforehand, so that it need not be learned the hard way. Data only."""

from dataclasses import dataclass

IDLE_RENEWAL = 9 * 60.0
"""Seconds an IDLE lasts before it is begun anew: under the 10 minutes after which some servers and many routers
forget a connection (fault F41); RFC 9051 §6.3.13 allows 29."""


@dataclass(frozen=True, slots=True)
class Provider:
    """How to treat one provider: `idle_renewal` in seconds, `sends_id` whether it is told who we are (RFC 2971)."""

    idle_renewal: float = IDLE_RENEWAL
    sends_id: bool = True


_KNOWN = {
    # Fault F41: they close an idle connection after about 1, 3 and 6 minutes.
    "163.com": Provider(idle_renewal=50),
    "126.com": Provider(idle_renewal=50),
    "yeah.net": Provider(idle_renewal=50),
    "rambler.ru": Provider(idle_renewal=50),
    "yahoo.com": Provider(idle_renewal=150),
    "aol.com": Provider(idle_renewal=150),
    "yandex.ru": Provider(idle_renewal=300),
    "yandex.com": Provider(idle_renewal=300),
}


def provider_of(host: str) -> Provider:
    """Return what is known of the provider that a host name belongs to; a careful default for all others."""
    labels = host.lower().rstrip(".").split(".")
    for start in range(len(labels)):
        known = _KNOWN.get(".".join(labels[start:]))
        if known is not None:
            return known
    return Provider()
