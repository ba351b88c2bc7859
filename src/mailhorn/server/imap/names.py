"""Mailbox names of clients that enabled UTF-8 (RFC 9051 §5.1, §6.3.9.7; RFC 6855 §3).

Rule 1: a name that is not in normal form C means the mailbox that is called so, octet for octet, if there is one (it
came with a Maildir); else it means its normal form, in every command. So no two mailboxes come to be that look alike.
Rule 2: who enabled IMAP4rev2 is told by LIST what SELECT has opened, and with OLDNAME what was made of a name.
Rule 3: who enabled nothing writes modified UTF-7, of which the very form is kept (RFC 3501 §5.1.3).
"""

import unicodedata
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ...imap.commands import Append, Command, Delete, List, MultiSearch, Notify, Rename, Select, Simple
from ...imap.grammar.ext.children import child_mbox_flag
from ...imap.responses import Condition, ListResponse
from ...model.mailbox import DELIMITER
from ...store.abc import StoreError
from . import special_use
from .conversation import Conversation
from .reach import OTHERS, Act, of_others, reach
from .reply import CommandRefused, Reply


async def normal(conversation: Conversation, name: str) -> str:
    """Return what a name means. Raises StoreUnavailable."""
    if not conversation.core.dialect.utf8 or name.isascii() or unicodedata.is_normalized("NFC", name):
        return name
    try:
        await reach(conversation, name, Act.LIST)
    except CommandRefused:  # there is none that may be seen
        return unicodedata.normalize("NFC", name)
    return name


async def normalised(conversation: Conversation, command: Command) -> Command:
    """Return the command with what its names mean, the very same if they mean themselves. Raises StoreUnavailable."""
    if isinstance(command, List):
        return _listing(command)
    if isinstance(command, MultiSearch):
        return await _searching(conversation, command)
    if isinstance(command, Notify):
        return await _watching(conversation, command)
    name = getattr(command, "mailbox", None)
    if not isinstance(name, str) or isinstance(command, Simple):
        return command
    meant = await normal(conversation, name)
    if isinstance(command, Rename):
        new_name = await normal(conversation, command.new_name)
        return command if (meant, new_name) == (name, command.new_name) else Rename(meant, new_name)
    return command if meant == name else _called(command, meant)


async def tell(conversation: Conversation, given: Command, meant: Command) -> None:
    """Tell what was opened, or what was made of a name, after a command that has succeeded, and stays so."""
    if not conversation.core.dialect.rev2 or (given is meant and not isinstance(meant, Select)):
        return
    name, old_name = getattr(meant, "mailbox", None), getattr(given, "mailbox", None)
    if not isinstance(name, str) or not isinstance(old_name, str):
        return
    renamed = isinstance(meant, Rename)
    new_name = meant.new_name.removesuffix(DELIMITER) if isinstance(meant, Rename) else name
    if isinstance(meant, Delete):
        attributes: tuple[str, ...] = ("\\NonExistent",)
    else:
        attributes = await _attributes(conversation, new_name)
    old = old_name if renamed or old_name != name else None
    conversation.core.untagged(ListResponse(attributes, DELIMITER, new_name, old_name=old))


async def tell_appended(conversation: Conversation, work: Coroutine[None, None, Reply | None]) -> Reply | None:
    """Finish an APPEND, and tell what was made of its mailbox's name."""
    command = conversation.core.running
    reply = await work
    if isinstance(command, Append) and reply is not None and reply.condition is Condition.OK:
        with suppress(StoreError):  # the message is there all the same
            meant = await normal(conversation, command.mailbox)
            await tell(conversation, command, command if meant == command.mailbox else replace(command, mailbox=meant))
    return reply


async def _attributes(conversation: Conversation, name: str) -> tuple[str, ...]:
    """Return what LIST tells of a mailbox that exists; nothing if the store cannot say: it is said for courtesy."""
    try:
        return await _looked_up(conversation, name)
    except StoreError:
        return ()


async def _looked_up(conversation: Conversation, name: str) -> tuple[str, ...]:
    index, owner = conversation.context.store.index, conversation.owner
    mailboxes = await index.mailboxes(owner.id)
    called = [one.name for one in mailboxes]
    uses: tuple[str, ...] = ()
    mailbox = next((one for one in mailboxes if one.name == name), None)
    if mailbox is not None:
        uses = special_use.uses_of(mailboxes, await index.noted(owner.id, special_use.ENTRY)).get(mailbox.id, ())
    elif name.startswith(OTHERS):
        called = [one.name for one in await of_others(conversation)]
    return (*uses, child_mbox_flag(any(one.startswith(name + DELIMITER) for one in called)))


def _listing(command: List) -> List:
    given = (command.reference, *command.patterns)
    if all(name.isascii() for name in given):
        return command
    reference, *patterns = [unicodedata.normalize("NFC", name) for name in given]
    pattern = patterns[0] if isinstance(command.pattern, str) else tuple(patterns)
    return replace(command, reference=reference, pattern=pattern)


async def _searching(conversation: Conversation, command: MultiSearch) -> MultiSearch:
    given = [name for source in command.sources for name in source.mailboxes]
    if all(name.isascii() for name in given):
        return command
    meant = {name: await normal(conversation, name) for name in given}
    sources = [
        replace(source, mailboxes=tuple([meant[name] for name in source.mailboxes])) for source in command.sources
    ]
    return replace(command, sources=tuple(sources))


async def _watching(conversation: Conversation, command: Notify) -> Notify:
    groups = command.groups or ()
    if all(name.isascii() for group in groups for name in group.names):
        return command
    meant = [
        replace(group, names=tuple([await normal(conversation, name) for name in group.names])) for group in groups
    ]
    return replace(command, groups=tuple(meant))


def _called(command: Command, name: str) -> Command:
    """Return the command with another mailbox; the caller knows that it has one."""
    named: Any = command
    called: Command = replace(named, mailbox=name)
    return called


__all__ = ["normal", "normalised", "tell", "tell_appended"]
