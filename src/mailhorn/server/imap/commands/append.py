"""APPEND (RFC 9051 §6.3.12): the message is streamed into the store's staging, never whole in memory here.

What has NUL in it (BINARY, RFC 3516 §4.4) is kept with those parts in base64, as BODY[...] could not show it otherwise.
"""

import asyncio

from ....imap.commands import Append
from ....imap.responses import AppendUid
from ....mime.encode import without_nul
from ....model.flags import MAX_FLAGS
from ....model.ids import MailboxId
from ....model.message import Placement
from ....model.numbers import UIDSet
from ....store.abc import MailboxMissing, StagedBlob, StoreUnavailable
from ..conversation import Conversation
from ..reply import CommandRefused, Reply, ok
from .quota import demand_room


async def begin(conversation: Conversation, command: Append) -> None:
    """Look whether the message may come before any of it does; refuse it else."""
    context = conversation.context
    if command.size > context.options.max_message_size:
        raise CommandRefused(f"Messages may have {context.options.max_message_size} octets at most", "TOOBIG")
    if command.size == 0:
        raise CommandRefused("An empty message cannot be stored", "CANNOT")
    if len(command.flags) > MAX_FLAGS:
        raise CommandRefused(f"A message may have {MAX_FLAGS} flags at most", "LIMIT")
    await _target(conversation, command)
    await demand_room(conversation, octets=command.size, messages=1)
    conversation.append = (command, context.store.stage())
    conversation.core.accept_append()
    conversation.pump.flush()


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
    if conversation.append is not None:
        _, staged = conversation.append
        if not isinstance(staged, StoreUnavailable):
            staged.discard()
        conversation.append = None


async def finish(conversation: Conversation) -> Reply:
    """Make the message part of the mailbox; the answer means that it survives a power cut."""
    if conversation.append is None:
        raise RuntimeError("the end of an APPEND that was not accepted")
    (command, staged), conversation.append = conversation.append, None
    if isinstance(staged, StoreUnavailable):
        raise staged
    context = conversation.context
    try:
        mailbox = await _target(conversation, command)
    except BaseException:
        staged.discard()
        raise
    if command.binary:
        staged = await _without_nul(conversation, staged)
    date = int(context.wall_clock()) if command.internal_date is None else command.internal_date
    try:
        (placed,) = await context.store.append(staged, (Placement(mailbox, command.flags),), date)
    except MailboxMissing:
        raise CommandRefused("There is no such mailbox", "TRYCREATE") from None
    return ok(b"APPEND completed", AppendUid(placed.uid_validity, UIDSet.of((placed.uid,))))


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


async def _target(conversation: Conversation, command: Append) -> MailboxId:
    mailbox = await conversation.context.store.index.mailbox(conversation.owner.id, command.mailbox)
    if mailbox is None:
        raise CommandRefused("There is no such mailbox", "TRYCREATE")
    return mailbox.id
