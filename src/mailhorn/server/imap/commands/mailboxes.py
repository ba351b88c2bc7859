"""Mailboxes and their names: CREATE, LIST, STATUS and the like (RFC 9051 §6.3.4 to §6.3.11; RFC 5258, 5819, 8438)."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import lru_cache
from operator import attrgetter
from typing import Any

from ....imap.commands import Create, Delete, List, ListReturn, ListSelect, Rename, Status, StatusItem, Subscribe
from ....imap.grammar.ext.children import child_mbox_flag
from ....imap.grammar.ext.objectid import mailbox_id_code
from ....imap.grammar.response import write_response
from ....imap.responses import ListResponse, Metadata, MyRightsResponse, Namespaces, StatusItems
from ....model.flags import DELETED
from ....model.ids import UID, AccountId, MailboxId
from ....model.mailbox import DELIMITER, INBOX, Mailbox, canonical_name, object_id
from ....model.rights import EVERY, told
from ....store.abc import MailboxExists, MailboxMissing, Note
from .. import special_use
from ..conversation import Conversation
from ..pace import Pace
from ..pattern import matches
from ..reach import OTHERS, Act, Reached, canonical, of_others, place, reach
from ..reply import CommandRefused, Reply, ok
from ..searching import ROWS
from ..survey import InboxRenamed
from .metadata import noted, tell_noted
from .quota import demand_room

MAX_PATTERNS = 100
"""In one LIST; a client asks for a handful."""
MAX_COUNTS = 256
"""STATUS commands of which it is known how they are answered; the parser remembers as many."""
LOOKS_AT_ONCE = 256
"""Names compared with patterns before others have their turn: a millisecond's work."""


async def create(conversation: Conversation, command: Create) -> Reply:
    """
    A delimiter at the end only says that there will be more below (RFC 9051 §6.3.4).

    If it is to be for something that another mailbox was for, that one is not any more (RFC 6154 §3).
    """
    name = canonical_name(command.mailbox.removesuffix(DELIMITER))
    if name == INBOX:
        raise CommandRefused("INBOX exists always", "ALREADYEXISTS")
    account, local = await place(conversation, name)
    await _demand_names(conversation, account, [*_above(local), local])
    index, owner = conversation.context.store.index, conversation.owner
    notes: dict[str, bytes] = {}
    others: list[Note] = []
    if command.uses is not None and account != owner.id:
        raise CommandRefused("What another's mailbox is for is the owner's business", "USEATTR")
    if command.uses is not None:
        notes[special_use.ENTRY], others = special_use.noted_uses(
            None, command.uses, await index.noted(owner.id, special_use.ENTRY)
        )
    try:
        made = await index.create_mailbox(account, local, notes)
    except MailboxExists:
        raise CommandRefused("The mailbox exists already", "ALREADYEXISTS") from None
    if others:
        await index.note(owner.id, others)
    await _named(conversation, [(one, True) for one in (*_above(name), name)], account, local)
    tell_noted(conversation, others)
    return ok(b"CREATE completed", mailbox_id_code(object_id(made)))


async def delete(conversation: Conversation, command: Delete) -> Reply:
    """What is below stays (RFC 9051 §6.3.5)."""
    if command.mailbox == INBOX:
        raise CommandRefused("INBOX cannot be deleted", "CANNOT")
    try:
        mailbox = (await reach(conversation, command.mailbox, Act.DELETE)).mailbox
    except CommandRefused as refusal:
        if await _is_level(conversation, command.mailbox):
            raise CommandRefused("It is but a level above other mailboxes", "HASCHILDREN") from refusal
        raise
    if mailbox.name == INBOX:
        raise CommandRefused("INBOX cannot be deleted", "CANNOT")
    if conversation.selected is not None and conversation.selected.mailbox == mailbox.id:
        raise CommandRefused("The mailbox is selected here; UNSELECT it first", "INUSE")
    await conversation.context.store.index.delete_mailbox(mailbox.id)
    conversation.named([(canonical(command.mailbox), False)], account=mailbox.account)
    return ok(b"DELETE completed")


async def rename(conversation: Conversation, command: Rename) -> Reply:
    """Of INBOX, the messages move; of a level that is no mailbox, what is below it (RFC 9051 §6.3.6)."""
    new_name = canonical_name(command.new_name.removesuffix(DELIMITER))
    if (new_name + DELIMITER).startswith(command.mailbox + DELIMITER) and command.mailbox != INBOX:
        if new_name == command.mailbox:
            raise CommandRefused("The mailbox has that name already", "ALREADYEXISTS")
        raise CommandRefused("A mailbox cannot be moved below itself", "CANNOT")
    source, name = conversation.owner.id, canonical(command.mailbox)
    try:
        found = await reach(conversation, command.mailbox, Act.RENAME)
    except CommandRefused:
        if not await _is_level(conversation, command.mailbox):
            raise
    else:
        source, name = found.mailbox.account, found.mailbox.name
    account, local = await place(conversation, new_name)
    if account != source:
        raise CommandRefused("A mailbox cannot become another's; move its messages", "CANNOT")
    if name == INBOX and command.mailbox != INBOX:
        raise CommandRefused("Another's INBOX cannot be renamed", "CANNOT")
    await _demand_names(conversation, account, [*_above(local), local] if command.mailbox == INBOX else _above(local))
    try:
        await conversation.context.store.index.rename_mailbox(account, name, local)
    except MailboxExists:
        raise CommandRefused("There is a mailbox of that name", "ALREADYEXISTS") from None
    except MailboxMissing:
        raise CommandRefused("There is no such mailbox", "NONEXISTENT") from None
    made = [(one, True) for one in (*_above(new_name), new_name)]
    if command.mailbox == INBOX:
        conversation.named(made, InboxRenamed(new_name))
    else:
        await _named(conversation, [(canonical(command.mailbox), False), *made], account, local)
    return ok(b"RENAME completed")


async def _is_level(conversation: Conversation, name: str) -> bool:
    """Say whether one's own mailboxes are below that name."""
    below = canonical(name) + DELIMITER
    others = await conversation.context.store.index.mailboxes(conversation.owner.id)
    return any(other.name.startswith(below) for other in others)


async def _demand_names(conversation: Conversation, account: AccountId, names: Sequence[str]) -> None:
    """Raise CommandRefused if the account may not have all of these mailboxes, of which some may be there."""
    if conversation.context.options.quota.mailboxes:
        there = {mailbox.name for mailbox in await conversation.context.store.index.mailboxes(account)}
        await demand_room(conversation, mailboxes=sum(name not in there for name in names), account=account)


async def _named(conversation: Conversation, names: Iterable[tuple[str, bool]], account: AccountId, local: str) -> None:
    """Tell that a mailbox has a new name, also those others who see it, or what is above or below (RFC 5465 §5.4)."""
    kin: list[MailboxId] = []
    if conversation.context.hub.overseen:
        for mailbox in await conversation.context.store.index.mailboxes(account):
            if (local + DELIMITER).startswith(mailbox.name + DELIMITER) or mailbox.name.startswith(local + DELIMITER):
                kin.append(mailbox.id)
    conversation.named(names, account=account, mailboxes=kin)


async def subscribe(conversation: Conversation, command: Subscribe) -> Reply:
    """A name may be unsubscribed, and stay subscribed, whether or not it exists (RFC 9051 §6.3.7)."""
    index = conversation.context.store.index
    if command.on:
        await reach(conversation, command.mailbox, Act.SUBSCRIBE)
    await index.subscribe(conversation.owner.id, canonical(command.mailbox), command.on)
    if conversation.notices is not None:
        conversation.notices.subscribed(canonical(command.mailbox), command.on)
    conversation.named()
    return ok(b"SUBSCRIBE completed" if command.on else b"UNSUBSCRIBE completed")


async def list_(conversation: Conversation, command: List) -> Reply:
    """LIST as in RFC 9051 §6.3.9 and RFC 5258; an extended one has no special request (RFC 5258 §3)."""
    if command.subscribed:
        return await _lsub(conversation, command)
    core, index, owner = conversation.core, conversation.context.store.index, conversation.owner
    if command.pattern == "":
        if not command.extended:
            core.untagged(ListResponse(("\\Noselect",), DELIMITER, ""))
        return ok(b"LIST completed")
    pattern = _Patterns(command)
    not_there = "\\NonExistent" if command.extended or core.dialect.rev2 else "\\Noselect"
    select, returns = command.select or frozenset(), command.returns or frozenset()
    mailboxes = await index.mailboxes(owner.id)
    guests = {one.name: one for one in await of_others(conversation)}
    existing = {name: one.mailbox for name, one in guests.items()} | {mailbox.name: mailbox for mailbox in mailboxes}
    uses: Mapping[MailboxId, tuple[str, ...]] = {}
    only_special = ListSelect.SPECIAL_USE in select
    if not command.extended or only_special or ListReturn.SPECIAL_USE in returns:
        uses = special_use.uses_of(mailboxes, await index.noted(owner.id, special_use.ENTRY))
    parents = {parent for name in existing for parent in _above(name)}
    subscribed: set[str] = set()
    if ListSelect.SUBSCRIBED in select or ListReturn.SUBSCRIBED in returns:
        subscribed.update(await index.subscriptions(owner.id))
    selected = subscribed if ListSelect.SUBSCRIBED in select else existing.keys() | parents
    if only_special:
        selected = {name for name in selected if name in existing and existing[name].id in uses}
    recursive = {}
    if ListSelect.RECURSIVEMATCH in select:
        recursive = await _parents_of_hidden(selected, pattern)
    for name in sorted(selected | recursive.keys(), key=_inbox_first):
        if name not in selected and not recursive[name]:
            continue
        if not await pattern.matches(name):
            continue
        mailbox = existing.get(name)
        attributes = [] if mailbox else [not_there]
        if name in subscribed:
            attributes.append("\\Subscribed")
        if mailbox:
            attributes += uses.get(mailbox.id, ())
        if mailbox or name in parents:
            attributes.append(child_mbox_flag(name in parents))
        found = None
        if mailbox and name in selected:
            own = mailbox.account == owner.id
            found = Reached(mailbox, name, EVERY, owner.login, own) if own else guests[name]
        status = None
        if command.status and mailbox and found and found.may(Act.STATUS):
            try:
                status = StatusItems(name, await _status_items(conversation, mailbox, command.status))
            except MailboxMissing:
                attributes.insert(0, "\\NonExistent")
        child_info = ("SUBSCRIBED",) if name in recursive else ()
        core.untagged(ListResponse(tuple(attributes), DELIMITER, name, child_info=child_info))
        if status is not None:
            core.untagged(status)
        if found and ListReturn.MYRIGHTS in returns:
            core.untagged(MyRightsResponse(name, told(found.rights)))
        if command.metadata and found and found.may(Act.METADATA):
            notes = await noted(conversation, found)
            core.untagged(Metadata(name, tuple([(entry, notes.get(entry)) for entry in command.metadata])))
        await conversation.room()
    return ok(b"LIST completed")


async def _lsub(conversation: Conversation, command: List) -> Reply:
    """LSUB, with its odd rule for `%` (RFC 3501 §6.3.9)."""
    index, owner = conversation.context.store.index, conversation.owner
    existing = {mailbox.name for mailbox in await index.mailboxes(owner.id)}
    existing.update([one.name for one in await of_others(conversation)])
    names = set(await index.subscriptions(owner.id))
    pattern = _Patterns(command)
    for name in sorted(names.union(*map(_above, names)), key=_inbox_first):
        if name not in names and not pattern.ends_with_percent:
            continue
        if await pattern.matches(name):
            attributes = () if name in existing and name in names else ("\\Noselect",)
            conversation.core.untagged(ListResponse(attributes, DELIMITER, name, subscribed=True))
            await conversation.room()
    return ok(b"LSUB completed")


class _Patterns:
    """The patterns of a LIST, with their reference; lets others run after some work."""

    def __init__(self, command: List) -> None:
        """Raise CommandRefused if there are too many."""
        if len(command.patterns) > MAX_PATTERNS:
            raise CommandRefused(f"No more than {MAX_PATTERNS} patterns at a time", "LIMIT")
        # An empty one among several matches nothing (RFC 5258 §3).
        self._patterns = tuple({command.reference + pattern: None for pattern in command.patterns if pattern})
        self._looks = 0

    @property
    def ends_with_percent(self) -> bool:
        return any(pattern.endswith("%") for pattern in self._patterns)

    async def matches(self, name: str) -> bool:
        for pattern in self._patterns:
            self._looks += 1
            if self._looks % LOOKS_AT_ONCE == 0:
                await asyncio.sleep(0)
            if matches(pattern, name):
                return True
        return False


async def _parents_of_hidden(selected: Set[str], pattern: _Patterns) -> dict[str, bool]:
    """Return what has selected mailboxes below it, and whether one of them is not listed itself (RFC 5258 §3.5)."""
    hidden: dict[str, bool] = {}
    for name in selected:
        unlisted = not await pattern.matches(name)
        for parent in _above(name):
            hidden[parent] = hidden.get(parent, False) or unlisted
    return hidden


def _inbox_first(name: str) -> tuple[bool, str]:
    return name != INBOX, name


async def status(conversation: Conversation, command: Status) -> Reply:
    """Counters are kept by the store, so this is one small read."""
    mailbox = (await reach(conversation, command.mailbox, Act.STATUS)).mailbox
    items = await _status_items(conversation, mailbox, command.items)
    conversation.core.untagged(StatusItems(command.mailbox, items))
    return _STATUS_COMPLETED


def status_at_once(conversation: Conversation, command: Status) -> Reply | None:
    """Do the same without waiting, for what most ask of a mailbox of their own; None: nothing has been done."""
    selected = conversation.selected
    if selected is not None and selected.guest:
        return None
    known = _counted(command)
    if known is None:
        return None
    mailbox = conversation.context.store.index.mailbox_at_hand(conversation.owner.id, command.mailbox)
    if mailbox is None:
        return None
    pattern, values = known
    conversation.core.raw(pattern % values(mailbox))
    return _STATUS_COMPLETED


@lru_cache(maxsize=MAX_COUNTS)
def _counted(command: Status) -> tuple[bytes, Callable[[Mailbox], Any]] | None:
    """Return the answer and what fills it in, if this asks for nothing but what the store counts anyway."""
    fields = {item: _FIELDS.get(item, "") for item in command.items}
    if not command.mailbox.isascii() or "&" in command.mailbox or not all(fields.values()):
        return None
    head = write_response(StatusItems(command.mailbox, ())).removesuffix(b")\r\n").replace(b"%", b"%%")
    return head + b" ".join([b"%b %%d" % item.value for item in fields]) + b")\r\n", attrgetter(*fields.values())


_FIELDS = {
    StatusItem.MESSAGES: "messages",
    StatusItem.UIDNEXT: "uid_next",
    StatusItem.UIDVALIDITY: "uid_validity",
    StatusItem.UNSEEN: "unseen",
    StatusItem.SIZE: "size",
}
"""What the store keeps the count of."""

_STATUS_COMPLETED = ok(b"STATUS completed")


async def _status_items(
    conversation: Conversation, mailbox: Mailbox, wanted: tuple[StatusItem, ...]
) -> tuple[tuple[StatusItem, int | str], ...]:
    """Return what STATUS tells of a mailbox, each item once. Raises MailboxMissing if it has gone meanwhile."""
    if StatusItem.HIGHESTMODSEQ in wanted:
        conversation.aware()
    items: list[tuple[StatusItem, int | str]] = []
    deleted = None
    for item in dict.fromkeys(wanted):
        if item in _OF_DELETED:
            deleted = await _deleted(conversation, mailbox) if deleted is None else deleted
            items.append((item, deleted[item is StatusItem.DELETED_STORAGE]))
        elif item is StatusItem.APPENDLIMIT:
            items.append((item, conversation.context.options.max_message_size))
        else:
            items.append((item, _ITEMS[item](mailbox)))
    return tuple(items)


_OF_DELETED = StatusItem.DELETED, StatusItem.DELETED_STORAGE

_ITEMS: dict[StatusItem, Callable[[Mailbox], int | str]] = {
    StatusItem.MAILBOXID: object_id,
    StatusItem.MESSAGES: lambda mailbox: mailbox.messages,
    StatusItem.RECENT: lambda mailbox: 0,
    StatusItem.UIDNEXT: lambda mailbox: mailbox.uid_next,
    StatusItem.UIDVALIDITY: lambda mailbox: mailbox.uid_validity,
    StatusItem.UNSEEN: lambda mailbox: mailbox.unseen,
    StatusItem.SIZE: lambda mailbox: mailbox.size,
    StatusItem.HIGHESTMODSEQ: lambda mailbox: mailbox.highest_mod_seq,
}


async def _deleted(conversation: Conversation, mailbox: Mailbox) -> tuple[int, int]:
    """Return how many messages are \\Deleted, and their octets, of which the store keeps no count."""
    index, pace = conversation.context.store.index, Pace()
    _, uids = await index.uids(mailbox.id)
    count = octets = 0
    for start in range(0, len(uids), ROWS):
        columns = await index.columns(mailbox.id, [UID(uid) for uid in uids[start : start + ROWS]])
        sizes = [size for flags, size in zip(columns.flags, columns.sizes, strict=True) if DELETED in flags.split()]
        count, octets = count + len(sizes), octets + sum(sizes)
        await pace.turn()
    return count, octets


async def namespace(conversation: Conversation) -> Reply:
    """The user's own, and other users' (RFC 2342)."""
    conversation.core.untagged(Namespaces((("", DELIMITER),), ((OTHERS, DELIMITER),), None))
    return ok(b"NAMESPACE completed")


def _above(name: str) -> list[str]:
    """Return the names of all that is above a mailbox."""
    levels = name.split(DELIMITER)
    return [DELIMITER.join(levels[:depth]) for depth in range(1, len(levels))]
