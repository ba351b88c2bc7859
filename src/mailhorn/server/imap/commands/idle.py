"""IDLE (RFC 9051 §6.3.13, RFC 2177)."""

import asyncio

from ....imap.responses import Condition
from ..conversation import Conversation
from ..reply import Reply, ok

BREATH = 0.05
"""Seconds between the continuation request and what happened before it, so that they come in two pieces. In one,
imapfilter and IMAPClient do not see the second half until the next event; the other way round is legal, too, but
IMAPClient and imap-tools give up."""


async def begin(conversation: Conversation) -> None:
    """Idle, and if something happened just before, tell it: the session syncs whenever an idling one's task ends."""
    conversation.core.accept_line(idle=True)
    conversation.beats = 0
    conversation.context.keep_alive.heard(conversation.owner.login, conversation.pump.address)
    if conversation.selected is not None and conversation.selected.behind(True):
        conversation.pump.flush()
        await asyncio.sleep(BREATH)
    conversation.idling = True


async def end(conversation: Conversation, done: bool) -> Reply:
    """Answer the IDLE after DONE, or after what was no DONE."""
    if done:
        conversation.context.keep_alive.heard(conversation.owner.login, conversation.pump.address, conversation.beats)
        return ok(b"IDLE terminated")
    return Reply(Condition.BAD, None, b"Expected DONE; IDLE is over")
