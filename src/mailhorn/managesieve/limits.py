"""Every limit of the part, with its reason."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FramingLimits:
    """
    What is buffered, in octets.

    Attributes:
        line: Longest line, without its end.
        literal: Largest literal.
        frame: Largest command, all its lines and literals together.
        skip: Largest literal that is read past to refuse it; a larger one ends the connection.

    """

    line: int
    literal: int
    frame: int
    skip: int


MAX_SCRIPT: Final = 1_000_000
"""Octets of a script that is looked at, whatever an account may keep: what delivery reads of a file."""

LIMITS_BEFORE_LOGIN: Final = FramingLimits(
    line=16_384,  # Kerberos and OAuth tokens reach 12,000 octets of base64, and some clients quote them.
    literal=16_384,  # The same as a literal.
    frame=34_000,  # A mechanism and a token, each as long as that.
    skip=65_536,  # Reading past is for clients that err, not for strangers.
)

LIMITS: Final = FramingLimits(
    line=16_384,  # No line of a command is as long: names and numbers.
    literal=MAX_SCRIPT,  # A script.
    frame=MAX_SCRIPT + 34_000,  # A script and its name.
    skip=64 * MAX_SCRIPT,  # A file chosen by mistake: the answer is worth more than the octets.
)

MAX_QUOTED: Final = 1_024
"""Octets between the quotes of a string (RFC 5804 §4). Only SASL data may be longer: clients quote their tokens."""

MAX_NAME: Final = 128
"""Characters of a script's name: as many as RFC 5804 §1.6 wants."""

MAX_PENDING: Final = 65_536
"""Octets of pipelined commands kept while one awaits its answer; beyond it `wants_data` turns false."""

MAX_BAD_COMMANDS: Final = 20
"""Commands that made no sense before we hang up: a person's typos pass, another protocol or a scanner does not."""

MAX_AUTH_EXCHANGES: Final = 10
"""Challenges in one AUTHENTICATE; no mechanism needs more than four."""
