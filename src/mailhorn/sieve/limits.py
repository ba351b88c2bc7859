"""Every limit of the Sieve engine, each with its reason (RFC 5228 §2.10.4, §2.10.7 and §10)."""

MAX_SCRIPT = 1024 * 1024
"""Characters in a script. The largest known generated scripts are a tenth of this."""

MAX_COMMANDS = 20_000
"""Commands and tests in a script. There are no loops, so this bounds how many steps a message can cost."""

MAX_NESTING = 32
"""Nested blocks, and nested tests. RFC 5228 §2.10.7 wants fifteen; the parser and the program recurse this deep."""

MAX_STRING = 64 * 1024
"""Characters in one string. Longer ones are only of use to extensions that write mail."""

MAX_NUMBER = 2**63 - 1
"""RFC 5228 §2.4.1 wants 2^31-1; a message size fits in 63 bits (RFC 9051 §4)."""

MAX_MAILBOX_NAME = 1000
"""Characters in a mailbox name. Maildir++ and most servers stop earlier; a name longer than this is a mistake."""

MAX_ADDRESS = 320
"""Characters in an address to redirect to: 64 + 1 + 255 (RFC 5321 §4.5.3.1)."""

MAX_ACTIONS = 64
"""Different actions a script may take on one message, so that one mail does not become a thousand."""

MAX_REDIRECTS = 32
"""Different addresses one message may be redirected to (RFC 5228 §10: an amplifier of attacks)."""

MAX_FLAGS = 64
"""Flags a script may put on one message. Keywords live as long as the mailbox does."""

MAX_FLAG = 255
"""Octets in one flag; longer ones are no valid keywords here, so they are ignored (RFC 5232 §2)."""

MAX_OCTETS_COMPARED = 32 * 1024 * 1024
"""Octets of values looked at while a message is filtered: keeps a hostile mail and a big rule set below ~0.1 s."""

ADDRESS_COST = 64
"""Reading addresses from an octet costs as much as comparing this many: half a mebibyte of address fields is enough."""
