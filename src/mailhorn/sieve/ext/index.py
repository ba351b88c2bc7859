"""
index: look at the nth field only (RFC 5260 §6).

Adds: :index <fieldno: number> and :last to header, address and date; `fields.chosen` obeys them
"""

from ..language import Extension, Tagged, Takes

_INDEX = (Tagged("index", "index", Takes.NUMBER), Tagged("last", "last"))

EXTENSION: Extension = Extension(
    "index", tags={"header": _INDEX, "address": _INDEX, "date": _INDEX, "deleteheader": _INDEX}, rfc="RFC 5260 §6"
)
