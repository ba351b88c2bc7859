"""What is kept of a password."""

import pytest

from mailhorn.sasl.scram import derive
from mailhorn.server.credential import Credential, is_stored, iterations_of, read_credential, write_credential
from mailhorn.server.passwords import BULK, hash_password, needs_upgrade, verify_password

KEYS = derive("pencil", bytes(range(16)), 4096)
OF_DOVECOT = (
    "{SCRAM-SHA-256}4096,r7RB5MhRUJVV3wfGE3HejQ==,OejtD4KaL3jEBMbDcv+lfc35HY19rwpZvDc0hKkDTU4=,"
    "JBajnd9iY5TTX4bhVLNXNO97jn+KdemytomBPrS+ICo="
)
"""doveadm pw -s SCRAM-SHA-256 -p pencil"""


@pytest.mark.parametrize(
    "credential", [Credential("$argon2id$x", KEYS), Credential("$argon2id$x", None), Credential("", KEYS)]
)
def test_both_forms_or_one(credential: Credential) -> None:
    """What is written is read again, and fits into the file of accounts."""
    stored = write_credential(credential)
    assert read_credential(stored) == credential
    assert not set("\t\n:") & set(stored)
    assert is_stored(stored)
    assert iterations_of(stored) == (4096 if credential.keys else 0)


def test_what_dovecot_keeps() -> None:
    """It lets in whose it is, and gets a hash at the next login."""
    assert verify_password(OF_DOVECOT, b"pencil") and not verify_password(OF_DOVECOT, b"Pencil")
    assert write_credential(read_credential(OF_DOVECOT)) == OF_DOVECOT
    assert needs_upgrade(OF_DOVECOT)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "secret",
        "{SHA}abc",
        "{SCRAM-SHA-256}",
        OF_DOVECOT.replace("4096", "4095"),
        OF_DOVECOT.replace("4096", "999999999999"),
        OF_DOVECOT.replace("4096", "-1"),
        OF_DOVECOT.replace("r7RB", "r7R"),
        OF_DOVECOT.replace("Oejt", ""),
        OF_DOVECOT + ",x",
        f"{OF_DOVECOT} {OF_DOVECOT}",
        f"{OF_DOVECOT}  $argon2id$x",
        "$argon2id$x $argon2id$y",
    ],
)
def test_what_cannot_be_used(stored: str) -> None:
    """Another form, or keys that are none."""
    with pytest.raises(ValueError):
        read_credential(stored)


def test_what_is_missing_or_too_cheap_is_made() -> None:
    """And what is dearer stays."""
    both = hash_password("pencil", iterations=8192)
    assert not needs_upgrade(both, 8192) and not needs_upgrade(both, 4096) and not needs_upgrade(both)
    assert needs_upgrade(both, 60_000)
    assert needs_upgrade(hash_password("pencil"), 4096)
    assert needs_upgrade(hash_password("pencil", BULK, 8192), 8192)


@pytest.mark.parametrize("password", ["grüße", "\u2168\u00ad", "\U0001f98a", "a\u0007b", b"\xff\xfe"])
def test_every_password_can_have_keys(password: str | bytes) -> None:
    """Also those that SASLprep forbids, and what is no text."""
    octets = password.encode() if isinstance(password, str) else password
    stored = hash_password(octets, BULK, 4096)
    assert verify_password(stored.split(" ")[1], octets)
