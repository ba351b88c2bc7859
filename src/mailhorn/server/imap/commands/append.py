"""APPEND (RFC 9051 §6.3.12): the message is streamed into the store's staging, never whole in memory here."""

from ....imap.commands import Append
from ....imap.responses import AppendUid
from ....model.flags import MAX_FLAGS
from ....model.ids import MailboxId
from ....model.message import Placement
from ....model.numbers import UIDSet
from ....store.abc import MailboxMissing, StoreUnavailable
from ..conversation import Conversation
from ..reply import CommandRefused, Reply, ok


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
    date = int(context.wall_clock()) if command.internal_date is None else command.internal_date
    try:
        (placed,) = await context.store.append(staged, (Placement(mailbox, command.flags),), date)
    except MailboxMissing:
        raise CommandRefused("There is no such mailbox", "TRYCREATE") from None
    return ok(b"APPEND completed", AppendUid(placed.uid_validity, UIDSet.of((placed.uid,))))


async def _target(conversation: Conversation, command: Append) -> MailboxId:
    mailbox = await conversation.context.store.index.mailbox(conversation.owner.id, command.mailbox)
    if mailbox is None:
        raise CommandRefused("There is no such mailbox", "TRYCREATE")
    return mailbox.id
