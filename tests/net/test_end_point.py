"""The channel binding `tls-server-end-point`, against what another library makes of the same certificates."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from mailhorn.net.tls import end_point

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def signed(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, how: object, **more: object
) -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    return builder.sign(key, how, **more).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda how: how.name)
@pytest.mark.parametrize("kind", ["rsa", "pss", "ecdsa"])
def test_the_hash_of_the_signature(how: hashes.HashAlgorithm, kind: str) -> None:
    """RFC 5929 §4.1: the certificate's hash, by the function it was signed with."""
    more = {"rsa_padding": padding.PSS(padding.MGF1(how), padding.PSS.DIGEST_LENGTH)} if kind == "pss" else {}
    certificate = signed(EC if kind == "ecdsa" else RSA, how, **more)
    digest = hashes.Hash(how)
    digest.update(certificate)
    assert end_point(certificate) == digest.finalize()


def test_a_signature_without_a_hash() -> None:
    """The binding is undefined."""
    assert end_point(signed(ed25519.Ed25519PrivateKey.generate(), None)) is None


def test_what_is_no_certificate() -> None:
    """Has none, however it is cut."""
    certificate = signed(EC, hashes.SHA256())
    for cut in (0, 1, 2, 5, 100, len(certificate) - 80):
        assert end_point(certificate[:cut]) is None
