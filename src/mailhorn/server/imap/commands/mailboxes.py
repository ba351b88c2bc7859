"""CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS, NAMESPACE (RFC 9051 §6.3.4 to §6.3.11, RFC 3501 §6.3.9)."""

from collections.abc import Callable

from ....imap.commands import Create, Delete, List, Rename, Status, StatusItem, Subscribe
from ....imap.grammar.ext.children import child_mbox_flag
from ....imap.responses import ListResponse, Namespaces, StatusItems
from ....model.flags import DELETED
from ....model.ids import UID
from ....model.mailbox import DELIMITER, INBOX, Mailbox, canonical_name
from ....store.abc import MailboxExists, MailboxMissing
from ..conversation import Conversation
from ..pattern import matches
from ..reply import CommandRefused, Reply, ok


async def create(conversation: Conversation, command: Create) -> Reply:
    """A delimiter at the end only says that there will be more below (RFC 9051 §6.3.4)."""
    name = canonical_name(command.mailbox.removesuffix(DELIMITER))
    if name == INBOX:
        raise CommandRefused("INBOX exists always", "ALREADYEXISTS")
    try:
        await conversation.context.store.index.create_mailbox(conversation.owner.id, name)
    except MailboxExists:
        raise CommandRefused("The mailbox exists already", "ALREADYEXISTS") from None
    return ok(b"CREATE completed")


async def delete(conversation: Conversation, command: Delete) -> Reply:
    """What is below stays (RFC 9051 §6.3.5)."""
    if command.mailbox == INBOX:
        raise CommandRefused("INBOX cannot be deleted", "CANNOT")
    mailbox = await _existing(conversation, command.mailbox)
    if conversation.selected is not None and conversation.selected.mailbox == mailbox.id:
        raise CommandRefused("The mailbox is selected here; UNSELECT it first", "INUSE")
    await conversation.context.store.index.delete_mailbox(mailbox.id)
    return ok(b"DELETE completed")


async def rename(conversation: Conversation, command: Rename) -> Reply:
    """Of INBOX, the messages move (RFC 9051 §6.3.6); the store does it."""
    new_name = canonical_name(command.new_name.removesuffix(DELIMITER))
    if (new_name + DELIMITER).startswith(command.mailbox + DELIMITER) and command.mailbox != INBOX:
        if new_name == command.mailbox:
            raise CommandRefused("The mailbox has that name already", "ALREADYEXISTS")
        raise CommandRefused("A mailbox cannot be moved below itself", "CANNOT")
    try:
        await conversation.context.store.index.rename_mailbox(conversation.owner.id, command.mailbox, new_name)
    except MailboxExists:
        raise CommandRefused("There is a mailbox of that name", "ALREADYEXISTS") from None
    except MailboxMissing:
        raise CommandRefused("There is no such mailbox", "NONEXISTENT") from None
    return ok(b"RENAME completed")


async def subscribe(conversation: Conversation, command: Subscribe) -> Reply:
    """A name may be unsubscribed, and stay subscribed, whether or not it exists (RFC 9051 §6.3.7)."""
    index = conversation.context.store.index
    if command.on:
        await _existing(conversation, command.mailbox)
    await index.subscribe(conversation.owner.id, command.mailbox, command.on)
    return ok(b"SUBSCRIBE completed" if command.on else b"UNSUBSCRIBE completed")


async def list_(conversation: Conversation, command: List) -> Reply:
    """LIST, and LSUB with its odd rule for `%` (RFC 3501 §6.3.9)."""
    core, index, owner = conversation.core, conversation.context.store.index, conversation.owner
    if not command.pattern and not command.subscribed:
        core.untagged(ListResponse(("\\Noselect",), DELIMITER, ""))
        return ok(b"LIST completed")
    pattern = command.reference + command.pattern
    existing = {mailbox.name for mailbox in await index.mailboxes(owner.id)}
    names = set(await index.subscriptions(owner.id)) if command.subscribed else existing
    parents = {parent for name in names for parent in _above(name)}
    for name in sorted(names | parents, key=lambda name: (name != INBOX, name)):
        if not matches(pattern, name):
            continue
        if command.subscribed and name not in names and not pattern.endswith("%"):
            continue
        attributes = [] if name in existing and name in names else ["\\Noselect"]
        if not command.subscribed:
            attributes.append(child_mbox_flag(name in parents))
        core.untagged(ListResponse(tuple(attributes), DELIMITER, name, command.subscribed))
        await conversation.room()
    return ok(b"LSUB completed" if command.subscribed else b"LIST completed")


async def status(conversation: Conversation, command: Status) -> Reply:
    """Counters are kept by the store, so this is one small read."""
    mailbox = await _existing(conversation, command.mailbox)
    if StatusItem.HIGHESTMODSEQ in command.items:
        conversation.aware()
    items = []
    for item in command.items:
        items.append(
            (item, await _deleted(conversation, mailbox) if item is StatusItem.DELETED else _ITEMS[item](mailbox))
        )
    conversation.core.untagged(StatusItems(command.mailbox, tuple(items)))
    return ok(b"STATUS completed")


_ITEMS: dict[StatusItem, Callable[[Mailbox], int]] = {
    StatusItem.MESSAGES: lambda mailbox: mailbox.messages,
    StatusItem.RECENT: lambda mailbox: 0,
    StatusItem.UIDNEXT: lambda mailbox: mailbox.uid_next,
    StatusItem.UIDVALIDITY: lambda mailbox: mailbox.uid_validity,
    StatusItem.UNSEEN: lambda mailbox: mailbox.unseen,
    StatusItem.SIZE: lambda mailbox: mailbox.size,
    StatusItem.HIGHESTMODSEQ: lambda mailbox: mailbox.highest_mod_seq,
}


async def _deleted(conversation: Conversation, mailbox: Mailbox) -> int:
    """Count \\Deleted messages, the one counter the store does not keep."""
    index = conversation.context.store.index
    _, uids = await index.uids(mailbox.id)
    rows = await index.rows(mailbox.id, [UID(uid) for uid in uids])
    return sum(DELETED in row.flags.split() for row in rows)


async def namespace(conversation: Conversation) -> Reply:
    """One namespace, the user's own (RFC 2342)."""
    conversation.core.untagged(Namespaces((("", DELIMITER),), None, None))
    return ok(b"NAMESPACE completed")


async def _existing(conversation: Conversation, name: str) -> Mailbox:
    mailbox = await conversation.context.store.index.mailbox(conversation.owner.id, name)
    if mailbox is None:
        raise CommandRefused("There is no such mailbox", "NONEXISTENT")
    return mailbox


def _above(name: str) -> list[str]:
    levels = name.split(DELIMITER)
    return [DELIMITER.join(levels[:depth]) for depth in range(1, len(levels))]
