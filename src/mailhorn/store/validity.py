"""Which numbers may be a UIDVALIDITY, and which one a new mailbox gets. Rule: whatever a clock says, it has 32 bits."""

from ..model.ids import MAX_UID

MAX_UID_VALIDITY = MAX_UID - 2**24
"""Greater ones are not kept, whoever recorded them: they would leave none for new mailboxes. As a time, in 2105."""


def counted(number: float) -> int:
    """Return a UIDVALIDITY that was given or is the time; 0 for what a clock of another century says, or once said."""
    return int(number) if number <= MAX_UID_VALIDITY else 0


__all__ = ["MAX_UID_VALIDITY", "counted"]
