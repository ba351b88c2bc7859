"""How a server spells the names of mailboxes that rules spell with `/`. Pure.

Rule 1: a rule file means the same on every server: `Lists/Python` is the mailbox Python below Lists, and both are the
user's own, whatever separator and prefix the server has for that (RFC 2342). Rule 2: a name that is spelled as the
server spells it, prefix and all, is left as it is. Rule 3: only `/` is a separator in rules: a dot is part of a name
where the server does not say otherwise, as in the names of mailing lists.
"""

from dataclasses import dataclass

from ..imap.responses import Namespaces
from ..model.mailbox import INBOX

SEPARATOR = "/"
"""What rules write between a mailbox and one below it, as delivery in our server has it."""
MAX_PREFIXES = 100
"""Namespaces of a server that are heeded; each is compared with each name. Real servers have three."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """
    How one server spells names.

    Attributes:
        prefix: What the names of the user's own mailboxes begin with, INBOX's excepted; "" for nothing.
        separator: What is between a mailbox and one below it.
        prefixes: What the names of all mailboxes with a prefix begin with, those of others too.

    """

    prefix: str = ""
    separator: str = SEPARATOR
    prefixes: tuple[str, ...] = ()

    @classmethod
    def told(cls, namespaces: Namespaces) -> "Spelling":
        """Return what a server tells of itself; where it tells nothing, names are spelled as in rules."""
        personal = namespaces.personal or ()
        prefix, separator = personal[0] if personal else ("", None)
        every = (*personal, *(namespaces.other or ()), *(namespaces.shared or ()))
        return cls(prefix, separator or SEPARATOR, tuple(one for one, _ in every[:MAX_PREFIXES] if one))

    def spelled(self, mailbox: str) -> str:
        """Return how the server spells the name that a rule gives."""
        if mailbox.upper() == INBOX:
            return mailbox
        name = mailbox.replace(SEPARATOR, self.separator)
        for prefix in self.prefixes:
            if name.startswith(prefix) or (_is_inbox(prefix) and name.upper().startswith(prefix.upper())):
                return name
        return self.prefix + name

    def names(self, mailbox: str) -> frozenset[str]:
        """Return all names by which a rule may call a mailbox of the server."""
        own = mailbox.removeprefix(self.prefix) or mailbox
        return frozenset(each for name in (mailbox, own) for each in (name, name.replace(self.separator, SEPARATOR)))


def _is_inbox(prefix: str) -> bool:
    """Whether case does not matter in it (RFC 9051 §5.1)."""
    return prefix[:-1].upper() == INBOX


__all__ = ["SEPARATOR", "Spelling"]
