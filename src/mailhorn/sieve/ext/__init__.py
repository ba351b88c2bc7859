"""The extensions. This table is all there is: what is not in it cannot be required (RFC 5228 §6)."""

from ..language import Extension
from ..match import COMPARATORS
from . import copy, encoded_character, envelope, fileinto, imap4flags, mailbox

EXTENSIONS: tuple[Extension, ...] = (
    fileinto.EXTENSION,  # RFC 5228 §4.1
    envelope.EXTENSION,  # RFC 5228 §5.4
    encoded_character.EXTENSION,  # RFC 5228 §2.4.2.4
    copy.EXTENSION,  # RFC 3894
    imap4flags.EXTENSION,  # RFC 5232
    mailbox.EXTENSION,  # RFC 5490 §3
    *(Extension(f"comparator-{name}") for name in COMPARATORS),  # RFC 5228 §6.1; in force even if not required
)
