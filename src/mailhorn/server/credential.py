"""What is kept of a password: one line of text that may hold it in two forms, separated by a space.

`$argon2id$…`, with which a password that was sent is verified, and `{SCRAM-SHA-256}iterations,salt,stored key,server
key`, with which it need not be sent, as Dovecot and others write it (base64). Either may be missing. The whole has
neither tab, colon at its end nor end of line, so it is one field of the file of accounts.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

from ..model.credential import ARGON2, SCRAM
from ..sasl.scram import MAX_ITERATIONS, MIN_ITERATIONS, Keys

KEY = 32
"""Octets of a key: one SHA-256."""
MAX_SALT = 64
"""Octets of a salt from elsewhere; ours have 16."""
_COUNT = re.compile(re.escape(SCRAM) + r"([1-9][0-9]{0,8}),")


@dataclass(frozen=True, slots=True)
class Credential:
    """
    The forms of one password.

    Attributes:
        argon2: Hash in its PHC form, "" if there is none.
        keys: For SCRAM-SHA-256, None if there are none.

    """

    argon2: str
    keys: Keys | None


def is_stored(text: str) -> bool:
    """Return whether this is meant to be the stored form of a password, and not a password."""
    return text.startswith((ARGON2, SCRAM))


def iterations_of(stored: str) -> int:
    """Return the count of iterations of the keys, 0 if there are none: without reading the rest, ten thousand times."""
    found = _COUNT.search(stored)
    return int(found[1]) if found else 0


def read_credential(stored: str) -> Credential:
    """
    Return the forms.

    Raises:
        ValueError: There is none, one twice, or one that cannot be used. The argon2 hash is not looked into.

    """
    argon2, keys = "", None
    for form in stored.split(" "):
        if form.startswith(ARGON2) and not argon2:
            argon2 = form
        elif form.startswith(SCRAM) and keys is None:
            keys = _read_keys(form.removeprefix(SCRAM))
        else:
            raise ValueError("not an argon2 hash in its PHC form ($argon2id$v=19$m=...), nor keys as {SCRAM-SHA-256}")
    return Credential(argon2, keys)


def write_credential(credential: Credential) -> str:
    """Return what is kept."""
    return " ".join([*filter(None, [credential.argon2]), *([_write_keys(credential.keys)] if credential.keys else [])])


def _read_keys(text: str) -> Keys:
    fields = text.split(",")
    if len(fields) != 4 or not fields[0].isdecimal():
        raise ValueError("keys are written {SCRAM-SHA-256}iterations,salt,stored key,server key")
    iterations = int(fields[0][:10])
    if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
        raise ValueError(f"keys of {MIN_ITERATIONS} to {MAX_ITERATIONS} iterations are taken")
    try:
        salt, stored_key, server_key = (b64decode(field, validate=True) for field in fields[1:])
    except (Base64Error, ValueError) as error:
        raise ValueError("salt and keys of {SCRAM-SHA-256} are base64") from error
    if not 0 < len(salt) <= MAX_SALT or len(stored_key) != KEY or len(server_key) != KEY:
        raise ValueError(f"the keys of {SCRAM} have {KEY} octets, its salt 1 to {MAX_SALT}")
    return Keys(iterations, salt, stored_key, server_key)


def _write_keys(keys: Keys) -> str:
    salt, stored_key, server_key = (b64encode(part).decode() for part in (keys.salt, keys.stored_key, keys.server_key))
    return f"{SCRAM}{keys.iterations},{salt},{stored_key},{server_key}"


__all__ = ["Credential", "is_stored", "iterations_of", "read_credential", "write_credential"]
