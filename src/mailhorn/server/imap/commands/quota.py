"""GETQUOTA and GETQUOTAROOT (RFC 9208), and what else has to do with how much an account may keep."""

from ....imap.commands import GetQuota, GetQuotaRoot
from ....imap.responses import Quota, QuotaRoots
from ....model.ids import AccountId
from ....model.mailbox import Mailbox, Usage
from ..conversation import Conversation
from ..reach import Act, reach
from ..reply import CommandRefused, Reply, ok

ROOT = b""
"""The one quota root of an account, for all of its mailboxes."""


async def get_quota(conversation: Conversation, command: GetQuota) -> Reply:
    """Tell what is used of what is limited."""
    if command.root != ROOT:
        raise CommandRefused("There is no such quota root", "NONEXISTENT")
    await _tell(conversation)
    return ok(b"GETQUOTA completed")


async def get_quota_root(conversation: Conversation, command: GetQuotaRoot) -> Reply:
    """All mailboxes of an account have the same."""
    found = await reach(conversation, command.mailbox, Act.QUOTA_ROOT)
    if not found.own:  # it counts for its owner, who alone is told how much that is
        conversation.core.untagged(QuotaRoots(command.mailbox, ()))
        return ok(b"GETQUOTAROOT completed")
    conversation.core.untagged(QuotaRoots(command.mailbox, (ROOT,)))
    await _tell(conversation)
    return ok(b"GETQUOTAROOT completed")


async def _tell(conversation: Conversation) -> None:
    """Send QUOTA; STORAGE counts units of 1,024 octets (RFC 9208 §5.1)."""
    limits, usage = conversation.context.options.quota, await _usage(conversation)
    resources = (
        ("STORAGE", -(-usage.octets // 1024), limits.storage // 1024),
        ("MESSAGE", usage.messages, limits.messages),
        ("MAILBOX", usage.mailboxes, limits.mailboxes),
    )
    conversation.core.untagged(Quota(ROOT, tuple([resource for resource in resources if resource[2]])))


async def demand_room(
    conversation: Conversation, octets: int = 0, messages: int = 0, mailboxes: int = 0, account: AccountId | None = None
) -> None:
    """Raise CommandRefused if the account, one's own if none is given, may not keep so much more."""
    limits = conversation.context.options.quota
    if limits:
        problem = limits.exceeded(await _usage(conversation, account), octets, messages, mailboxes)
        if problem is not None:
            raise CommandRefused(problem, "OVERQUOTA")


async def same_account(conversation: Conversation, mailbox: Mailbox) -> bool:
    """Say whether the selected mailbox counts for the same account as another: a message that moves is no more then."""
    selected = conversation.open_mailbox
    if not selected.guest:
        return mailbox.account == conversation.owner.id
    source = await conversation.context.store.index.mailbox_by_id(selected.mailbox)
    return source is not None and source.account == mailbox.account


async def _usage(conversation: Conversation, account: AccountId | None = None) -> Usage:
    return await conversation.context.store.index.usage(conversation.owner.id if account is None else account)
