"""Passwords hashed and verified, in the forms of `credential`. Slow on purpose: call these in a thread (both argon2
and PBKDF2 let go of the interpreter).

Measured on the machine this was written on: the normal profile 20 ms and 19 MiB, the bulk profile 0.5 ms and 1 MiB, and
keys for SCRAM 0.4 ms for each thousand of their iterations.
"""

import hmac
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

from ..sasl.scram import MIN_ITERATIONS, derive
from .credential import Credential, iterations_of, read_credential, write_credential

MAX_MEMORY = 1024 * 1024
"""KiB a hash from elsewhere may ask for; one login must not take more than a GiB."""
MAX_TIME = 64
"""Passes a hash from elsewhere may ask for."""
MAX_PASSWORD = 1024
"""Octets; nobody types more, and hashing starts with reading all of it."""
SALT = 16
"""Octets of the salt of keys for SCRAM: what Dovecot's have, too."""
ITERATIONS = 60_000
"""Of keys for SCRAM: a guess costs about as much processor time as one on a NORMAL hash. Every client pays it at every
login, and those that use Cyrus SASL refuse more than 65,536."""
BULK_ITERATIONS = MIN_ITERATIONS
"""For imports of thousands, as BULK."""
THREADS = 2
"""For bulk hashing: 10,000 accounts in a few seconds, on any machine of today."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How dear a guess is."""

    memory: int
    """KiB."""
    passes: int
    lanes: int = 1


NORMAL = Profile(memory=19 * 1024, passes=2)
"""OWASP's recommendation for argon2id."""
BULK = Profile(memory=1024, passes=1)
"""For imports of thousands; a login upgrades its account to NORMAL when its password was right."""


def hash_password(password: str | bytes, profile: Profile = NORMAL, iterations: int = 0) -> str:
    """
    Return what is to be kept, with fresh salt.

    Args:
        password: In any form.
        profile: Of the argon2 hash.
        iterations: Of the keys for SCRAM; 0 makes none.

    Raises:
        ValueError: The password is empty, too long or holds a NUL.

    """
    octets = password.encode() if isinstance(password, str) else password
    if not octets:
        raise ValueError("the password is empty")
    if len(octets) > MAX_PASSWORD:
        raise ValueError(f"the password has more than {MAX_PASSWORD} octets")
    if b"\0" in octets:
        raise ValueError("the password holds a NUL")
    keys = derive(octets, os.urandom(SALT), iterations) if iterations else None
    return write_credential(Credential(_hasher(profile).hash(octets), keys))


def hash_many(
    passwords: Sequence[str | bytes],
    profile: Profile = BULK,
    progress: Callable[[int], None] | None = None,
    iterations: int = 0,
) -> list[str]:
    """
    Return the hashes in the order of the passwords, computed in a few threads.

    Args:
        passwords: Any number.
        profile: How dear a guess is.
        progress: Called with the number that is done, every now and then.
        iterations: Of the keys for SCRAM; 0 makes none.

    Raises:
        ValueError: As `hash_password`.

    """
    hashes: list[str] = []
    with ThreadPoolExecutor(THREADS, thread_name_prefix="hash") as pool:
        for hashed in pool.map(lambda password: hash_password(password, profile, iterations), passwords):
            hashes.append(hashed)
            if progress is not None:
                progress(len(hashes))
    return hashes


def verify_password(stored: str, password: bytes) -> bool:
    """
    Return whether the password is right.

    Raises:
        ValueError: The hash is none that we would compute.

    """
    if not 0 < len(password) <= MAX_PASSWORD:
        return False
    check_hash(stored)
    credential = read_credential(stored)
    if not credential.argon2 and (keys := credential.keys) is not None:
        found = derive(password, keys.salt, keys.iterations)
        return hmac.compare_digest(found.stored_key, keys.stored_key)
    try:
        return _hasher(NORMAL).verify(credential.argon2, password)
    except Argon2Error:  # a mismatch, or memory that could not be had
        return False


def check_hash(stored: str) -> None:
    """Raise ValueError with a clear text if this is no form of a password, or one that asks for too much."""
    argon2id = read_credential(stored).argon2
    if not argon2id:
        return
    try:
        parameters = argon2.extract_parameters(argon2id)
    except InvalidHashError as error:
        raise ValueError("not an argon2 hash in its PHC form ($argon2id$v=19$m=...)") from error
    if parameters.memory_cost > MAX_MEMORY or parameters.time_cost > MAX_TIME:
        raise ValueError(f"the argon2 hash asks for more than {MAX_MEMORY} KiB or {MAX_TIME} passes")


def needs_upgrade(stored: str, iterations: int = 0) -> bool:
    """
    Return whether something is missing that should be kept, or cheaper to guess than it should be.

    Args:
        stored: What is kept.
        iterations: Of the keys for SCRAM that should be there, 0 if there need be none. What is dearer stays.

    """
    argon2id = read_credential(stored).argon2
    if not argon2id or iterations_of(stored) < iterations:
        return True
    parameters = argon2.extract_parameters(argon2id)
    cost = parameters.memory_cost * parameters.time_cost
    return parameters.type is not argon2.Type.ID or cost < NORMAL.memory * NORMAL.passes


def _hasher(profile: Profile) -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost=profile.passes, memory_cost=profile.memory, parallelism=profile.lanes)


__all__ = [
    "BULK",
    "BULK_ITERATIONS",
    "ITERATIONS",
    "MAX_PASSWORD",
    "NORMAL",
    "SALT",
    "Profile",
    "check_hash",
    "hash_many",
    "hash_password",
    "needs_upgrade",
    "verify_password",
]
