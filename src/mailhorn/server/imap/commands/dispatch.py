"""Which function does which command: this table is the list of what the server can."""

from collections.abc import Awaitable, Callable
from typing import Any

from ....imap.commands import (
    Authenticate,
    CancelUpdate,
    Command,
    Compress,
    Copy,
    Create,
    Delete,
    DeleteAcl,
    Enable,
    Expunge,
    Fetch,
    FindThreads,
    GetAcl,
    GetMetadata,
    GetQuota,
    GetQuotaRoot,
    Id,
    Keyword,
    List,
    ListRights,
    Login,
    Move,
    MultiSearch,
    MyRights,
    Notify,
    Rename,
    Search,
    Select,
    SetAcl,
    SetMetadata,
    Simple,
    Sort,
    Status,
    Store,
    Subscribe,
)
from ....imap.responses import Condition, MessageLimit
from .. import messagelimit, names
from ..conversation import Conversation
from ..progress import Progress
from ..reply import CommandRefused, Reply
from ..uidonly import demand_uids
from . import acl, auth, change, connection, fetch, idle, mailboxes, metadata, notify, quota, search, select

_WORDS: dict[Keyword, Callable[[Conversation], Awaitable[Reply | None]]] = {
    Keyword.CAPABILITY: connection.capability,
    Keyword.NOOP: connection.noop,
    Keyword.LOGOUT: connection.logout,
    Keyword.STARTTLS: auth.start_tls,
    Keyword.UNAUTHENTICATE: auth.unauthenticate,
    Keyword.NAMESPACE: mailboxes.namespace,
    Keyword.IDLE: idle.begin,
    Keyword.CHECK: select.check,
    Keyword.CLOSE: select.close,
    Keyword.UNSELECT: select.unselect,
}

# Each function takes the class it stands beside, which a dict cannot say.
_COMMANDS: dict[type[Command], Callable[[Conversation, Any], Awaitable[Reply | None]]] = {
    Login: auth.login,
    Authenticate: auth.authenticate,
    Enable: connection.enable,
    Compress: connection.compress,
    Id: connection.identify,
    Select: select.select,
    Create: mailboxes.create,
    Delete: mailboxes.delete,
    Rename: mailboxes.rename,
    Subscribe: mailboxes.subscribe,
    List: mailboxes.list_,
    Status: mailboxes.status,
    Expunge: change.expunge,
    Search: search.search,
    Sort: search.sort,
    FindThreads: search.thread,
    MultiSearch: search.multi_search,
    CancelUpdate: search.cancel_update,
    Notify: notify.notify,
    Fetch: fetch.fetch,
    Store: change.store,
    Copy: change.copy,
    Move: change.move,
    GetMetadata: metadata.get_metadata,
    SetMetadata: metadata.set_metadata,
    GetQuota: quota.get_quota,
    GetQuotaRoot: quota.get_quota_root,
    SetAcl: acl.set_acl,
    DeleteAcl: acl.delete_acl,
    GetAcl: acl.get_acl,
    ListRights: acl.list_rights,
    MyRights: acl.my_rights,
}

_LONG = (Search, Sort, FindThreads, MultiSearch, Store, Copy, Move, Expunge, Delete, Rename)
"""What may take long before it says anything: it is told how far it is. Of FETCH the answers themselves tell that."""


async def run(conversation: Conversation, command: Command) -> Reply | None:
    """Do the command; None means that its answer comes later (IDLE, AUTHENTICATE)."""
    if isinstance(command, Simple):
        return await _WORDS[command.keyword](conversation)
    if not conversation.core.dialect.utf8:
        return await _run(conversation, command)
    meant = await names.normalised(conversation, command)
    reply = await _run(conversation, meant)
    if reply is not None and reply.condition is Condition.OK:
        await names.tell(conversation, command, meant)
    return reply


async def _run(conversation: Conversation, command: Command) -> Reply | None:
    if conversation.uid_only and not isinstance(command, Select):  # which looks itself, after it has deselected
        demand_uids(conversation, command)
    if conversation.selected is not None and conversation.selected.guest:
        await conversation.renew()
    command = await search.spelled_out(conversation, command)
    reached = None
    if conversation.selected is not None:
        command, reached = await messagelimit.within(conversation, command)
    if isinstance(command, _LONG):
        with Progress(conversation):
            return await _within(conversation, command, reached)
    return await _within(conversation, command, reached)


async def _within(conversation: Conversation, command: Command, reached: MessageLimit | None) -> Reply | None:
    try:
        reply = await _COMMANDS[type(command)](conversation, command)
    except CommandRefused:
        if reached is not None:
            messagelimit.tell(conversation, reached)
        raise
    return messagelimit.told(conversation, reply, reached)
