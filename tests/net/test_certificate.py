"""A self-signed certificate."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from mailhorn.net.certificate import make


def test_it_names_hosts_and_addresses_and_fits_its_key() -> None:
    """Names as DNS names in their ASCII form, addresses as addresses, the first one as the subject."""
    certificate, key = make(["bücher.example", "127.0.0.1", "::1"], datetime.timedelta(days=10))
    parsed = x509.load_pem_x509_certificate(certificate)
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["xn--bcher-kva.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    private = serialization.load_pem_private_key(key, password=None)
    assert private.public_key() == parsed.public_key()
    assert parsed.not_valid_after_utc - parsed.not_valid_before_utc == datetime.timedelta(days=11)
