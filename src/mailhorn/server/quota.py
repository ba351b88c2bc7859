"""How much an account may keep. Rule: it is looked at before a message is taken, and takes none away that is there.

What arrives at the same moment by several ways may come to a little more than the limit.
"""

from dataclasses import dataclass

from ..model.mailbox import Usage


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """
    What an account may keep; 0: as much as there is room for.

    Attributes:
        storage: Octets of its messages.
        messages: How many.
        mailboxes: How many.

    """

    storage: int = 0
    messages: int = 0
    mailboxes: int = 0

    def __bool__(self) -> bool:
        """Return whether there is any limit."""
        return bool(self.storage or self.messages or self.mailboxes)

    def exceeded(self, usage: Usage, octets: int = 0, messages: int = 0, mailboxes: int = 0) -> str | None:
        """Return what it would be too much of, with so much more; None if it would not."""
        if self.storage and octets and usage.octets + octets > self.storage:
            return f"No more than {self.storage // 1024} KiB can be kept"
        if self.messages and messages and usage.messages + messages > self.messages:
            return f"No more than {self.messages} messages can be kept"
        if self.mailboxes and mailboxes and usage.mailboxes + mailboxes > self.mailboxes:
            return f"No more than {self.mailboxes} mailboxes can be kept"
        return None


__all__ = ["QuotaLimits"]
