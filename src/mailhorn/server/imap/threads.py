"""What belongs together: THREAD=ORDEREDSUBJECT and THREAD=REFERENCES (RFC 5256 §3).

Rule 1: a conversation may be as deep as a mailbox has messages: nothing here recurses.
Rule 2: References is in no envelope, so REFERENCES reads headers, and nothing more.
Rule 3: nothing is an object of its own for each message: the collector would walk over a hundred thousand of them again
and again, 200 ms each time, and everybody would wait. They are numbers side by side.
"""

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import merge

from ...mime.header import fields
from ...model.ids import UID, MailboxId
from ...store.abc import MessageMissing
from ...store.store import Store
from .matching import DATE, IN_REPLY_TO, MESSAGE_ID, SUBJECT, EnvelopeReader
from .progress import Progress
from .searching import ENVELOPES, QUICK, Pace
from .sorting import AT_ONCE, sent
from .subject import base_subject

MAX_REFERENCES = 100
"""Ids of one References field that are looked at, the last ones: longer conversations hang together all the same."""

_ID = re.compile(rb'<\s*((?>(?:[^<>"\s]++|"(?>(?:[^"\\]++|\\.)*)")*))\s*>')
_QUOTED = re.compile(rb'"((?>(?:[^"\\]++|\\.)*))"')
_ESCAPED = re.compile(rb"\\(.)")

_NOBODY = -1
"""Where a node would stand if there were one."""


@dataclass(slots=True)
class Message:
    """
    What threading has to know of a message.

    Attributes:
        number: What it is told as.
        subject: Its base subject, "" if there is none.
        answers: Whether the subject says that it is an answer, or forwarded.
        sent: Seconds since 1970.
        id: Its Message-ID, b"" if it has none.
        references: The ids of its forefathers, oldest first.

    """

    number: int
    subject: str
    answers: bool
    sent: int
    id: bytes = b""
    references: tuple[bytes, ...] = ()


async def conversations(
    store: Store,
    mailbox: MailboxId,
    uids: Sequence[int],
    with_references: bool,
    number: Callable[[UID], int],
    progress: Progress | None = None,
) -> "Conversations":
    """
    Return the messages, not put together yet but for what they refer to; who is gone is left out.

    Args:
        store: Where envelopes and headers are looked up.
        mailbox: Whose.
        uids: Which messages, ascending.
        with_references: Whether it is to be REFERENCES.
        number: What a message is told as.
        progress: Learns how far it is, with its next part.

    Raises StoreUnavailable, MailboxMissing.

    """
    found = Conversations()
    pace = Pace()
    if progress is not None:
        progress.next_part(len(uids))
    for start in range(0, len(uids), ENVELOPES):
        if progress is not None:
            progress.done = start
        some = [UID(uid) for uid in uids[start : start + ENVELOPES]]
        digests = await store.index.digests(mailbox, some)
        spans = {row.uid: (0, digest.header_size) for row, digest in digests if digest.header_size <= QUICK}
        headers = await store.read_many(mailbox, spans) if with_references else {}
        for row, digest in digests:
            envelope = EnvelopeReader(digest.envelope)
            subject = base_subject(envelope.text(SUBJECT))
            message = Message(number(row.uid), *subject, sent(envelope.text(DATE), row.internal_date))
            if with_references:
                try:
                    header = headers.get(row.uid) or await store.read(mailbox, row.uid, 0, digest.header_size)
                except MessageMissing:
                    continue
                message.id = next(iter(ids(envelope.text(MESSAGE_ID) or b"")), b"")
                message.references = references(header) or ids(envelope.text(IN_REPLY_TO) or b"")[:1]
            found.add(message)
            await pace.turn()
    return found


def references(header: bytes) -> tuple[bytes, ...]:
    """Return the ids in the References fields of a header."""
    found: tuple[bytes, ...] = ()
    for name, value in fields(header):
        if name.lower() == b"references":
            found += ids(value)
    return found[-MAX_REFERENCES:]


def ids(value: bytes) -> tuple[bytes, ...]:
    """Return the message ids in a field, quoting undone: `<"a b"@x>` is no other than `<a b@x>` (RFC 5256 §3)."""
    return tuple([_normal(found[1]) for found in _ID.finditer(value) if found[1]])


def _normal(id_: bytes) -> bytes:
    return _QUOTED.sub(lambda found: _ESCAPED.sub(rb"\1", found[1]), id_) if b'"' in id_ else id_


class Conversations:
    """
    Messages, and what stands above and below them.

    A node is a message, or the place of one that is not here (a dummy); it is called by a number. Give all messages to
    `add` in the order of their UIDs, then put them together once, by one of the two ways.

    Attributes:
        roots: What has nothing above it, in order.

    """

    __slots__ = (
        "_answers",
        "_below",
        "_ends",
        "_ids",
        "_kids",
        "_nodes",
        "_numbers",
        "_parents",
        "_sent",
        "_subjects",
        "_titles",
        "roots",
    )

    def __init__(self) -> None:
        """Know nobody."""
        self.roots = array("i")
        # of each node
        self._numbers = array("I")
        self._parents = array("i")
        self._kids = array("I")
        self._subjects = array("I")
        self._answers = bytearray()
        # of each message, as they came
        self._nodes = array("i")
        self._sent = array("q")
        # how ids and subjects are called
        self._ids: dict[bytes, int] = {}
        self._titles: dict[str, int] = {"": 0}
        # those below each node, one node after the other, and where each node's end
        self._below = array("i")
        self._ends = array("I")

    def number(self, node: int) -> int | None:
        """Return what a node is told as, None for a dummy."""
        return self._numbers[node] or None

    def below(self, node: int) -> Sequence[int]:
        """Return the nodes right below one, in order."""
        return self._below[self._ends[node - 1] if node else 0 : self._ends[node]]

    def add(self, message: Message) -> None:
        """Take a message, and link what it refers to (steps 1 and 2 of REFERENCES)."""
        node = self._node_of(message.id) if message.id else self._node()
        if self._numbers[node]:  # an id that another message has already is as good as none
            node = self._node()
        self._numbers[node] = message.number
        self._subjects[node] = self._titles.setdefault(message.subject, len(self._titles))
        self._answers[node] = message.answers
        self._nodes.append(node)
        self._sent.append(message.sent)
        last = _NOBODY
        for id_ in message.references:
            next_ = self._node_of(id_)
            if last != _NOBODY and self._parents[next_] == _NOBODY and not self._above(next_, last):
                self._put(next_, last)
            last = next_
        if self._parents[node] not in (_NOBODY, last):
            self._kids[self._parents[node]] -= 1
            self._parents[node] = _NOBODY
        if last != _NOBODY and self._parents[node] == _NOBODY and not self._above(node, last):
            self._put(node, last)

    def _node(self) -> int:
        """Make a dummy that stands nowhere."""
        self._numbers.append(0)
        self._parents.append(_NOBODY)
        self._kids.append(0)
        self._subjects.append(0)
        self._answers.append(False)
        return len(self._numbers) - 1

    def _node_of(self, id_: bytes) -> int:
        node = self._ids.get(id_)
        if node is None:
            node = self._ids[id_] = self._node()
        return node

    def _put(self, node: int, below: int) -> None:
        self._parents[node] = below
        self._kids[below] += 1

    def _above(self, node: int, other: int) -> bool:
        """Whether a node is the other one, or somewhere above it."""
        if node == other or not self._kids[node]:
            return node == other
        parents = self._parents
        at = parents[other]
        while at not in (_NOBODY, node):
            at = parents[at]
        return at == node

    async def by_subject(self) -> None:
        """ORDEREDSUBJECT: the first of a base subject on top and all others below it, by the date they were sent."""
        first: dict[int, int] = {}
        order = await self._by_date()
        pace = Pace()
        for node in order:
            self._parents[node] = first.setdefault(self._subjects[node], node)
            if self._parents[node] == node:
                self._parents[node] = _NOBODY
            await pace.turn()
        await self._finish(order)

    async def by_references(self) -> None:
        """REFERENCES: as they refer to each other; what has the same subject on top belongs together, too."""
        await self._prune()
        order = await self._by_date()
        await self._join(order)
        await self._finish(order)

    async def _by_date(self) -> "array[int]":
        """Return the messages in the order they were sent; at the same second as they came."""
        pace = Pace()
        runs = []
        for start in range(0, len(self._sent), AT_ONCE):
            some = self._sent[start : start + AT_ONCE]
            runs.append(sorted([(moment << 32) + at for at, moment in enumerate(some, start)]))
            await pace.turn()
        order = array("i")
        for one in merge(*runs):
            order.append(self._nodes[one & 0xFFFFFFFF])
            await pace.turn()
        return order

    async def _prune(self) -> None:
        """Step 3: leave out who is not here; children take the place, below the root only if there is just one."""
        pace = Pace()
        numbers, parents = self._numbers, self._parents
        heirs: dict[int, int] = {}
        for node in self._nodes:
            path = []
            above = parents[node]
            while above != _NOBODY and not numbers[above] and parents[above] != _NOBODY:
                path.append(above)
                above = parents[above]
            for passed in path:  # who comes by later need not go all the way
                parents[passed] = above
            parents[node] = above
            if above != _NOBODY and not numbers[above]:
                heirs[above] = heirs.get(above, 0) + 1
            await pace.turn()
        for node in self._nodes:
            if heirs.get(parents[node]) == 1:
                parents[node] = _NOBODY
            await pace.turn()

    async def _join(self, order: Sequence[int]) -> None:
        """Steps 4 and 5: put together what has the same base subject on top; of a dummy its first child's counts."""
        pace = Pace()
        numbers, parents, answers = self._numbers, self._parents, self._answers
        tops: dict[int, int] = {}
        for node in order:
            top = node if parents[node] == _NOBODY else parents[node]
            if parents[top] == _NOBODY and (top == node or not numbers[top]):
                tops.setdefault(top, self._subjects[node])
            await pace.turn()
        table: dict[int, int] = {}
        for top, subject in tops.items():
            known = table.get(subject)
            if subject and (
                known is None or numbers[known] and (not numbers[top] or (answers[known] and not answers[top]))
            ):
                table[subject] = top
            await pace.turn()
        joined: dict[int, int] = {}
        for top, subject in tops.items():
            known = table.get(subject)
            if known is None or known == top:
                continue
            if not numbers[known] and not numbers[top]:
                joined[top] = known
            elif not numbers[known] or (answers[top] and not answers[known]):
                parents[top] = known
            else:
                parents[top] = parents[known] = table[subject] = self._node()
            await pace.turn()
        for node in order if joined else ():
            parents[node] = joined.get(parents[node], parents[node])
            await pace.turn()

    async def _finish(self, order: Sequence[int]) -> None:
        """Step 6: put all siblings in order, by date; of a dummy the first child's counts."""
        pace = Pace()
        parents = self._parents
        ends = array("I", bytes(4 * len(parents)))
        for node in order:
            if parents[node] != _NOBODY:
                ends[parents[node]] += 1
            await pace.turn()
        end = 0
        for node, kids in enumerate(ends):
            ends[node] = end  # where they begin, for now
            end += kids
            await pace.turn()
        self._below = array("i", bytes(4 * end))
        begun = set[int]()
        for node in order:
            above = parents[node]
            if above == _NOBODY:
                self.roots.append(node)
            else:
                if not self._numbers[above] and above not in begun:
                    begun.add(above)
                    self.roots.append(above)
                self._below[ends[above]] = node
                ends[above] += 1
            await pace.turn()
        self._ends = ends
        while self._ids:  # a hundred thousand at once are 10 ms
            self._ids.popitem()
            await pace.turn()


__all__ = ["Conversations", "Message", "conversations", "ids", "references"]
