"""IDLE (RFC 9051 §6.3.13, RFC 2177)."""

from ....imap.responses import Condition
from ..conversation import Conversation
from ..reply import Reply, ok


async def begin(conversation: Conversation) -> None:
    """
    Bring the view up to date, then idle.

    Between the end of the sync and `idling` nothing else runs, so no change falls between the two.
    """
    await conversation.sync(expunge=True)
    conversation.core.accept_line(idle=True)
    conversation.idling = True


async def end(done: bool) -> Reply:
    """Answer the IDLE after DONE, or after what was no DONE."""
    if done:
        return ok(b"IDLE terminated")
    return Reply(Condition.BAD, None, b"Expected DONE; IDLE is over")
