"""What mailboxes are for, as clients said and as names say."""

import pytest

from mailhorn.model.ids import UID, AccountId, MailboxId, ModSeq, UIDValidity
from mailhorn.model.mailbox import Mailbox
from mailhorn.server.imap.reply import CommandRefused
from mailhorn.server.imap.special_use import ENTRY, noted_uses, uses_of
from mailhorn.store.abc import Note


def _boxes(*names: str) -> list[Mailbox]:
    return [
        Mailbox(MailboxId(n), AccountId(1), name, UIDValidity(n), UID(1), ModSeq(1), 0, 0, 0)
        for n, name in enumerate(names, 1)
    ]


def test_names_say_what_mailboxes_are_for() -> None:
    """In any case, at the top or below INBOX, and of several the first of the table."""
    boxes = _boxes("INBOX", "INBOX/Drafts", "SPAM", "Sent Messages", "sent", "Work/Trash", "INBOX/Bin", "bin")
    assert uses_of(boxes, {}) == {2: ("\\Drafts",), 3: ("\\Junk",), 5: ("\\Sent",), 8: ("\\Trash",)}


def test_what_was_said_comes_first() -> None:
    """A name says nothing of a mailbox of which anything was said, nor what was said of another."""
    boxes = _boxes("INBOX", "Drafts", "Trash", "Sent", "Other")
    noted = {MailboxId(3): b"", MailboxId(5): b"\\Sent \\Nonsense"}
    assert uses_of(boxes, noted) == {2: ("\\Drafts",), 5: ("\\Sent",)}


def test_a_use_has_one_mailbox() -> None:
    """Who had it loses it, and keeps its others."""
    noted = {MailboxId(1): b"\\Sent \\Junk", MailboxId(2): b"\\Trash", MailboxId(3): b"\\Junk"}
    assert noted_uses(MailboxId(3), ("\\JUNK", "\\Drafts", "\\junk"), noted) == (
        b"\\Junk \\Drafts",
        [Note(MailboxId(1), ENTRY, b"\\Sent")],
    )
    with pytest.raises(CommandRefused):
        noted_uses(None, ("\\Flagged",), noted)
