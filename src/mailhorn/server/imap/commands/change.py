"""STORE, EXPUNGE, COPY, MOVE and their UID forms (RFC 9051 §6.4.3, §6.4.6 to §6.4.9)."""

from array import array

from ....imap.commands import Copy, Expunge, Move, NumSet, Store, StoreMode
from ....imap.responses import Code, Condition, CopyUid, Modified, StatusResponse
from ....model.flags import NO_FLAGS, RECENT, flag_set
from ....model.ids import UID
from ....model.numbers import SeqSet, UIDSet
from ....model.rights import flags_allowed
from ....store.abc import Copied, MailboxMissing, TooManyFlags
from .. import uidonly
from ..conversation import Conversation, bad_sequence
from ..reach import Act, demand_selected, reach
from ..reply import CommandRefused, Reply, ok
from ..selected import Manner
from .quota import demand_room


async def store(conversation: Conversation, command: Store) -> Reply:
    """
    Tell the new flags of every message named, unless SILENT (RFC 9051 §6.4.6).

    If those that were named by number are all gone, that is said (RFC 2180 §4.2.2). Who knows mod-sequences is always
    told them, and with UNCHANGEDSINCE the flags of what had changed and was left alone (RFC 7162 §3.1.3).
    """
    since = command.unchanged_since
    if since is not None:
        conversation.aware()
    selected = conversation.writable_mailbox()
    by_uid = isinstance(command.numbers, UIDSet)
    uids = _uids(conversation, command.numbers)
    flags = flag_set(command.flags)
    if RECENT in flags:
        raise CommandRefused("\\Recent cannot be changed", "CANNOT")
    demand_selected(conversation, Act.STORE)
    may = flags_allowed(selected.rights)
    if may is not None and flags and not any(map(may, flags)) and command.mode is not StoreMode.REPLACE:
        raise CommandRefused("You have no right to change these flags here", "NOPERM")
    index = conversation.context.store.index
    add, remove = (NO_FLAGS, flags) if command.mode is StoreMode.REMOVE else (flags, NO_FLAGS)
    try:
        change = await index.set_flags(
            selected.mailbox, uids, add, remove, command.mode is StoreMode.REPLACE, since, may
        )
    except TooManyFlags as problem:
        raise CommandRefused(str(problem), "LIMIT") from None
    conversation.absorb(change, silent=True)
    plain = conversation.manner is Manner.PLAIN
    done = {update.uid for update in change.updated}
    if command.silent and plain:
        return ok(b"UID STORE completed" if by_uid else b"STORE completed")
    rows = await index.rows(selected.mailbox, uids if since is not None or not command.silent else sorted(done))
    selected.note(rows)
    refused: list[int] = []
    for row in rows:
        seq = selected.view.seq_of(row.uid)
        if seq is None:
            continue
        # One that was as asked already, and was changed since by somebody else, might as well have been refused.
        late = since is not None and row.mod_seq > since and row.uid not in done
        items = [b"UID %d" % row.uid] if (by_uid or not plain) and not conversation.uid_only else []
        if late or not command.silent:
            items.append(b"FLAGS (%b)" % row.flags.encode("ascii"))
        if not plain:
            items.append(b"MODSEQ (%d)" % row.mod_seq)
        if late:
            refused.append(row.uid if by_uid else seq)
        if not plain and row.mod_seq > selected.view.changed_to:
            continue  # somebody else came in between: the sync at the end of the command tells it
        conversation.core.raw(uidonly.fetched(conversation.uid_only, seq, row.uid) + b" ".join(items) + b")\r\n")
    missing = len(rows) < len(uids) and not by_uid
    if missing and (since is not None or not rows and not command.silent):
        text = b"Some of the messages have been expunged"
        return Reply(Condition.NO, Modified(SeqSet.of(refused)) if refused else Code("EXPUNGEISSUED"), text)
    code = Modified((UIDSet if by_uid else SeqSet).of(refused)) if refused else None
    return ok(b"UID STORE completed" if by_uid else b"STORE completed", code)


async def expunge(conversation: Conversation, command: Expunge) -> Reply:
    """Only messages that have \\Deleted, and with UID EXPUNGE only those named (RFC 4315 §2.1)."""
    selected = conversation.writable_mailbox()
    demand_selected(conversation, Act.EXPUNGE)
    uids = None if command.uids is None else _uids(conversation, command.uids)
    change = await conversation.context.store.index.expunge(selected.mailbox, uids)
    conversation.absorb(change, expunge=True)
    return ok(b"EXPUNGE completed" if uids is None else b"UID EXPUNGE completed")


async def copy(conversation: Conversation, command: Copy) -> Reply:
    """All of the messages or none (RFC 9051 §6.4.7); a UID that is not there is no error (§6.4.9)."""
    copied = await _copied(conversation, command)
    return ok(b"COPY completed", None if copied is None else _copy_uid(copied))


async def move(conversation: Conversation, command: Move) -> Reply:
    """COPYUID comes untagged before the EXPUNGEs (RFC 6851 §4.3)."""
    conversation.writable_mailbox()
    demand_selected(conversation, Act.TAKE)
    copied = await _copied(conversation, command)
    if copied is not None:
        conversation.core.untagged(StatusResponse(Condition.OK, _copy_uid(copied), b"Moved"))
        mailbox = conversation.open_mailbox.mailbox
        for change in copied.changes:
            if change.mailbox == mailbox:
                conversation.absorb(change, expunge=True)
    return ok(b"MOVE completed")


async def _copied(conversation: Conversation, command: Copy | Move) -> Copied | None:
    index = conversation.context.store.index
    source = conversation.open_mailbox.mailbox
    uids = _uids(conversation, command.numbers)
    found = await reach(conversation, command.mailbox, Act.APPEND, missing="TRYCREATE")
    target = found.mailbox
    within = isinstance(command, Move) and found.own and not conversation.open_mailbox.guest
    if conversation.context.options.quota and not within:
        rows, account = await index.rows(source, uids), target.account
        await demand_room(conversation, sum(row.size for row in rows), len(rows), account=account)
    try:
        copied = await index.copy(
            source,
            uids,
            target.id,
            isinstance(command, Move),
            whole=isinstance(command.numbers, SeqSet),
            may=flags_allowed(found.rights),
        )
    except MailboxMissing:
        raise CommandRefused("There is no such mailbox", "TRYCREATE") from None
    conversation.wrote(copied.target)
    return copied if copied.target else None


def _copy_uid(copied: Copied) -> CopyUid:
    first = copied.target[0]
    return CopyUid(first.uid_validity, UIDSet.of(copied.source), UIDSet.of(placed.uid for placed in copied.target))


def _uids(conversation: Conversation, numbers: NumSet) -> list[UID]:
    try:
        uids: array[int] = conversation.open_mailbox.view.uids(numbers)
    except IndexError as problem:
        raise bad_sequence(problem) from None
    return [UID(uid) for uid in uids]
