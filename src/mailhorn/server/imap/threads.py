"""What belongs together: THREAD=ORDEREDSUBJECT and THREAD=REFERENCES (RFC 5256 §3).

Rule 1: a conversation may be as deep as a mailbox has messages: nothing here recurses.
Rule 2: References is in no envelope, so REFERENCES reads headers, and nothing more.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...imap.responses import Thread
from ...mime.header import fields
from ...model.ids import UID, MailboxId
from ...store.abc import MessageMissing
from ...store.store import Store
from .matching import DATE, IN_REPLY_TO, MESSAGE_ID, SUBJECT, EnvelopeReader
from .progress import Progress
from .searching import ENVELOPES, QUICK, Pace
from .sorting import sent, stable
from .subject import base_subject

MAX_REFERENCES = 100
"""Ids of one References field that are looked at, the last ones: longer conversations hang together all the same."""

_ID = re.compile(rb'<\s*((?>(?:[^<>"\s]++|"(?>(?:[^"\\]++|\\.)*)")*))\s*>')
_QUOTED = re.compile(rb'"((?>(?:[^"\\]++|\\.)*))"')
_ESCAPED = re.compile(rb"\\(.)")


@dataclass(slots=True)
class Message:
    """
    What threading has to know of a message.

    Attributes:
        number: What it is told as: its UID, unless it is given another.
        uid: Which.
        subject: Its base subject, "" if there is none.
        answers: Whether the subject says that it is an answer, or forwarded.
        sent: Seconds since 1970.
        id: Its Message-ID, b"" if it has none.
        references: The ids of its forefathers, oldest first.

    """

    uid: UID
    subject: str
    answers: bool
    sent: int
    id: bytes = b""
    references: tuple[bytes, ...] = ()
    number: int = field(init=False)

    def __post_init__(self) -> None:
        """Be told as the UID."""
        self.number = self.uid


async def messages(
    store: Store, mailbox: MailboxId, uids: Sequence[int], with_references: bool, progress: Progress | None = None
) -> list[Message]:
    """
    Return what threading has to know, in the order of the UIDs; who is gone is left out.

    `progress` learns how far it is, with its next part.

    Raises StoreUnavailable, MailboxMissing.
    """
    found: list[Message] = []
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
            message = Message(row.uid, *subject, sent(envelope.text(DATE), row.internal_date))
            if with_references:
                try:
                    header = headers.get(row.uid) or await store.read(mailbox, row.uid, 0, digest.header_size)
                except MessageMissing:
                    continue
                message.id = next(iter(ids(envelope.text(MESSAGE_ID) or b"")), b"")
                message.references = references(header) or ids(envelope.text(IN_REPLY_TO) or b"")[:1]
            found.append(message)
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


async def ordered_subject(found: list[Message]) -> tuple[Thread, ...]:
    """
    Return one thread for each base subject, its first message on top and all others below that.

    ORDEREDSUBJECT: by sent date within a thread, and the threads by that of their first messages.
    """
    pace = Pace()
    threads: dict[str, list[Message]] = {}
    for message in await stable(found, lambda message: message.sent):
        threads.setdefault(message.subject, []).append(message)
        await pace.turn()
    made = []
    for first, *others in threads.values():
        below = []
        for one in others:
            below.append(Thread(one.number))
            await pace.turn()
        made.append(Thread(first.number, tuple(below)))
        await pace.turn()
    return tuple(made)


@dataclass(slots=True, eq=False)
class _Node:
    """A message in a thread, or the place of one that is not here (a dummy)."""

    message: Message | None = None
    parent: "_Node | None" = None
    children: "list[_Node]" = field(default_factory=list)

    @property
    def face(self) -> Message:
        """The message, or the first child's: a dummy that is left has a child that is a message."""
        node = self
        while node.message is None:
            node = node.children[0]
        return node.message

    def take(self, child: "_Node") -> None:
        child.leave()
        child.parent = self
        self.children.append(child)

    def leave(self) -> None:
        if self.parent is not None:
            self.parent.children.remove(self)
            self.parent = None

    def above(self, other: "_Node") -> bool:
        """Whether it is the other one, or somewhere above it."""
        if self is other or not self.children:
            return self is other
        node: _Node | None = other.parent
        while node is not None and node is not self:
            node = node.parent
        return node is self


async def by_references(found: list[Message]) -> tuple[Thread, ...]:
    """Return the threads as References say; what has the same subject on top belongs together, too."""
    roots = await _linked(found)
    roots = await _pruned(roots)
    roots = await _by_date(roots)
    roots = await _same_subject(roots)
    return await _finished(roots)


async def _linked(found: list[Message]) -> list[_Node]:
    """Steps 1 and 2: link what refers to each other; return what has no parent."""
    pace = Pace()
    nodes: dict[bytes, _Node] = {}
    every: list[_Node] = []

    def node_of(id_: bytes) -> _Node:
        node = nodes.get(id_)
        if node is None:
            node = nodes[id_] = _Node()
            every.append(node)
        return node

    for message in found:
        node = node_of(message.id) if message.id else None
        if node is None or node.message is not None:  # no id, or one that another message has already
            node = _Node()
            every.append(node)
        node.message = message
        last: _Node | None = None
        for id_ in message.references:
            next_ = node_of(id_)
            if last is not None and next_.parent is None and not next_.above(last):
                next_.parent = last
                last.children.append(next_)
            last = next_
        if node.parent is not None and node.parent is not last:
            node.leave()
        if last is not None and node.parent is None and not node.above(last):
            node.parent = last
            last.children.append(node)
        await pace.turn()
    return [node for node in every if node.parent is None]


async def _pruned(roots: list[_Node]) -> list[_Node]:
    """Step 3: leave out who is not here; children take the place, below the root only if there is just one."""
    pace = Pace()
    for node in await _from_below(roots):
        await pace.turn()
        if any(child.message is None for child in node.children):
            node.children = [
                heir
                for child in node.children
                for heir in ((child,) if child.message is not None else tuple(child.children))
            ]
            for child in node.children:
                child.parent = node
    kept: list[_Node] = []
    for root in roots:
        if root.message is None and len(root.children) < 2:
            for child in root.children:
                child.parent = None
            kept.extend(root.children)
        else:
            kept.append(root)
    return kept


async def _by_date(siblings: list[_Node]) -> list[_Node]:
    """Step 4: sort what is on top; the children of a dummy first, since the first of them stands for it."""
    for node in siblings:
        if node.message is None:
            node.children.sort(key=_date)
    return await stable(siblings, _date)


def _date(node: _Node) -> tuple[int, int]:
    face = node.face
    return face.sent, face.uid


async def _same_subject(roots: list[_Node]) -> list[_Node]:
    """Step 5: put together what has the same base subject."""
    pace = Pace()
    table: dict[str, _Node] = {}
    for node in roots:
        subject = node.face.subject
        known = table.get(subject)
        if not subject:
            continue
        if known is None or (
            known.message is not None and (node.message is None or (known.message.answers and not node.message.answers))
        ):
            table[subject] = node
        await pace.turn()
    kept: dict[_Node, _Node] = {node: node for node in roots}
    for node in roots:
        await pace.turn()
        subject = node.face.subject
        known = table.get(subject)
        if known is None or known is node:
            continue
        if known.message is None:
            del kept[node]
            if node.message is None:
                for child in node.children:
                    child.parent = known
                known.children += node.children
            else:
                known.take(node)
        elif node.message is not None and node.message.answers and not known.message.answers:
            del kept[node]
            known.take(node)
        else:
            dummy = _Node()
            dummy.take(known)
            dummy.take(node)
            del kept[node]
            table[subject] = kept[known] = dummy
    return list(kept.values())


async def _finished(roots: list[_Node]) -> tuple[Thread, ...]:
    """Step 6: sort all siblings, the youngest first; return them as they are told."""
    pace = Pace()
    made: dict[_Node, Thread] = {}
    for node in await _from_below(roots):
        node.children.sort(key=_date)
        number = None if node.message is None else node.message.number
        made[node] = Thread(number, tuple([made.pop(child) for child in node.children]))
        await pace.turn()
    told = []
    for node in await stable(roots, _date):
        told.append(made.pop(node))
        await pace.turn()
    return tuple(told)


async def _from_below(roots: Iterable[_Node]) -> list[_Node]:
    """Return all nodes, children before their parents."""
    pace = Pace()
    order: list[_Node] = []
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        order.append(node)
        waiting.extend(node.children)
        await pace.turn()
    order.reverse()
    return order


__all__ = ["Message", "by_references", "ids", "messages", "ordered_subject", "references"]
