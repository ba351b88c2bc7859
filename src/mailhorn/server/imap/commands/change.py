"""STORE, EXPUNGE, COPY, MOVE and their UID forms (RFC 9051 §6.4.3, §6.4.6 to §6.4.9)."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from typing import cast

from ....imap.commands import Attribute, Copy, Expunge, Move, NumSet, Store, StoreMode
from ....imap.responses import Code, Condition, CopyUid, Modified, StatusResponse
from ....model.change import Change, FlagUpdate
from ....model.flags import NO_FLAGS, RECENT, Flags, flag_set
from ....model.ids import UID
from ....model.numbers import SeqSet, UIDSet
from ....model.rights import flags_allowed
from ....store.abc import Columns, Copied, MailboxMissing, StoreError, StoreUnavailable, TooManyFlags
from .. import uidonly
from ..answers import Answers
from ..conversation import Conversation, bad_sequence
from ..pace import Pace
from ..ranges import ranges_of
from ..reach import Act, Reached, demand_selected, reach
from ..reply import CommandRefused, Reply, ok
from ..selected import Manner, Selected
from .quota import demand_room, same_account


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
    work = _Storing(conversation, selected, command, by_uid)
    add, remove = (NO_FLAGS, flags) if command.mode is StoreMode.REMOVE else (flags, NO_FLAGS)

    async def changed(some: Sequence[UID]) -> tuple[dict[UID, Flags], Change]:
        before = await conversation.flags_before(selected.mailbox, some)
        replace = command.mode is StoreMode.REPLACE
        index = conversation.context.store.index
        return before, await index.set_flags(selected.mailbox, some, add, remove, replace, since, may)

    parts = [uids[start : start + SLICE] for start in range(0, len(uids), SLICE)]
    ahead: asyncio.Task[tuple[dict[UID, Flags], Change]] | None = None
    try:
        for number, some in enumerate(parts, 1):
            before, change = await (changed(some) if ahead is None else ahead)
            ahead = asyncio.create_task(changed(parts[number])) if number < len(parts) else None
            conversation.absorb(change, silent=True)
            conversation.flagged(change, before)
            if not (command.silent and conversation.manner is Manner.PLAIN):
                await work.tell(some, change)
            await conversation.room()
    except TooManyFlags as problem:
        raise CommandRefused(str(problem), "LIMIT") from None
    finally:
        if ahead is not None:
            ahead.cancel()
    numbers = (UIDSet if by_uid else SeqSet)(await ranges_of(work.refused))
    missing = work.known < len(uids) and not by_uid and work.told
    if missing and (since is not None or not work.known and not command.silent):
        text = b"Some of the messages have been expunged"
        return Reply(Condition.NO, Modified(numbers) if work.refused else Code("EXPUNGEISSUED"), text)
    code = Modified(numbers) if work.refused else None
    return ok(b"UID STORE completed" if by_uid else b"STORE completed", code)


SLICE = 2_500
"""Messages whose flags are changed in one commit, and told: 2 ms of the loop, after which others have a turn, and 6 of
the writer, for which no arrival waits but those in this mailbox."""


_TOLD = Answers((Attribute.FLAGS,)), Answers((Attribute.UID, Attribute.FLAGS))
"""How most are told, by whether they are told UIDs."""


LINES = 250
"""Answers with mod-sequences that are written in one go: half a millisecond."""


class _Storing:
    """
    What a STORE tells.

    Attributes:
        known: Messages that were there.
        told: Whether anything was asked of them.
        refused: Numbers of those left alone, as they had changed.

    """

    def __init__(self, conversation: Conversation, selected: Selected, command: Store, by_uid: bool) -> None:
        self.conversation = conversation
        self.selected = selected
        self.silent = command.silent
        self.since = command.unchanged_since
        self.by_uid = by_uid
        self.known = 0
        self.told = False
        self.refused: list[int] = []

    async def tell(self, uids: Sequence[UID], change: Change) -> None:
        """Tell of messages what has become of them, or of those that changed if that is all that is asked for."""
        conversation, selected, since = self.conversation, self.selected, self.since
        plain = conversation.manner is Manner.PLAIN
        done = {update.uid: update for update in change.updated}
        updates: Sequence[FlagUpdate] = change.updated
        if len(done) < len(uids) and (since is not None or not self.silent):
            try:
                rows = await conversation.context.store.index.rows(selected.mailbox, uids)
                updates = [done.get(row.uid) or FlagUpdate(row.uid, row.mod_seq, row.flags) for row in rows]
            except StoreUnavailable:
                if since is not None or not done:
                    raise
                # It has been done: only of those that were as asked already nothing can be told.
        self.told = True
        self.known += len(updates)
        seqs = selected.view.side_by_side(array("I", uids)) if len(updates) == len(uids) else None
        with_uid = (self.by_uid or not plain) and not conversation.uid_only
        if plain and seqs is not None and since is None and not conversation.uid_only:
            told, mod_seqs, texts = zip(*updates, strict=True)
            selected.note(mod_seqs)
            conversation.core.raw(_TOLD[with_uid].of(seqs, Columns(told, mod_seqs, texts, (), ())))
            return
        selected.note([update.mod_seq for update in updates])
        lines, pace = list[bytes](), Pace()
        for place, (uid, mod_seq, flags) in enumerate(updates):
            if place % LINES == 0:
                await pace.turn()
            seq = selected.view.seq_of(uid) if seqs is None else seqs[place]
            if seq is None:
                continue
            # One that was as asked already, and was changed since by somebody else, might as well have been refused.
            late = since is not None and mod_seq > since and uid not in done
            items = [b"UID %d" % uid] if with_uid else []
            if late or not self.silent:
                items.append(b"FLAGS (%b)" % flags.encode("ascii"))
            if not plain:
                items.append(b"MODSEQ (%d)" % mod_seq)
            if late:
                self.refused.append(uid if self.by_uid else seq)
            if not plain and mod_seq > selected.view.changed_to:
                continue  # somebody else came in between: the sync at the end of the command tells it
            lines.append(uidonly.fetched(conversation.uid_only, seq, uid) + b" ".join(items) + b")\r\n")
        conversation.core.raw(b"".join(lines))


async def expunge(conversation: Conversation, command: Expunge) -> Reply:
    """Only messages that have \\Deleted, and with UID EXPUNGE only those named (RFC 4315 §2.1)."""
    conversation.writable_mailbox()
    demand_selected(conversation, Act.EXPUNGE)
    uids = None if command.uids is None else _uids(conversation, command.uids)
    async for change in expunged(conversation, uids):
        conversation.absorb(change, expunge=True)
        await conversation.room()
    return ok(b"EXPUNGE completed" if uids is None else b"UID EXPUNGE completed")


AT_ONCE = 250
"""Messages that are expunged or moved in one commit: some 5 ms, for which a delivery may have to wait."""


async def expunged(conversation: Conversation, uids: Sequence[UID] | None) -> AsyncIterator[Change]:
    """Expunge what has \\Deleted, of these or of all, and yield what happened, commit by commit."""
    index, mailbox = conversation.context.store.index, conversation.open_mailbox.mailbox
    if uids is not None:
        for start in range(0, len(uids), AT_ONCE):
            yield await index.expunge(mailbox, uids[start : start + AT_ONCE])
        return
    while True:
        change = await index.expunge(mailbox, None, most=AT_ONCE)
        yield change
        if len(change.expunged) < AT_ONCE:
            return


async def copy(conversation: Conversation, command: Copy) -> Reply:
    """All of the messages or none (RFC 9051 §6.4.7); a UID that is not there is no error (§6.4.9)."""
    uids, found = await _asked(conversation, command)
    copied = [one async for one in _copied(conversation, command, uids, found)]
    return ok(b"COPY completed", await _copy_uid(copied, found))


async def move(conversation: Conversation, command: Move) -> Reply:
    """COPYUID comes untagged before the EXPUNGEs (RFC 6851 §4.3), once, though many are moved in several commits."""
    conversation.writable_mailbox()
    demand_selected(conversation, Act.TAKE)
    uids, found = await _asked(conversation, command)
    copied: list[Copied] = []
    problem: StoreError | CommandRefused | None = None
    try:
        async for one in _copied(conversation, command, uids, found):
            copied.append(one)
    except (StoreError, CommandRefused) as error:  # those that are moved are
        problem = error
    code = await _copy_uid(copied, found)
    if code is not None:
        conversation.core.untagged(StatusResponse(Condition.OK, code, b"Moved"))
    if copied:
        mailbox = conversation.open_mailbox.mailbox
        changes = [change for one in copied for change in one.changes if change.mailbox == mailbox]
        for number, change in enumerate(changes, 1):
            conversation.absorb(change, expunge=True)
            if number < len(changes):  # the last one goes with the answer, in one piece
                await conversation.room()
                await asyncio.sleep(0)
    if problem is not None:
        raise problem
    return ok(b"MOVE completed")


async def _asked(conversation: Conversation, command: Copy | Move) -> tuple[Sequence[UID], Reached]:
    """Return which messages, and whereto."""
    uids = _uids(conversation, command.numbers)
    return uids, await reach(conversation, command.mailbox, Act.APPEND, missing="TRYCREATE")


async def _copied(
    conversation: Conversation, command: Copy | Move, uids: Sequence[UID], found: Reached
) -> AsyncIterator[Copied]:
    """Copy in one commit, as it must be all or none, or move in several; yield what each did, if it did anything."""
    index, moves = conversation.context.store.index, isinstance(command, Move)
    source = conversation.open_mailbox.mailbox
    target = found.mailbox
    if conversation.context.options.quota and not (moves and await same_account(conversation, target)):
        rows, account = await index.rows(source, uids), target.account
        await demand_room(conversation, sum(row.size for row in rows), len(rows), account=account)
    step = AT_ONCE if moves else max(1, len(uids))
    for start in range(0, len(uids), step):
        try:
            copied = await index.copy(
                source,
                uids[start : start + step],
                target.id,
                moves,
                whole=isinstance(command.numbers, SeqSet),
                may=flags_allowed(found.rights),
            )
        except MailboxMissing:
            raise CommandRefused("There is no such mailbox", "TRYCREATE") from None
        if copied.uids:
            conversation.wrote_into(copied.mailbox, copied.uids)
            conversation.came(copied.mailbox, copied.uids, "COPY")
            yield copied


async def _copy_uid(copied: Sequence[Copied], found: Reached) -> CopyUid | None:
    """Return where all of it is now, if it is anywhere, and its client may open that mailbox (RFC 9051 §6.4.7)."""
    if not copied or not found.may(Act.SELECT):
        return None

    source, target = array("I"), array("I")
    pace = Pace()
    for one in copied:
        for start in range(0, len(one.uids), SLICE):
            source.extend(one.source[start : start + SLICE])
            target.extend(one.uids[start : start + SLICE])
            await pace.turn()
    return CopyUid(copied[0].uid_validity, UIDSet(await ranges_of(source)), UIDSet(await ranges_of(target)))


def _uids(conversation: Conversation, numbers: NumSet) -> Sequence[UID]:
    try:
        uids: array[int] = conversation.open_mailbox.view.uids(numbers)
    except IndexError as problem:
        raise bad_sequence(problem) from None
    return cast(Sequence[UID], uids)
