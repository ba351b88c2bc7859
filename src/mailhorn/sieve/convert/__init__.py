"""
Other programs' filters as Sieve: Gmail's, Thunderbird's, procmail's. Pure.

Rule 1: what is written always compiles. Rule 2: a rule never matches more than it did: a condition that cannot be said
counts as not met, and a rule that then never applies is left out. Rule 3: whatever could not be said is told, with the
rule's name, and stands as a comment where it is missing. Rule 4: every octet of a filter file is hostile.

    converted = from_gmail(octets)
    converted.script, converted.unsaid
"""

from .condition import ConvertError
from .gmail import from_gmail
from .procmail import from_procmail
from .script import Converted, Unsaid
from .thunderbird import from_thunderbird

__all__ = ["ConvertError", "Converted", "Unsaid", "from_gmail", "from_procmail", "from_thunderbird"]
