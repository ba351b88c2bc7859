"""SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS (RFC 4314 §3).

Of a mailbox the owner has all rights, whatever is said, and the list names him first. Others are accounts of this
server and `anyone`; each may have negative rights as well. Which rights there are, and how they add up: `model.rights`.
"""

from collections.abc import Callable

from ....imap.commands import AclChange, DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
from ....imap.responses import AclResponse, ListRightsResponse, MyRightsResponse
from ....model.rights import ALL, ANYONE, EVERY, VIRTUAL, Acl, Rights, parse_rights, spelled, told
from ....sasl.saslprep import saslprep
from ....store.abc import MAX_ACL, TooManyNotes
from ..conversation import Conversation
from ..reach import Act, Reached, reach
from ..reply import BadArguments, CommandRefused, Reply, ok

GRANTED = (*ALL, *VIRTUAL)
"""What can be granted to anybody but the owner, each right by itself (RFC 4314 §3.7, §2.1.1)."""


async def set_acl(conversation: Conversation, command: SetAcl) -> Reply:
    """Grant rights, or take them away; who is left without any is not on the list any more."""
    try:
        rights = parse_rights(command.rights)
    except ValueError as problem:
        raise BadArguments(f"The {problem} right is not supported") from None
    identifier = _prepared(command.identifier)
    found = await reach(conversation, command.mailbox, Act.SET_ACL)
    if identifier.removeprefix("-") == found.owner:
        if identifier != found.owner or _changed(EVERY, rights, command.change) != EVERY:
            raise CommandRefused("The owner has all rights always", "CANNOT")
        return ok(b"SETACL completed")
    await _demand_somebody(conversation, identifier)
    await _change(conversation, found, identifier, lambda before: _changed(before, rights, command.change))
    return ok(b"SETACL completed")


async def delete_acl(conversation: Conversation, command: DeleteAcl) -> Reply:
    """Take somebody off the list; who is not on it is no error."""
    identifier = _prepared(command.identifier)
    found = await reach(conversation, command.mailbox, Act.SET_ACL)
    if identifier == found.owner:
        raise CommandRefused("The owner has all rights always", "CANNOT")
    await _change(conversation, found, identifier, lambda before: frozenset())
    return ok(b"DELETEACL completed")


async def get_acl(conversation: Conversation, command: GetAcl) -> Reply:
    """Tell the list, the owner first."""
    found = await reach(conversation, command.mailbox, Act.GET_ACL)
    acl = await conversation.context.store.index.acl(found.mailbox.id)
    entries = ((found.owner, told(EVERY)), *((name, told(acl[name])) for name in acl))
    conversation.core.untagged(AclResponse(command.mailbox, entries))
    return ok(b"GETACL completed")


async def list_rights(conversation: Conversation, command: ListRights) -> Reply:
    """Tell what somebody can be granted; the owner has it all."""
    identifier = _prepared(command.identifier)
    found = await reach(conversation, command.mailbox, Act.GET_ACL)
    if identifier == found.owner:
        answer = ListRightsResponse(command.mailbox, command.identifier, told(EVERY), ())
    else:
        await _demand_somebody(conversation, identifier)
        answer = ListRightsResponse(command.mailbox, command.identifier, "", GRANTED)
    conversation.core.untagged(answer)
    return ok(b"LISTRIGHTS completed")


async def my_rights(conversation: Conversation, command: MyRights) -> Reply:
    """Tell what may be done."""
    found = await reach(conversation, command.mailbox, Act.MY_RIGHTS)
    conversation.core.untagged(MyRightsResponse(command.mailbox, told(found.rights)))
    return ok(b"MYRIGHTS completed")


def _prepared(identifier: str) -> str:
    """Return the identifier as it is compared. Raises BadArguments: nobody can be called that (RFC 4314 §3)."""
    try:
        prepared = saslprep(identifier).strip().lower()
    except ValueError as problem:
        raise BadArguments(f"The identifier cannot be prepared: {problem}") from None
    if not prepared.removeprefix("-"):
        raise BadArguments("The identifier is empty")
    return prepared


async def _demand_somebody(conversation: Conversation, identifier: str) -> None:
    """Raise CommandRefused if nobody is called that: a slip would share with nobody, or with the next of that name."""
    name = identifier.removeprefix("-")
    if name == ANYONE:
        return
    if name.startswith("-") or await conversation.context.store.index.account(name) is None:
        raise CommandRefused("There is nobody of that name here; groups there are none", "CANNOT")


def _changed(before: Rights, rights: Rights, change: AclChange) -> Rights:
    match change:
        case AclChange.ADD:
            return before | rights
        case AclChange.REMOVE:
            return before - rights
        case AclChange.REPLACE:
            return rights


async def _change(
    conversation: Conversation, found: Reached, identifier: str, change: Callable[[Rights], Rights]
) -> None:
    """Change what one identifier has; and have those look again who have the mailbox open."""

    def changed(acl: Acl) -> Acl:
        rights = change(frozenset(acl.get(identifier, "")))
        rest = {name: letters for name, letters in acl.items() if name != identifier}
        return {**rest, identifier: spelled(rights)} if rights else rest

    try:
        await conversation.context.store.index.set_acl(found.mailbox.id, changed)
    except TooManyNotes:
        raise CommandRefused(f"A mailbox can be shared with {MAX_ACL} at most", "LIMIT") from None
    await _stir(conversation, found, identifier.removeprefix("-"))
    for session in conversation.context.sessions:
        if isinstance(session, Conversation) and session is not conversation:
            selected = session.selected
            if selected is not None and selected.guest and selected.mailbox == found.mailbox.id:
                selected.unsure, selected.channel.acl = True, None
                session.wake()


async def _stir(conversation: Conversation, found: Reached, identifier: str) -> None:
    """Have those see again which mailboxes there are for whom there may be others now (RFC 5465 §5.4, §5.9)."""
    context = conversation.context
    if identifier == ANYONE:
        context.hub.stir_all()
    elif context.hub.overseen:
        account = await context.store.index.account(identifier)
        context.hub.stir(() if account is None else (account.id,), (found.mailbox.id,))
