"""IDLE (RFC 9051 §6.3.13, RFC 2177)."""

import asyncio

from ....imap.responses import Condition
from ..conversation import Conversation
from ..reply import Reply, ok

BREATH = 0.05
"""Seconds after the continuation request in which nothing is told, so that it comes as a piece of its own: in one with
it, getmail, imapfilter and IMAPClient do not see what is told until the next event. The other way round is legal, too,
but IMAPClient and imap-tools give up."""


async def begin(conversation: Conversation) -> None:
    """Idle; what happened just before, or happens in the next moment, is told after a breath."""
    conversation.core.accept_line(idle=True)
    conversation.beats = 0
    conversation.context.keep_alive.heard(conversation.owner.login, conversation.pump.address)
    if conversation.selected is None and conversation.notices is None:
        conversation.idling = True
    else:
        conversation.breath = asyncio.get_running_loop().call_later(BREATH, conversation.rest)


async def end(conversation: Conversation, done: bool) -> Reply:
    """Answer the IDLE after DONE, or after what was no DONE."""
    if done:
        conversation.context.keep_alive.heard(conversation.owner.login, conversation.pump.address, conversation.beats)
        return ok(b"IDLE terminated")
    return Reply(Condition.BAD, None, b"Expected DONE; IDLE is over")
