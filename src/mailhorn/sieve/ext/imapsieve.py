"""
imapsieve: scripts for what IMAP clients do (RFC 6785).

Adds no words: the items "imap.cause", "imap.mailbox", "imap.changedflags" and so on of the test environment, which
whoever runs the script answers. There is no envelope then; what cannot be done there is refused when it is installed.
"""

from ..language import Extension

EXTENSION: Extension = Extension("imapsieve", asks=frozenset({"imap events"}), rfc="RFC 6785")
