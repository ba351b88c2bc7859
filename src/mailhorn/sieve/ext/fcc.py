"""
fcc: file a copy of what vacation and notify send (RFC 8580).

Adds: :fcc <mailbox: string> to both, and with it the tags of fileinto that other extensions add
"""

from ..language import Extension, Tagged, Takes

_FCC = (Tagged("fcc", "fcc", Takes.STRING),)

EXTENSION: Extension = Extension(
    "fcc", tags={"vacation": _FCC, "notify": _FCC}, asks=frozenset({"send"}), rfc="RFC 8580"
)
