"""APPEND with CATENATE (RFC 4469): a message put together of texts and of what is there already.

Rule 1: a URL is looked up and copied when its turn comes, piece by piece, before any later text is let in; the first
that does not work ends the APPEND. Rule 2: nothing is marked \\Seen, and nothing of it is there before all of it is.
"""

import re

from msgspec.structs import replace

from ....imap.commands import Append, AppendStep, SectionText
from ....imap.responses import Code
from ....imap.url import MessageUrl, parse_message_url
from ....mime.header import header_fields
from ....mime.packed import part_range, unpack
from ....model.mailbox import Mailbox
from ....store.abc import MailboxMissing, MessageMissing, StoreUnavailable
from ..conversation import Conversation
from ..progress import Progress
from ..reach import Act, reach
from ..reply import CommandRefused, Reply
from ..sections import WHAT
from . import append

PIECE = 256 * 1024
"""Octets of a part that are copied at a time: what is put together may be bigger than memory."""

_UNSAFE = re.compile(rb"[\]\x00-\x20\x7f]")


async def step(conversation: Conversation, step: AppendStep) -> Reply | None:
    """Take what comes up to the next literal and let that come; or finish."""
    try:
        with Progress(conversation):
            await _take(conversation, step)
    except BaseException:
        append.drop(conversation)
        raise
    if step.size is None:
        return await append.finish(conversation)
    conversation.core.accept_append()
    conversation.pump.flush()
    return None


async def _take(conversation: Conversation, step: AppendStep) -> None:
    await _copy_all(conversation, step.urls)
    if step.closes:
        await _close(conversation)
    for message in step.whole:
        await _begin(conversation, message)
        await _close(conversation)
    if step.message is not None:
        await _begin(conversation, step.message)
    if step.size is not None and conversation.append is not None:
        command, staged = conversation.append
        if step.utf8 and not conversation.core.dialect.utf8:
            raise CommandRefused("UTF8 has to be enabled first: ENABLE UTF8=ACCEPT", "CLIENTBUG")
        conversation.append = (replace(command, binary=command.binary or step.binary), staged)
        _demand_size(conversation, step.size)


async def _begin(conversation: Conversation, message: Append) -> None:
    if conversation.append is not None:
        conversation.appended.append(conversation.append)
        conversation.append = None
    await append.look(conversation, message)
    conversation.append = (message, conversation.context.store.stage())
    await _copy_all(conversation, message.urls or ())


async def _close(conversation: Conversation) -> None:
    """Look again at a message that is whole, now that its size is known."""
    if conversation.append is None:
        raise RuntimeError("no message is under way")
    command, staged = conversation.append
    if not isinstance(staged, StoreUnavailable):
        command = replace(command, size=staged.size, urls=None)
        await append.look(conversation, command)
        conversation.append = (command, staged)


def _demand_size(conversation: Conversation, more: int) -> None:
    """Raise CommandRefused if the message under way would be too big (RFC 4469 §4.2)."""
    limit = conversation.context.options.max_message_size
    if conversation.append is None:
        raise RuntimeError("no message is under way")
    staged = conversation.append[1]
    if not isinstance(staged, StoreUnavailable) and staged.size + more > limit:
        raise CommandRefused(f"Messages may have {limit} octets at most", "TOOBIG")


async def _copy_all(conversation: Conversation, urls: tuple[bytes, ...]) -> None:
    selected = await _selected(conversation) if urls else None
    for url in urls:
        try:
            await _copy(conversation, parse_message_url(url, None if selected is None else selected.name), selected)
        except (ValueError, MailboxMissing, MessageMissing, _NotThere) as problem:
            raise _bad_url(url, str(problem)) from None


class _NotThere(Exception):
    """What a URL names is not there, or not for who asks."""


def _bad_url(url: bytes, why: str) -> CommandRefused:
    shown = _UNSAFE.sub(lambda found: b"%%%02X" % ord(found[0]), url) or b'""'
    return CommandRefused(f"A URL names nothing here: {why}", Code("BADURL", shown))


async def _selected(conversation: Conversation) -> Mailbox | None:
    """Return what is selected and may still be read: URLs may be relative to it (RFC 4469 §3)."""
    await conversation.renew()
    if conversation.selected is None or conversation.selected.revoked:
        return None
    return await conversation.context.store.index.mailbox_by_id(conversation.selected.mailbox)


async def _copy(conversation: Conversation, url: MessageUrl, selected: Mailbox | None) -> None:
    """Copy the octets that FETCH BODY would give (RFC 4469 §3)."""
    store = conversation.context.store
    mailbox = (await _mailbox(conversation, url, selected)).id
    found = await store.index.digests(mailbox, [url.uid])
    if not found:
        raise _NotThere("there is no such message")
    row, digest = found[0]
    where = part_range(unpack(digest.parts), url.section.part, WHAT[url.section.text])
    if where is None:
        raise _NotThere("the message has no such part")
    start, end = where[0], min(where[1], row.size)
    origin, count = url.partial or (0, None)
    if url.section.fields:
        inverse = url.section.text is SectionText.HEADER_FIELDS_NOT
        data = header_fields(await store.read(mailbox, url.uid, start, end), url.section.fields, inverse)
        _demand_size(conversation, len(data))
        append.take(conversation, data[origin : None if count is None else origin + count])
        return
    start = min(start + origin, end)
    end = end if count is None else min(end, start + count)
    _demand_size(conversation, end - start)
    with await store.open(mailbox, url.uid) as body:
        for at in range(start, end, PIECE):
            append.take(conversation, await body.read(at, min(at + PIECE, end)))


async def _mailbox(conversation: Conversation, url: MessageUrl, selected: Mailbox | None) -> Mailbox:
    """Return the mailbox of a URL, if it may be read and is still the one that is meant."""
    if url.mailbox is None and selected is not None:
        mailbox = selected
    else:
        try:
            mailbox = (await reach(conversation, url.mailbox or "", Act.SELECT)).mailbox
        except CommandRefused as refusal:
            raise _NotThere(str(refusal)) from None
    if url.uid_validity not in (None, mailbox.uid_validity):
        raise _NotThere("its UIDVALIDITY is another one")
    return mailbox


__all__ = ["step"]
