"""CAPABILITY, NOOP, LOGOUT, ID, ENABLE (RFC 9051 §6.1, §6.3.1; RFC 2971)."""

from .... import __version__
from ....imap.commands import Compress, Enable, Id
from ....imap.grammar.cursor import REV2, UTF8
from ....imap.responses import Capabilities, Condition, Enabled, IdResponse, StatusResponse
from ..conversation import Conversation
from ..quirks import quirk_of
from ..reply import Reply, ok
from ..selected import Manner
from ..uidonly import UIDONLY, begin
from .auth import capabilities

NOOP_COMPLETED = ok(b"NOOP completed")

_DIALECTS = {"UTF8=ACCEPT": UTF8, "IMAP4rev2": REV2}
"""RFC 6855 §3, RFC 9051: the one that goes further comes last."""

_MANNERS = {"CONDSTORE": Manner.MOD_SEQ, "QRESYNC": Manner.VANISHED}
"""RFC 7162 §3.1, §3.2.3: the one that goes further comes last."""


async def capability(conversation: Conversation) -> Reply:
    """Only what works in this state."""
    conversation.core.untagged(Capabilities(capabilities(conversation)))
    return ok(b"CAPABILITY completed")


async def noop(conversation: Conversation) -> Reply:
    """The sync at the end of every command is what NOOP is for."""
    return NOOP_COMPLETED


async def logout(conversation: Conversation) -> Reply:
    """Say good-bye; the core closes once the tagged OK is sent."""
    conversation.deselect()
    conversation.core.untagged(StatusResponse(Condition.BYE, None, b"Good-bye"))
    return ok(b"LOGOUT completed")


async def identify(conversation: Conversation, command: Id) -> Reply:
    """Say who we are, nothing about the machine (RFC 2971 §4)."""
    conversation.quirk = quirk_of(command)
    conversation.core.untagged(IdResponse((("name", "mailhorn"), ("version", __version__))))
    return ok(b"ID completed")


async def compress(conversation: Conversation, command: Compress) -> Reply:
    """Agree; the session compresses once this is sent (RFC 4978 §3)."""
    if conversation.pump.compressing:
        return Reply(Condition.BAD, None, b"COMPRESS is on already")
    return ok(b"DEFLATE active")


async def enable(conversation: Conversation, command: Enable) -> Reply:
    """Tell which of them are on now; unknown ones, and those that need no enabling, are passed over (RFC 5161 §3.1)."""
    asked = {capability.upper() for capability in command.capabilities}
    enabled = tuple([name for name in (*_DIALECTS, *_MANNERS, UIDONLY) if name.upper() in asked])
    if conversation.quirk is not None:
        enabled = tuple([name for name in enabled if name not in conversation.quirk.withheld])
    conversation.core.untagged(Enabled(enabled))
    for name in enabled:
        if name in _MANNERS:
            conversation.aware(_MANNERS[name])
        elif name == UIDONLY:
            begin(conversation)
        elif not conversation.core.dialect.rev2:
            conversation.core.dialect = _DIALECTS[name]
    return ok(b"ENABLE completed")
