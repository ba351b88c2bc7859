"""Contexts and the certificate of the first start."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from mailhorn.net.certificate import make
from mailhorn.net.tls import TLSProblem, client_context, objection, self_signed, server_context


def test_a_certificate_is_made_once_and_is_private(tmp_path: Path) -> None:
    """Clients that pinned it must find the same one after a restart."""
    names = ["mail.example", "localhost", "127.0.0.1", "::1", "bücher.example"]
    certificate, key = self_signed(tmp_path / "tls", names)
    assert key.stat().st_mode & 0o777 == 0o600
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
    alternatives = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.DNSName) == ["mail.example", "localhost", "xn--bcher-kva.example"]
    assert [str(ip) for ip in alternatives.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    before = certificate.read_bytes(), key.read_bytes()
    assert self_signed(tmp_path / "tls", ["other"]) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == before
    assert sorted(p.name for p in (tmp_path / "tls").iterdir()) == sorted([certificate.name, key.name])


def test_half_a_pair_is_made_anew(tmp_path: Path) -> None:
    """A crash between the two files must not leave a server that cannot start."""
    certificate, key = self_signed(tmp_path, ["localhost"])
    certificate.unlink()
    server_context(*self_signed(tmp_path, ["localhost"]))


def test_nothing_below_tls_1_2(tmp_path: Path) -> None:
    """RFC 8996."""
    assert server_context(*self_signed(tmp_path, ["localhost"])).minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_clients_verify_unless_told_otherwise() -> None:
    """The default is the safe one."""
    assert client_context().verify_mode == ssl.CERT_REQUIRED and client_context().check_hostname
    assert client_context(verify=False).verify_mode == ssl.CERT_NONE


def test_unusable_files_are_one_clear_line(tmp_path: Path) -> None:
    """Which file, and why."""
    certificate, key = self_signed(tmp_path / "one", ["localhost"])
    _, other = self_signed(tmp_path / "two", ["localhost"])
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    with pytest.raises(TLSProblem, match=r"nowhere.pem: it does not exist"):
        server_context(tmp_path / "nowhere.pem", key)
    with pytest.raises(TLSProblem, match="the key does not belong to the certificate"):
        server_context(certificate, other)
    with pytest.raises(TLSProblem, match=r"garbage.pem with .*: not a certificate and its key"):
        server_context(garbage, key)
    with pytest.raises(TLSProblem, match=r"nowhere.pem as list of trusted certificates"):
        client_context(tmp_path / "nowhere.pem")


@pytest.mark.parametrize(("hours", "said"), [(1, None), (-1, "certificate has expired")])
def test_an_expired_certificate_is_noticed(tmp_path: Path, hours: int, said: str | None) -> None:
    """In the words of the clients; that nobody signed it is no objection of all of them."""
    certificate, key = tmp_path / "mail.pem", tmp_path / "mail.key"
    pair = make(["mail.example"], datetime.timedelta(hours=hours))
    for path, data in zip((certificate, key), pair, strict=True):
        path.write_bytes(data)
    assert objection(server_context(certificate, key), certificate) == said
