"""SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 3501 §6.4.4).

Flags, dates, sizes and numbers are answered from the index; a message is opened only if they leave it open.
"""

from ....imap.commands import Search
from ....imap.grammar.search import CHARSETS
from ....imap.responses import BadCharset, Condition, SearchResponse
from ....model.ids import UID, SeqNum
from ....model.message import MessageRow
from ....store.abc import MessageMissing
from ..conversation import Conversation
from ..matching import Content, Resolved, matches, resolve
from ..reply import Reply, ok
from ..selected import Selected

SLICE = 500
"""Messages per read of the index; other sessions run in between."""


async def search(conversation: Conversation, command: Search) -> Reply:
    """Answer with what matches now, ascending; an unknown charset is refused with the ones we know."""
    if command.charset is not None and command.charset.upper() not in CHARSETS:
        return Reply(Condition.NO, BadCharset(tuple(sorted(CHARSETS))), b"There is no such charset here")
    selected = conversation.open_mailbox
    view, store = selected.view, conversation.context.store
    key = resolve(command.key, len(view), view.last_uid)
    seqs = range(1, len(view) + 1)
    found: list[int] = []
    for start in range(0, len(view), SLICE):
        uids = [view.uid_at(SeqNum(seq)) for seq in seqs[start : start + SLICE]]
        seq_of = dict(zip(uids, seqs[start : start + SLICE], strict=True))
        for row in await store.index.rows(selected.mailbox, uids):
            seq = SeqNum(seq_of[row.uid])
            if await _matches(conversation, selected, key, seq, row):
                found.append(row.uid if command.by_uid else seq)
    conversation.core.untagged(SearchResponse(tuple(found)))
    return ok(b"UID SEARCH completed" if command.by_uid else b"SEARCH completed")


async def _matches(conversation: Conversation, selected: Selected, key: Resolved, seq: SeqNum, row: MessageRow) -> bool:
    """Decide by the row if that is enough, else by the message."""
    verdict = matches(key, seq, row, None)
    if verdict is None:
        store = conversation.context.store
        try:
            content = Content(await store.read(selected.mailbox, UID(row.uid)))
        except MessageMissing:
            return False
        verdict = matches(key, seq, row, content)
    return bool(verdict)
