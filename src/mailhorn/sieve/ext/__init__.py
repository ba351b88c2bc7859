"""The extensions. This table is all there is: what is not in it cannot be required (RFC 5228 §6)."""

from ..language import Extension
from . import (
    comparators,
    copy,
    date,
    encoded_character,
    envelope,
    fileinto,
    ihave,
    imap4flags,
    include,
    index,
    mailbox,
    regex,
    relational,
    subaddress,
    variables,
)

EXTENSIONS: tuple[Extension, ...] = (
    fileinto.EXTENSION,
    envelope.EXTENSION,
    encoded_character.EXTENSION,
    copy.EXTENSION,
    imap4flags.EXTENSION,
    mailbox.EXTENSION,
    variables.EXTENSION,
    regex.EXTENSION,
    relational.EXTENSION,
    subaddress.EXTENSION,
    date.EXTENSION,
    index.EXTENSION,
    include.EXTENSION,
    ihave.EXTENSION,
    *comparators.EXTENSIONS,
)
"""In the order in which they are documented."""
