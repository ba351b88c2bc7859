"""
subaddress: the parts of a local part with a plus (RFC 5233).

Adds: the address parts :user and :detail
"""

from ..language import Extension, Tagged

EXTENSION: Extension = Extension(
    "subaddress",
    tags={"address part": (Tagged("user", "address part"), Tagged("detail", "address part"))},
    rfc="RFC 5233",
)
