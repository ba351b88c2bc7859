"""UIDONLY (RFC 9586): a client that knows UIDs only, and is told of messages by nothing else.

Rule: once it is enabled no command may name a message by its number, and no answer does: UIDFETCH stands for FETCH,
VANISHED for EXPUNGE. How many there are is told as ever.
"""

from ...imap.commands import (
    Append,
    Command,
    Copy,
    Fetch,
    FindThreads,
    Move,
    MultiSearch,
    Search,
    Select,
    Sort,
    Store,
)
from ...model.ids import UID, SeqNum
from ...model.numbers import SAVED, SeqSet
from ...model.search import InSequence, SearchKey, leaves
from .conversation import Conversation
from .reply import BadArguments

UIDONLY = "UIDONLY"


def begin(conversation: Conversation) -> None:
    """Use no message numbers from now on."""
    conversation.uid_only = True
    if conversation.selected is not None:
        conversation.selected.uid_only = True


def demand_uids(conversation: Conversation, command: Command) -> None:
    """Raise BadArguments if a command names messages by their numbers, or would answer with them (RFC 9586 §3.2)."""
    if conversation.uid_only and _names_numbers(command):
        raise BadArguments("You have enabled UIDONLY: name messages by UID", "UIDREQUIRED")


def _names_numbers(command: Command) -> bool:
    """Say whether numbers of messages are in a command, or would be in its answer."""
    if isinstance(command, Fetch | Store | Copy | Move):
        return isinstance(command.numbers, SeqSet)
    if isinstance(command, Search | Sort | FindThreads):
        return not command.by_uid or _by_number(command.key)
    if isinstance(command, MultiSearch):
        return _by_number(command.key)
    if isinstance(command, Select):
        return command.resync is not None and command.resync.match is not None
    return isinstance(command, Append) and isinstance(command.replaces, SeqSet)


def _by_number(key: SearchKey) -> bool:
    """Say whether a key is a set of message numbers: `$` is none."""
    return any(isinstance(leaf, InSequence) and leaf.numbers.ranges != SAVED for leaf in leaves(key))


def fetched(uid_only: bool, seq: SeqNum, uid: UID) -> bytes:
    """Return the beginning of a FETCH response, up to its items."""
    return b"* %d UIDFETCH (" % uid if uid_only else b"* %d FETCH (" % seq


__all__ = ["UIDONLY", "begin", "demand_uids", "fetched"]
