"""What programs get wrong that call themselves by name in ID (RFC 2971): the only place where a name changes anything.

Rule 1: no entry without a reason that somebody has seen and written down; most programs are here to say that none is
known. Rule 2: an entry only takes away what would break the program; nobody gets more, faster or something else, and
who calls itself something else gets what all get. RFC 2971 §3 forbids even that: docs/decisions/0026.
"""

from dataclasses import dataclass

from ...imap.commands import Id


@dataclass(frozen=True, slots=True)
class Quirk:
    """
    A program.

    Attributes:
        name: What its ID has for `name`, in lower case, or how that begins.
        reason: What it gets wrong, and where that is written down; "" if nothing is known.
        withheld: Capabilities that are not offered to it, and that it cannot enable.

    """

    name: str
    reason: str = ""
    withheld: frozenset[str] = frozenset()


QUIRKS = (
    Quirk(
        "microsoft office 365",
        "enables UIDONLY where it is offered, then asks for messages by number, is refused, and shows none of them "
        "(github.com/modern-email/defects/issues/49, github.com/mjl-/mox/issues/388)",
        frozenset({"UIDONLY"}),
    ),
    Quirk("iphone mail"),
    Quirk("ipad mail"),
    Quirk("mac os x mail"),
    Quirk("outlook"),
    Quirk("thunderbird"),
    Quirk("k-9 mail"),
    Quirk("fairemail"),
    Quirk("evolution"),
    Quirk("roundcube"),
)
"""mbsync, getmail, imapfilter, offlineimap and neomutt send no ID. What getmail, imapfilter and IMAPClient miss in IDLE
they miss whoever they say they are: `commands.idle.BREATH` is for everybody."""

_MAX_NAME = 100
"""Octets of a name that are looked at."""


def quirk_of(command: Id) -> Quirk | None:
    """Return what is known of the program that sent this ID."""
    for field, value in command.fields or ():
        if field.lower() == "name" and value is not None:
            said = value[:_MAX_NAME].lower()
            return next((quirk for quirk in QUIRKS if said.startswith(quirk.name)), None)
    return None


__all__ = ["QUIRKS", "Quirk", "quirk_of"]
