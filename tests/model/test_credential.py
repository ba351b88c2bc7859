"""What can be told of a stored password."""

from base64 import b64encode

import pytest

from mailhorn.model.credential import parameters_of

ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$eNvnn6FzT4Jo0kD7DrLd8w$zKN3VYBSHPNhvDCA7Jq6DrYzbzOQIqJ6h/IbXqqZ9lc"
KEYS = (
    "{SCRAM-SHA-256}4096,r7RB5MhRUJVV3wfGE3HejQ==,OejtD4KaL3jEBMbDcv+lfc35HY19rwpZvDc0hKkDTU4=,"
    "JBajnd9iY5TTX4bhVLNXNO97jn+KdemytomBPrS+ICo="
)


def test_the_parameters_are_all_but_salt_and_digest() -> None:
    """Of both forms, in whatever order they come."""
    argon2, keys = "$argon2id$v=19$m=19456,t=2,p=1", "{SCRAM-SHA-256}4096"
    assert parameters_of(ARGON2) == (argon2,)
    assert parameters_of(KEYS) == (keys,)
    assert parameters_of(f"{ARGON2} {KEYS}") == parameters_of(f"{KEYS} {ARGON2}") == (argon2, keys)


@pytest.mark.parametrize("length", range(1, 65))
def test_salts_of_every_length(length: int) -> None:
    """As keys from elsewhere may have them."""
    salted = KEYS.replace("r7RB5MhRUJVV3wfGE3HejQ==", b64encode(bytes(length)).decode())
    assert parameters_of(salted) == ("{SCRAM-SHA-256}4096",)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "secret",
        ARGON2[:-30],
        ARGON2.replace("m=19456", "m="),
        ARGON2.replace("zKN3", "zK\ufffd3"),
        ARGON2 + "\n",
        KEYS[:-1],
        KEYS.replace("4096", "0"),
        KEYS.replace("r7RB", "r7R"),
        KEYS.replace("Oejt", ""),
        f"{KEYS},x",
        f"{KEYS} {KEYS}",
        f"{ARGON2} {ARGON2}",
        f"{ARGON2}  {KEYS}",
        f"{ARGON2} ",
    ],
)
def test_what_is_none_has_no_parameters(stored: str) -> None:
    """Another form, half of one, one twice."""
    assert parameters_of(stored) is None
