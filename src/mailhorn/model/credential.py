"""How what is kept of a password is written: as much as can be told without knowing what a hash is.

One line of text that may hold the password in two forms, separated by a space: `$argon2id$…` and
`{SCRAM-SHA-256}iterations,salt,stored key,server key` (base64). Either may be missing.
"""

import re

ARGON2 = "$argon2"
SCRAM = "{SCRAM-SHA-256}"

_B64 = "[A-Za-z0-9+/]"
_ARGON2 = re.compile(rf"\$argon2(?:id|i|d)(?:\$v=\d+)?\$m=\d+,t=\d+,p=\d+(?=\${_B64}{{11,}}\${_B64}{{22,}}\Z)")
"""Up to the salt, of 8 octets or more, and the digest, of 16 or more: nobody keeps less."""
_SCRAM = re.compile(
    rf"\{{SCRAM-SHA-256\}}[1-9]\d*(?=,(?:{_B64}{{4}})*(?:{_B64}{{4}}|{_B64}{{3}}=|{_B64}{{2}}==)(?:,{_B64}{{43}}=){{2}}\Z)"
)


def parameters_of(stored: str) -> tuple[str, ...] | None:
    """
    Return of each form how it was made: all but salt, digest and keys; None if this is no stored password.

    Made anew with the same parameters it has other digits; made better it has other parameters.
    """
    found = {}
    for form in stored.split(" "):
        match = _ARGON2.match(form) or _SCRAM.match(form)
        if match is None or match.re in found:
            return None
        found[match.re] = match[0]
    return tuple(sorted(found.values()))


__all__ = ["ARGON2", "SCRAM", "parameters_of"]
