"""What mailboxes are for (RFC 6154): what clients said, and where they said nothing, what the name says.

Rule: of one account a use has one mailbox. What was said last counts; a name counts if nobody has said it of another.
It is kept as the metadata entry that RFC 6154 §4 names; "" there means: for nothing, whatever the name says.
"""

from collections.abc import Iterable, Mapping

from ...model.ids import MailboxId
from ...model.mailbox import DELIMITER, INBOX, Mailbox
from ...store.abc import Note
from .reply import CommandRefused

ENTRY = "/private/specialuse"

USES = {use.lower(): use for use in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}
"""What a mailbox can be for. \\All and \\Flagged would be mailboxes that show what is in others."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "\\Archive": ("archive", "archives"),
    "\\Drafts": ("drafts", "draft"),
    "\\Junk": ("junk", "spam", "junk mail", "junk email", "junk e-mail", "bulk mail"),
    "\\Sent": ("sent", "sent messages", "sent items", "sent mail"),
    "\\Trash": ("trash", "deleted messages", "deleted items", "bin"),
}
"""What clients call mailboxes they make, the first in each line first: Apple Mail, Outlook, Thunderbird, K-9, Gmail."""


def uses_of(mailboxes: Iterable[Mailbox], noted: Mapping[MailboxId, bytes]) -> dict[MailboxId, tuple[str, ...]]:
    """
    Return what mailboxes are for; those that are for nothing in particular are left out.

    Args:
        mailboxes: All of the account's.
        noted: What `ENTRY` tells of them.

    """
    uses = {mailbox: said for mailbox, value in noted.items() if (said := read_uses(value))}
    taken = {use for said in uses.values() for use in said}
    called: dict[str, MailboxId] = {}
    for mailbox in mailboxes:
        first, _, rest = mailbox.name.lower().partition(DELIMITER)
        plain = rest if first == INBOX.lower() and rest else mailbox.name.lower()
        if mailbox.id not in noted and (plain not in called or rest == ""):
            called[plain] = mailbox.id
    for use, names in NAMES.items():
        found = next((called[name] for name in names if name in called), None)
        if use not in taken and found is not None:
            uses[found] = (*uses.get(found, ()), use)
    return uses


def read_uses(value: bytes) -> tuple[str, ...]:
    """Return the uses that a note tells."""
    return tuple([USES[use] for use in value.decode("ascii", "replace").lower().split() if use in USES])


def noted_uses(
    mailbox: MailboxId | None, wanted: Iterable[str], noted: Mapping[MailboxId, bytes]
) -> tuple[bytes, list[Note]]:
    """
    Return what is to be noted of a mailbox that is to be for something, and of those that were before.

    Args:
        mailbox: Which one; None if it is still to be made.
        wanted: Attributes, in any case.
        noted: What `ENTRY` tells of the account's mailboxes.

    Raises CommandRefused: one of them is none that a mailbox here can be for.

    """
    uses = {use.lower(): use for use in wanted}
    for low, use in uses.items():
        if low not in USES:
            raise CommandRefused(f"No mailbox here can be for {use[:40]}", "USEATTR")
    others = []
    for other, value in noted.items():
        left = [use for use in read_uses(value) if use.lower() not in uses]
        if other != mailbox and len(left) < len(read_uses(value)):
            others.append(Note(other, ENTRY, " ".join(left).encode("ascii")))
    return " ".join(USES[low] for low in uses).encode("ascii"), others
