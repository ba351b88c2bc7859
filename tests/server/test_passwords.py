"""Hashes."""

import pytest

from mailhorn.server.passwords import (
    BULK,
    MAX_PASSWORD,
    Profile,
    check_hash,
    hash_many,
    hash_password,
    needs_upgrade,
    verify_password,
)

CHEAP = Profile(memory=64, passes=1)


def test_a_hash_verifies_its_password_only() -> None:
    """And is never the same twice."""
    stored = hash_password("grüße", CHEAP)
    assert stored != hash_password("grüße", CHEAP)
    assert verify_password(stored, "grüße".encode())
    assert not verify_password(stored, b"else")
    assert not verify_password(stored, b"")
    assert not verify_password(stored, b"x" * (MAX_PASSWORD + 1))


@pytest.mark.parametrize("password", ["", "a\0b", "x" * (MAX_PASSWORD + 1)])
def test_passwords_that_nobody_could_use(password: str) -> None:
    """Are refused with a reason."""
    with pytest.raises(ValueError, match="the password"):
        hash_password(password, CHEAP)


def test_many_at_once_keep_their_order() -> None:
    """And tell how far they are."""
    seen: list[int] = []
    hashes = hash_many([f"p{n}" for n in range(20)], CHEAP, seen.append)
    assert all(verify_password(stored, f"p{n}".encode()) for n, stored in enumerate(hashes))
    assert seen == list(range(1, 21))


def test_what_is_cheaper_than_normal_needs_an_upgrade() -> None:
    """The bulk profile does; the normal one does not."""
    assert needs_upgrade(hash_password("a", BULK))
    assert not needs_upgrade(hash_password("a"))


@pytest.mark.parametrize(
    "stored",
    ["", "{SHA}abc", "$2b$12$abc", "$argon2id$v=19$m=99999999,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$AAAAAAAAAAAAAAAAAAAAAA"],
)
def test_hashes_that_cannot_be_used(stored: str) -> None:
    """Another scheme, or one that would take the machine down."""
    with pytest.raises(ValueError, match="argon2 hash"):
        check_hash(stored)
    with pytest.raises(ValueError):
        verify_password(stored, b"x")
