"""APPEND (RFC 9051 §6.3.12): the message is streamed into the store's staging, never whole in memory here.

What has NUL in it (BINARY, RFC 3516 §4.4) is kept with those parts in base64, as BODY[...] could not show it otherwise.
"""

import asyncio
from collections.abc import Sequence

from ....imap.commands import Append
from ....imap.responses import AppendUid, Condition, StatusResponse
from ....mime.encode import without_nul
from ....model.flags import MAX_FLAGS
from ....model.ids import UID
from ....model.message import MessageRow, Placed, Placement
from ....model.numbers import UIDSet
from ....model.rights import flags_allowed
from ....store.abc import MailboxMissing, StagedBlob, StoreUnavailable
from .. import names
from ..conversation import Conversation, bad_sequence
from ..progress import Progress
from ..reach import Act, Reached, demand_selected, reach
from ..reply import CommandRefused, Reply, ok
from ..uidonly import demand_uids
from .quota import demand_room, same_account

MAX_MESSAGES = 100
"""Of one APPEND: each waits for the last, in memory if it is small."""


async def begin(conversation: Conversation, command: Append, more: bool) -> None:
    """Look whether the message may come before any of it does; refuse it else, and those of this APPEND before it."""
    try:
        if more and conversation.append is not None:
            conversation.appended.append(conversation.append)
            conversation.append = None
        await look(conversation, command)
    except BaseException:
        drop(conversation)
        raise
    conversation.append = (command, conversation.context.store.stage())
    conversation.core.accept_append()
    conversation.pump.flush()


async def look(conversation: Conversation, command: Append) -> None:
    """Look whether a message may come, as far as is known of it. Raises CommandRefused, BadArguments."""
    context, before = conversation.context, conversation.appended
    demand_uids(conversation, command)
    if len(before) >= MAX_MESSAGES:
        raise CommandRefused(f"No more than {MAX_MESSAGES} messages at a time", "LIMIT")
    if command.size > context.options.max_message_size:
        raise CommandRefused(f"Messages may have {context.options.max_message_size} octets at most", "TOOBIG")
    if command.utf8 and not conversation.core.dialect.utf8:  # RFC 6855 §4; docs/reference/rev2.md
        raise CommandRefused("UTF8 has to be enabled first: ENABLE UTF8=ACCEPT", "CLIENTBUG")
    if command.size == 0 and command.urls is None:
        raise CommandRefused("An empty message cannot be stored", "CANNOT")
    if len(command.flags) > MAX_FLAGS:
        raise CommandRefused(f"A message may have {MAX_FLAGS} flags at most", "LIMIT")
    target = await _target(conversation, command)
    size = command.size + sum(earlier.size for earlier, _ in before)
    replaced = await _replaced(conversation, command)
    if replaced is not None:
        if await same_account(conversation, target.mailbox):
            size = max(0, size - replaced.size)
        else:  # what goes counts for somebody else
            replaced = None
    messages = len(before) + (replaced is None)
    await demand_room(conversation, octets=size, messages=messages, account=target.mailbox.account)


async def _replaced(conversation: Conversation, command: Append) -> MessageRow | None:
    """Return the message that is to be replaced, None if it is no REPLACE. Raises CommandRefused, BadArguments."""
    if command.replaces is None:
        return None
    await conversation.renew()
    selected = conversation.writable_mailbox()
    demand_selected(conversation, Act.TAKE)
    try:
        uids = selected.view.uids(command.replaces)
    except IndexError as problem:
        raise bad_sequence(problem) from None
    rows = await conversation.context.store.index.rows(selected.mailbox, [UID(uid) for uid in uids])
    if len(rows) != 1:
        raise CommandRefused("There is no such message", "EXPUNGEISSUED" if uids else "NONEXISTENT")
    return rows[0]


def take(conversation: Conversation, data: bytes) -> None:
    """Take the next bytes of the message. If the disk will not have them, the client learns it at the end."""
    if conversation.append is None:
        return
    command, staged = conversation.append
    if not isinstance(staged, StoreUnavailable):
        try:
            staged.write(data)
        except StoreUnavailable as problem:
            conversation.append = (command, problem)


def drop(conversation: Conversation) -> None:
    """Forget a message that did not come to its end."""
    left = [*conversation.appended, *([] if conversation.append is None else [conversation.append])]
    conversation.append, conversation.appended = None, []
    for _, staged in left:
        if not isinstance(staged, StoreUnavailable):
            staged.discard()


async def finish(conversation: Conversation) -> Reply:
    """Make the message part of the mailbox; the answer means that it survives a power cut."""
    with Progress(conversation):
        return await _finish(conversation)


async def _finish(conversation: Conversation) -> Reply:
    if conversation.append is None:
        raise RuntimeError("the end of an APPEND that was not accepted")
    if conversation.appended or conversation.append[0].replaces is not None:
        return await _finish_all(conversation)
    (command, staged), conversation.append = conversation.append, None
    if isinstance(staged, StoreUnavailable):
        raise staged
    context = conversation.context
    try:
        target = await _target(conversation, command)
    except BaseException:
        staged.discard()
        raise
    if command.binary:
        staged = await _without_nul(conversation, staged)
    date = int(context.wall_clock()) if command.internal_date is None else command.internal_date
    try:
        (placed,) = await context.store.append(staged, (_placement(target, command),), date)
    except MailboxMissing:
        raise CommandRefused("There is no such mailbox", "TRYCREATE") from None
    conversation.wrote((placed,))
    conversation.came(placed.mailbox, (placed.uid,), "APPEND")
    return ok(b"APPEND completed", _append_uid(target, (placed,)))


async def _finish_all(conversation: Conversation) -> Reply:
    """Make all messages parts of the mailbox, or none (RFC 3502 §6.3.11)."""
    context, ready = conversation.context, list[tuple[StagedBlob, Placement, int]]()
    coming = [*conversation.appended, *([] if conversation.append is None else [conversation.append])]
    try:
        target = await _target(conversation, coming[0][0])
        row = await _replaced(conversation, coming[0][0])
        replacing = None if row is None else (conversation.open_mailbox.mailbox, row.uid)
        now = int(context.wall_clock())
        for number, (command, staged) in enumerate(coming):
            if isinstance(staged, StoreUnavailable):
                raise staged
            if command.binary:
                staged = await _without_nul(conversation, staged)
                coming[number] = (command, staged)
            date = now if command.internal_date is None else command.internal_date
            ready.append((staged, _placement(target, command), date))
    except BaseException:
        conversation.append, conversation.appended = None, coming
        drop(conversation)
        raise
    conversation.append, conversation.appended = None, []
    try:
        placed = await context.store.append_together(ready, replacing)
    except MailboxMissing:
        raise CommandRefused("There is no such mailbox", "TRYCREATE") from None
    conversation.wrote(placed)
    conversation.came(target.mailbox.id, [place.uid for place in placed], "APPEND")
    code = _append_uid(target, placed)
    if replacing is None:
        return ok(b"APPEND completed", code)
    conversation.core.untagged(StatusResponse(Condition.OK, code, b"Replaced"))  # RFC 8508 §3.2: before EXPUNGE
    return ok(b"REPLACE completed")


def _append_uid(target: Reached, placed: Sequence[Placed]) -> AppendUid | None:
    """Return what the messages have become; nothing to who may not open the mailbox (RFC 9051 §6.3.12)."""
    if not target.may(Act.SELECT):
        return None
    return AppendUid(placed[0].uid_validity, UIDSet.of([place.uid for place in placed]))


async def _without_nul(conversation: Conversation, staged: StagedBlob) -> StagedBlob:
    """Return the message as an answer can hold it; the same if it has no NUL, which is found out in a thread."""
    try:
        pieces = await asyncio.to_thread(lambda: without_nul(staged.view()))
    except BaseException:
        staged.discard()
        raise
    if pieces is not None and sum(map(len, pieces)) == staged.size:
        return staged
    staged.discard()
    if pieces is None:
        raise CommandRefused("There is a NUL outside of the parts that are binary", "UNKNOWN-CTE")
    encoded = conversation.context.store.stage()
    try:
        for piece in pieces:
            encoded.write(piece)
    except BaseException:
        encoded.discard()
        raise
    return encoded


def _placement(target: Reached, command: Append) -> Placement:
    """Return where the message goes, without the flags that there is no right to set (RFC 4314 §4)."""
    may = flags_allowed(target.rights)
    flags = command.flags if may is None else frozenset(filter(may, command.flags))
    return Placement(target.mailbox.id, flags)


async def _target(conversation: Conversation, command: Append) -> Reached:
    name = await names.normal(conversation, command.mailbox)
    return await reach(conversation, name, Act.APPEND, missing="TRYCREATE")
