"""GETMETADATA and SETMETADATA (RFC 5464): what clients note of mailboxes and, with an empty name, of their account.

Of the server itself, /shared is the operator's: nobody sets it here. What a mailbox is for is an entry (RFC 6154 §4).
"""

from collections.abc import Mapping, Sequence

from ....imap.commands import GetMetadata, SetMetadata
from ....imap.framing import SERVER_LIMITS
from ....imap.responses import Code, Metadata
from ....model.mailbox import INBOX, Mailbox
from ....store.abc import MAX_NOTES_SIZE, Note, TooManyNotes
from .. import special_use
from ..conversation import Conversation
from ..reach import Act, Reached, reach
from ..reply import CommandRefused, Reply, ok
from ..survey import Noted

MAX_VALUE = SERVER_LIMITS.literal
"""Octets of one value. A literal that is larger is refused before it comes, by the connection, with this number."""

_SCOPES = ("/private/", "/shared/")


async def get_metadata(conversation: Conversation, command: GetMetadata) -> Reply:
    """Entries that are named and have no value are NIL; of what lies below them, only what has one is told."""
    notes = await noted(conversation, await _named(conversation, command.mailbox))
    found: dict[str, bytes | None] = {}
    longest = 0
    for entry, value in _asked(notes, command):
        if value is not None and command.max_size is not None and len(value) > command.max_size:
            longest = max(longest, len(value))
        else:
            found[entry] = value
    if found:
        conversation.core.untagged(Metadata(command.mailbox, tuple(found.items())))
    return ok(b"GETMETADATA completed", Code("METADATA", b"LONGENTRIES %d" % longest) if longest else None)


def _asked(notes: Mapping[str, bytes], command: GetMetadata) -> list[tuple[str, bytes | None]]:
    asked: list[tuple[str, bytes | None]] = []
    for entry in command.entries:
        if command.depth == 0 or entry in notes:
            asked.append((entry, notes.get(entry)))
        if command.depth != 0:
            below = [name for name in notes if name.startswith(f"{entry}/")]
            asked += [(n, notes[n]) for n in below if command.depth is None or "/" not in n[len(entry) + 1 :]]
    return asked


async def set_metadata(conversation: Conversation, command: SetMetadata) -> Reply:
    """All of it or nothing (RFC 5464 §4.3)."""
    index, owner = conversation.context.store.index, conversation.owner
    found = await _named(conversation, command.mailbox)
    mailbox = None if found is None else found.mailbox
    place = None if mailbox is None else mailbox.id
    notes: list[Note] = []
    private: list[Note] = []
    told: list[Note] = []
    for entry, value in command.values:
        if not entry.startswith(_SCOPES):
            raise CommandRefused("Entries are in /private or /shared", "CANNOT")
        if value is not None and len(value) > MAX_VALUE:
            raise CommandRefused(
                f"A value may have {MAX_VALUE} octets at most", Code("METADATA", b"MAXSIZE %d" % MAX_VALUE)
            )
        if mailbox is None and not entry.startswith("/private/"):
            raise CommandRefused("What is shared of the server is the operator's", "NOPERM")
        if found is not None and not found.own and entry != special_use.ENTRY:
            if entry.startswith("/private/"):
                private.append(Note(None, _prefix(found.mailbox) + entry, value))
            else:
                notes.append(Note(place, entry, value))
            continue
        if entry != special_use.ENTRY:
            notes.append(Note(place, entry, value))
            continue
        if found is None or not found.own or mailbox is None or mailbox.name == INBOX:
            raise CommandRefused("That is for nothing special", "USEATTR")
        wanted = (value or b"").decode("latin-1").split()
        uses, told = special_use.noted_uses(mailbox.id, wanted, await index.noted(owner.id, special_use.ENTRY))
        notes += [Note(place, entry, uses), *told]
    try:
        await index.note(owner.id if mailbox is None else mailbox.account, notes)
        if private:
            await index.note(owner.id, private)
    except TooManyNotes:
        raise CommandRefused(f"No more than {MAX_NOTES_SIZE} octets are kept", Code("METADATA", b"TOOMANY")) from None
    tell_noted(conversation, [*[Note(place, entry, value) for entry, value in command.values], *told])
    await _tell_uses(conversation, told)
    return ok(b"SETMETADATA completed")


def tell_noted(conversation: Conversation, notes: Sequence[Note]) -> None:
    """Tell the account's other sessions what is noted otherwise now, and others what is shared (RFC 5465 §5.6)."""
    hub, account = conversation.context.hub, conversation.owner.id
    for place in dict.fromkeys([note.mailbox for note in notes]):
        entries = tuple([note.entry for note in notes if note.mailbox == place])
        hub.stir((account,), (), Noted(place, entries, conversation))
        shared = tuple([entry for entry in entries if entry.startswith("/shared/")])
        if place is not None and shared:
            hub.stir((), (place,), Noted(place, shared, but=account))


async def _tell_uses(conversation: Conversation, notes: Sequence[Note]) -> None:
    """Tell what became of the mailboxes that were for the same before (RFC 6154 §5.4)."""
    for note in notes:
        mailbox = None if note.mailbox is None else await conversation.context.store.index.mailbox_by_id(note.mailbox)
        if mailbox is not None:
            conversation.core.untagged(Metadata(mailbox.name, ((note.entry, note.value or None),)))


async def noted(conversation: Conversation, found: Reached | None) -> dict[str, bytes]:
    """Return what is noted of a mailbox, or of the account; of another's, what is shared and what is one's own."""
    index, owner = conversation.context.store.index, conversation.owner
    mailbox = None if found is None else found.mailbox
    if found is not None and not found.own:
        shared = await index.notes(found.mailbox.account, found.mailbox.id)
        prefix, mine = _prefix(found.mailbox), await index.notes(owner.id, None)
        private = {name.removeprefix(prefix): value for name, value in mine.items() if name.startswith(f"{prefix}/")}
        return {name: value for name, value in shared.items() if name.startswith("/shared/")} | private
    notes = await index.notes(owner.id, None if mailbox is None else mailbox.id)
    if mailbox is not None:
        notes.pop(special_use.ENTRY, None)
        uses = special_use.uses_of(await index.mailboxes(owner.id), await index.noted(owner.id, special_use.ENTRY))
        if mailbox.id in uses:
            notes[special_use.ENTRY] = " ".join(uses[mailbox.id]).encode("ascii")
    return notes


def _prefix(mailbox: Mailbox) -> str:
    """Return what stands before one's own entries on another's mailbox: they are kept with one's account."""
    return f"@{mailbox.uid_validity}"


async def _named(conversation: Conversation, name: str) -> Reached | None:
    """Return the mailbox, None for the server. Raises CommandRefused if there is none of that name."""
    if not name:
        return None
    return await reach(conversation, name, Act.METADATA)
