"""How far a command is that takes long: `* OK [INPROGRESS ("tag" done goal)]` (RFC 9585).

Rule: a command only says what it has done; when that is told, the clock decides. So one that waits for a single thing
is told of as well, without numbers, and nobody takes the connection for dead.
"""

from typing import TYPE_CHECKING, Self

from ...imap.responses import Condition, InProgress, StatusResponse

if TYPE_CHECKING:  # it imports us, too
    from .conversation import Conversation

INTERVAL = 10.0
"""Seconds until a command is told of, and between two times; with the grain of the server's deadlines it is ten to
fifteen, as RFC 9585 §4 recommends, below the 30 after which clients give up. What is shorter needs no word."""


class Progress:
    """
    A command at work, told of while the `with` lasts. Implements `net.deadlines.Watched`.

    Attributes:
        deadline: When it is told of next.
        done: Of this part's messages.

    """

    __slots__ = ("_before", "_conversation", "_of", "_parts", "_size", "deadline", "done")

    def __init__(self, conversation: "Conversation") -> None:
        """Know nothing yet but whose command it is."""
        self._conversation = conversation
        self.deadline = conversation.context.clock() + INTERVAL
        self.done = 0
        self._parts = self._before = self._size = self._of = 0

    def __enter__(self) -> Self:
        self._conversation.progress = self
        self._conversation.context.deadlines.watch(self)
        return self

    def __exit__(self, *problem: object) -> None:
        self._conversation.progress = None
        self._conversation.context.deadlines.forget(self)

    def expect(self, messages: int, parts: int = 1) -> None:
        """Begin with the first of so many parts of the work; this one is about so many messages."""
        self._parts, self._size, self._of = parts, messages, messages
        self._before = self.done = 0

    def next_part(self, messages: int) -> None:
        """Begin with the next part, which weighs as much as the first one did, and is about so many messages."""
        self._before += self._size
        self._of, self.done = messages, 0

    def overdue(self) -> None:
        """Tell how far it is, unless half an answer has been sent, or the client does not read."""
        conversation = self._conversation
        if conversation.pump.closed:
            return
        if not conversation.in_literal and conversation.pump.writable:
            conversation.core.untagged(StatusResponse(Condition.OK, self._code(), b"Still at work"))
            conversation.pump.flush()
        self.deadline = conversation.context.clock() + INTERVAL
        conversation.context.deadlines.watch(self)

    def _code(self) -> InProgress:
        tag = self._conversation.core.tag
        quotable = None if b"]" in tag else tag  # it would end the code (RFC 9585 §4)
        goal = self._parts * self._size
        if not goal:
            return InProgress(quotable)
        share = self._size * min(self.done, self._of) // self._of if self._of else 0
        return InProgress(quotable, self._before + share, goal)


__all__ = ["INTERVAL", "Progress"]
