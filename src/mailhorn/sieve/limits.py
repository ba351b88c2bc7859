"""Every limit of the Sieve engine, each with its reason (RFC 5228 §2.10.4, §2.10.7 and §10)."""

MAX_SCRIPT = 1_000_000
"""Characters in a script, as ManageSieve takes them. The largest known generated scripts are a tenth of this."""

MAX_COMMANDS = 10_000
"""Commands and tests in a script. There are no loops, so this bounds how many steps a message can cost."""

MAX_TOKENS = 100_000
"""Words, strings and signs in a script: ten for each command and test."""

MAX_PASSED_OVER = 5_000
"""Tokens that are passed over behind a mistake until a command begins again: then nobody can tell where it does."""

MAX_NESTING = 32
"""Nested blocks, and nested tests. RFC 5228 §2.10.7 wants fifteen; the parser and the program recurse this deep."""

MAX_STRING = 64 * 1024
"""Characters in one string. Longer ones are only of use to extensions that write mail."""

MAX_NUMBER = 2**64 - 1
"""RFC 5228 §2.4.1 wants 2^31-1; scripts for Pigeonhole may have this much."""

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

MAX_STEPS = 100_000
"""Commands and tests that run for one message. Scripts that include each other, and loops over parts, multiply."""

MAX_VARIABLE = 64 * 1024
"""Characters in a variable; what is longer is cut (RFC 5229 §6 wants 4,000)."""

MAX_MATCH_VARIABLES = 100
"""Match variables that are kept of one match (RFC 5229 §6 wants ten)."""

MAX_ERRORS = 20
"""Errors that are told of one script; who made more looks at the first ones."""

MAX_INCLUDED = 64
"""Different scripts that one script may include, directly or not (RFC 6609 §3.1 wants three)."""

MAX_INCLUDES_DEEP = 10
"""Scripts that include each other, one inside the other."""

MAX_PARAMETERS = 100
"""Parameters of a Content-Type that are looked at."""

MAX_REGEX = 2000
"""Instructions of a regular expression: a character is one, and a repeated piece counts as often as it repeats."""

MAX_REGEX_REPEAT = 255
"""The largest number in `{n,m}` (POSIX: RE_DUP_MAX)."""

MAX_REGEX_GROUPS = 99
"""Groups of a regular expression."""

MAX_REGEX_SETS = 500
"""Sets of states that are kept of a regular expression; simple ones have a dozen. Then it starts anew."""

MAX_REGEX_WORK = 250_000
"""Instructions looked at for one value: about 0.2 s where groups are followed. Known sets of states cost nothing, so
few patterns come near."""

REGEX_COST = 4
"""Matching an octet with a regular expression costs as much as comparing this many."""

MAX_INCLUDE_NAME = 256
"""Characters in the name of a script (RFC 5804 §1.6 wants 128)."""

MAX_EDITS = 200
"""Changes a script may make to one message."""

MAX_NOTIFICATIONS = 8
"""Notifications of one message: each of them leaves the house."""

MAX_HEADER_VALUE = 2000
"""Octets in a header field that a script adds (RFC 5293 §4 wants 998)."""

MAX_EXTRACTED = 64 * 1024
"""Characters that extracttext takes of a part."""

MIN_DUPLICATE, DEFAULT_DUPLICATE, MAX_DUPLICATE = 1, 7 * 86400, 90 * 86400
"""Seconds that a message is remembered (RFC 7352 §3.3): the default it wants, and three months as an end."""

MIN_VACATION_DAYS, DEFAULT_VACATION_DAYS, MAX_VACATION_DAYS = 1, 7, 365
"""Days between two answers to the same sender (RFC 5230 §4.1)."""

MAX_VACATION_SECONDS = MAX_VACATION_DAYS * 86400
"""The same for :seconds, where 0 is allowed (RFC 6131 §2)."""

MAX_URI = 2000
"""Characters in the URI of a notification."""

MAX_ARGUMENTS = 16
"""Arguments of a program that a script runs."""

MAX_ARGUMENT = 1024
"""Characters in one of them."""
