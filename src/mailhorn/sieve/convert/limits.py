"""Every limit of the converters, each with its reason."""

MAX_FILE = 8 * 1024 * 1024
"""Octets of a filter file. Gmail allows a thousand filters of 1,500 characters each."""

MAX_RULES = 5_000
"""Rules of a file: a few commands and tests for each, of 20,000 that a script may have."""

MAX_DEPTH = 24
"""Nested parentheses, groups and blocks. A script may have 32 of each."""

MAX_TERMS = 2_000
"""Terms of one condition."""

MAX_LINE = 20_000
"""Characters of a line of a procmailrc, continued ones counted as one."""

MAX_EXPRESSION = 2_000
"""Characters of a regular expression that is taken apart; the engine takes as many instructions."""

MAX_SHOWN = 200
"""Characters of a condition or an action that a comment repeats."""

MAX_ALTERNATIVES = 200
"""Alternatives that a regular expression is taken apart into."""
