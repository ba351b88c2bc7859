"""MESSAGELIMIT (RFC 9738): one command reaches so many messages, the newest of those it names, and says where it ended.

Rule 1: a command is cut to what it may reach before it is run; who runs it knows nothing of it. Rule 2: what must be
done whole or not at all (COPY, SORT, THREAD, a PARTIAL of too many) is refused instead. EXPUNGE, CLOSE and STATUS know
no limit (§3.1).
Rule 3: messages are answered for in ascending order as ever: which ones is what §3.1 asks for, the greatest UIDs, and a
client takes nothing from the code before the command has ended.
"""

from array import array

from msgspec.structs import replace

from ...imap.commands import Command, Copy, Expunge, Fetch, FindThreads, Move, NumSet, Search, Sort, Store
from ...imap.responses import Condition, MessageLimit, StatusResponse
from ...imap.view import MailboxView
from ...model.flags import DELETED
from ...model.ids import MAX_UID, UID
from ...model.numbers import SeqSet, UIDSet
from ...model.search import And, InUIDs, SearchKey
from .conversation import Conversation
from .matching import Scope, narrowed
from .reply import CommandRefused, Reply

_EVERYTHING = UIDSet(((1, MAX_UID),))


async def within(conversation: Conversation, command: Command) -> tuple[Command, MessageLimit | None]:
    """
    Return what of a command may be done in the selected mailbox, and what its client has to know if that is not all.

    Raises CommandRefused where it is all or nothing.
    """
    limit = conversation.context.options.message_limit
    if isinstance(command, Fetch) and command.partial is not None:
        first, last = command.partial
        if abs(last - first) >= limit:
            raise _too_many(MessageLimit(limit))
    selected = conversation.selected
    if selected is None or len(selected.view) <= limit:
        return command, None
    view = selected.view
    if isinstance(command, Fetch | Store | Copy | Move):
        try:
            uids = view.uids(command.numbers)
        except IndexError:
            return command, None  # it makes no sense anyway
        if isinstance(command, Fetch) and command.partial is not None or len(uids) <= limit:
            return command, None
        reached = MessageLimit(limit, UID(uids[-limit]))
        if isinstance(command, Copy):
            raise _too_many(reached)
        return replace(command, numbers=_from(view, uids[-limit:], command.numbers)), reached
    if isinstance(command, Expunge) and command.uids is not None:
        return await _expunge(conversation, command, view.uids(command.uids), limit)
    if isinstance(command, Search | Sort | FindThreads):
        key, lowest = searched(view, command.key, selected.saved, conversation, limit)
        if lowest is None:
            return command, None
        reached = MessageLimit(limit, lowest)
        if not isinstance(command, Search):
            raise _too_many(MessageLimit(limit))
        return replace(command, key=key), reached
    return command, None


def searched(
    view: MailboxView, key: SearchKey, saved: UIDSet, conversation: Conversation, limit: int
) -> tuple[SearchKey, UID | None]:
    """Return what may be searched of a mailbox, and from which UID on; the key as it is and None if that is all."""
    if len(view) <= limit:
        return key, None
    wanted = narrowed(key, Scope(view, conversation.context.wall_clock(), saved))
    try:
        uids = view.uids(_EVERYTHING if wanted is None else wanted)
    except IndexError:
        return key, None
    if len(uids) <= limit:
        return key, None
    lowest = UID(uids[-limit])
    bounds = UIDSet(
        tuple(
            [
                (max(low, lowest), high)
                for low, high in (wanted or _EVERYTHING).resolved(view.last_uid)
                if high >= lowest
            ]
        )
    )
    return And((InUIDs(bounds), key)), lowest


async def _expunge(
    conversation: Conversation, command: Expunge, uids: "array[int]", limit: int
) -> tuple[Command, MessageLimit | None]:
    """Cut UID EXPUNGE: only messages that are \\Deleted count."""
    if len(uids) <= limit:
        return command, None
    rows = await conversation.context.store.index.rows(conversation.open_mailbox.mailbox, [UID(uid) for uid in uids])
    deleted = [row.uid for row in rows if DELETED in row.flags.split()]
    if len(deleted) <= limit:
        return command, None
    return replace(command, uids=UIDSet.of(deleted[-limit:])), MessageLimit(limit, deleted[-limit])


def _from(view: MailboxView, uids: "array[int]", numbers: NumSet) -> NumSet:
    """Return what a set names from the first of these messages on; UIDs that are gone stay in it, for VANISHED."""
    if isinstance(numbers, UIDSet):
        first, ranges = uids[0], numbers.resolved(view.last_uid)
        return UIDSet(tuple([(max(low, first), high) for low, high in ranges if high >= first]))
    start = view.seq_of(UID(uids[0])) or 1
    return SeqSet(tuple([(max(low, start), high) for low, high in numbers.resolved(len(view)) if high >= start]))


def _too_many(reached: MessageLimit) -> CommandRefused:
    return CommandRefused(f"No more than {reached.limit} messages at a time, try fewer", reached)


def told(conversation: Conversation, reply: Reply | None, reached: MessageLimit | None) -> Reply | None:
    """Return the reply with the code, or with what it says itself: then the code goes before it (RFC 9738 §3.1)."""
    if reply is None or reached is None:
        return reply
    if reply.condition is Condition.OK and reply.code is None:
        return replace(reply, code=reached, text=b"%b for the last %d messages" % (reply.text, reached.limit))
    tell(conversation, reached)
    return reply


def tell(conversation: Conversation, reached: MessageLimit) -> None:
    """Say it beside what the command ends with."""
    conversation.core.untagged(StatusResponse(Condition.NO, reached, b"Not all messages that were named"))


__all__ = ["searched", "tell", "told", "within"]
