"""SELECT, EXAMINE, CLOSE, UNSELECT, CHECK (RFC 9051 §6.3.2, §6.4.1, §6.4.2; RFC 3501 §6.4.1)."""

from ....imap.commands import Resync, Select
from ....imap.grammar.ext.objectid import mailbox_id_code
from ....imap.grammar.ext.qresync import vanished_lines
from ....imap.responses import Code, Condition, Exists, FlagsCode, FlagsResponse, NumberCode, Recent, StatusResponse
from ....imap.view import MailboxView
from ....model.flags import SYSTEM_FLAGS
from ....model.ids import UID, ModSeq
from ....model.mailbox import INBOX, Mailbox, object_id
from ....model.numbers import STAR, UIDSet
from ..changed import matched, missed_since
from ..conversation import Conversation
from ..reach import Act, may_selected, nothing_there, reach
from ..reply import BadArguments, Reply, ok
from ..selected import Manner, Selected, flags_line
from ..uidonly import demand_uids
from .change import expunged


async def select(conversation: Conversation, command: Select) -> Reply:
    """Open the mailbox, and say how it is; what is told meanwhile is seen by the sync at the end of the command."""
    core = conversation.core
    if conversation.selected is not None:
        core.untagged(StatusResponse(Condition.OK, Code("CLOSED"), b"What was selected is closed"))
    conversation.deselect()
    demand_uids(conversation, command)
    if command.resync is not None and conversation.manner is not Manner.VANISHED:
        raise BadArguments("QRESYNC has to be enabled first")
    if command.condstore:
        conversation.aware()
    try:
        mailbox, selected = await _open(conversation, command)
    except BaseException:
        conversation.deselect()
        raise
    if conversation.notices is not None:
        conversation.notices.opened(mailbox.id)
    selected.manner, selected.uid_only = conversation.manner, conversation.uid_only
    core.untagged(FlagsResponse(SYSTEM_FLAGS))
    core.untagged(StatusResponse(Condition.OK, FlagsCode(selected.permanent), b"Flags that stay"))
    core.untagged(Exists(len(selected.view)))
    if not core.dialect.rev2:  # RFC 9051 appendix E; the LIST that it has instead is told by `names`
        core.untagged(Recent(0))
    core.untagged(StatusResponse(Condition.OK, NumberCode("UIDVALIDITY", mailbox.uid_validity), b"UIDs are valid"))
    core.untagged(StatusResponse(Condition.OK, mailbox_id_code(object_id(mailbox)), b"Its name for good"))
    selected.uid_next = max(mailbox.uid_next, selected.view.last_uid + 1)
    core.untagged(StatusResponse(Condition.OK, NumberCode("UIDNEXT", selected.uid_next), b"Predicted next UID"))
    core.untagged(StatusResponse(Condition.OK, NumberCode("HIGHESTMODSEQ", selected.announce()), b"Highest"))
    if command.resync is not None and command.resync.uid_validity == mailbox.uid_validity:
        try:
            await _resync(conversation, selected, command.resync)
        except BaseException:
            conversation.deselect()
            raise
    name = "READ-ONLY" if command.read_only or not may_selected(conversation, Act.WRITE) else "READ-WRITE"
    return ok(b"EXAMINE completed" if command.read_only else b"SELECT completed", Code(name))


async def _open(conversation: Conversation, command: Select) -> tuple[Mailbox, Selected]:
    """Register with the hub, then read how far the mailbox is, and its UIDs only if no session here knows them yet."""
    index, owner, hub = conversation.context.store.index, conversation.owner, conversation.context.hub
    inbox = command.mailbox == INBOX
    if inbox:
        selected = conversation.selected = Selected(hub.watch(owner.inbox, conversation), command.read_only)
        mailbox = await index.mailbox_by_id(owner.inbox)
    else:
        found = await reach(conversation, command.mailbox, Act.SELECT)
        mailbox = found.mailbox
        selected = conversation.selected = Selected(hub.watch(mailbox.id, conversation), command.read_only)
        selected.rights, selected.guest = found.rights, not found.own
    if mailbox is None:
        raise nothing_there()
    view: MailboxView | None = selected.channel.latest
    if view is not None and view.changed_to >= mailbox.highest_mod_seq:
        selected.begin(view)
    elif inbox and not mailbox.messages:  # another one may have got some since it was looked up: it was not watched yet
        selected.begin(MailboxView(None, mailbox.highest_mod_seq))
    else:
        mod_seq, uids = await index.uids(mailbox.id)
        selected.begin(MailboxView(uids, mod_seq))
    return mailbox, selected


async def _resync(conversation: Conversation, selected: Selected, resync: Resync) -> None:
    """Tell what happened since: as UID FETCH (FLAGS) (CHANGEDSINCE VANISHED) would (RFC 7162 §3.2.5.1)."""
    index, core, view = conversation.context.store.index, conversation.core, selected.view
    stood = resync.mod_seq if resync.mod_seq <= view.changed_to else ModSeq(0)  # told by an index that is no more
    missed = await missed_since(index, selected.mailbox, view, stood)
    known = UIDSet(((1, STAR),)) if resync.known is None else resync.known
    gone = await missed.vanished(known, view, selected.uid_next, beyond=matched(resync.match, view))
    core.raw(vanished_lines(gone, earlier=True))
    uids = known.within(missed.changed)
    for start in range(0, len(uids), SLICE):
        some = [UID(uid) for uid in uids[start : start + SLICE]]
        rows = await index.rows(selected.mailbox, some)
        if len(rows) < len(some):  # just now gone: that is told before the command ends
            selected.channel.doubt(view.changed_to)
        for row in rows:
            seq = view.seq_of(row.uid)
            if seq is not None:
                core.raw(flags_line(seq, row.uid, row.flags, row.mod_seq, selected.manner, selected.uid_only))
        await conversation.room()


SLICE = 500
"""Messages per read of the index; other sessions run in between."""


async def close(conversation: Conversation) -> Reply:
    """Expunge without telling, and deselect; a mailbox opened by EXAMINE is only deselected."""
    selected = conversation.open_mailbox
    if not selected.read_only and not selected.gone and may_selected(conversation, Act.EXPUNGE):
        async for _ in expunged(conversation, None):
            pass
    conversation.deselect()
    return ok(b"CLOSE completed")


async def unselect(conversation: Conversation) -> Reply:
    """Deselect (RFC 3691)."""
    conversation.deselect()
    return ok(b"UNSELECT completed")


async def check(conversation: Conversation) -> Reply:
    """There is nothing to do: all is on disk before it is answered. IMAP4rev2 has no CHECK (RFC 9051 appendix E)."""
    if conversation.core.dialect.rev2:
        raise BadArguments("IMAP4rev2 has no CHECK; NOOP does")
    return ok(b"CHECK completed")
