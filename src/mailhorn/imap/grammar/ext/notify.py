"""NOTIFY (RFC 5465): a client says what it wants to be told, of which mailboxes.

Changes: `command-auth =/ "NOTIFY" SP ("SET" [SP "STATUS"] SP event-groups / "NONE")`,
`resp-text-code =/ "NOTIFICATIONOVERFLOW" / "BADEVENT" SP "(" event-name *(SP event-name) ")"` (the first is a code
without arguments). OLDNAME and \\NoAccess of LIST are `ext.list_extended` and a flag like others.
"""

import re
from typing import Final

from ...commands import EventGroup, Events, FetchItem, Notify, NotifyEvent, Watched
from ...responses import BadEvent
from ..atoms import parse_atom, write_word
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..fetch import parse_fetch_atts, write_fetch_atts
from ..mailbox import parse_mailbox, write_mailbox

MAX_GROUPS: Final = 100
"""Event groups of one NOTIFY: each is held against each mailbox that something happens to. Clients need a handful."""

MAX_NAMES: Final = 1_000
"""Mailboxes named in one event group: they are kept for as long as the connection lasts."""

_WORD = re.compile(rb"[A-Za-z\-]+(?![^ )])")
_WATCHED: Final = {watched.value.upper().encode("ascii"): watched for watched in Watched}
_EVENTS: Final = {event.value.upper().encode("ascii"): event for event in NotifyEvent}
_NAMED: Final = (Watched.SUBTREE, Watched.MAILBOXES)
_SELECTED: Final = (Watched.SELECTED, Watched.SELECTED_DELAYED)
_MESSAGES: Final = frozenset((NotifyEvent.MESSAGE_NEW, NotifyEvent.MESSAGE_EXPUNGE))
_CHANGES: Final = frozenset((NotifyEvent.FLAG_CHANGE, NotifyEvent.ANNOTATION_CHANGE))
_NONE = Events()


def parse_notify(cur: Cursor) -> Notify:
    """
    notify = "NOTIFY" SP ("SET" [SP "STATUS"] SP event-group *(SP event-group) / "NONE")

    RFC 5465 §8. Reads on behind the word. Only one group may be of the selected mailbox.
    """
    cur.space()
    start = cur.pos
    word = cur.need(_WORD, "SET or NONE")[0].upper()
    if word == b"NONE":
        return Notify(None)
    if word != b"SET":
        raise SyntaxProblem(start, "SET or NONE")
    cur.space()
    status = False
    if not cur.at(b"("):
        start = cur.pos
        if cur.need(_WORD, "STATUS or an event group")[0].upper() != b"STATUS":
            raise SyntaxProblem(start, "STATUS or an event group")
        status = True
        cur.space()
    groups: list[EventGroup] = []
    selected = False
    while True:
        start = cur.pos
        group = _parse_event_group(cur)
        if group.watched in _SELECTED:
            if selected:
                raise SyntaxProblem(start, "the selected mailbox only once")
            selected = True
        groups.append(group)
        if len(groups) > MAX_GROUPS:
            raise cur.fails("fewer event groups")
        if not cur.at(b" "):
            return Notify(tuple(groups), status)
        cur.space()


def write_notify(out: Writer, value: Notify) -> None:
    """Write what follows the word."""
    if value.groups is None:
        out.write(b" NONE")
        return
    if not value.groups:
        raise Unwritable("NOTIFY of nothing")
    if sum(group.watched in _SELECTED for group in value.groups) > 1:
        raise Unwritable("the selected mailbox twice")
    out.write(b" SET STATUS" if value.status else b" SET")
    for group in value.groups:
        out.write(b" ")
        _write_event_group(out, group)


def _parse_event_group(cur: Cursor) -> EventGroup:
    """
    event-group = "(" filter-mailboxes SP events ")"; filter-mailboxes = "selected" / "selected-delayed" / "inboxes" /
    "personal" / "subscribed" / ("subtree" / "mailboxes") SP (mailbox / "(" mailbox *(SP mailbox) ")")

    RFC 5465 §8.
    """
    cur.opens()
    start = cur.pos
    watched = _WATCHED.get(cur.need(_WORD, "which mailboxes")[0].upper())
    if watched is None:
        raise SyntaxProblem(start, "which mailboxes")
    cur.space()
    names: tuple[str, ...] = ()
    if watched in _NAMED:
        names = _parse_one_or_more_mailbox(cur)
        cur.space()
    start = cur.pos
    events = _parse_events(cur)
    if watched in _SELECTED:
        if events.kinds - _MESSAGES - _CHANGES:
            raise SyntaxProblem(start, "events of messages only")
    elif events.fetch:
        raise SyntaxProblem(start, "what to fetch only of the selected mailbox")
    if not cur.closes():
        raise cur.fails("')'")
    return EventGroup(watched, names, events)


def _parse_one_or_more_mailbox(cur: Cursor) -> tuple[str, ...]:
    """
    one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"

    RFC 5465 §8. There are no wildcards (§6.6).
    """
    if not cur.at(b"("):
        return (parse_mailbox(cur),)
    cur.opens()
    names = [parse_mailbox(cur)]
    while not cur.closes():
        cur.space()
        names.append(parse_mailbox(cur))
        if len(names) > MAX_NAMES:
            raise cur.fails("fewer mailboxes")
    return tuple(names)


def _parse_events(cur: Cursor) -> Events:
    """
    events = "(" event *(SP event) ")" / "NONE"

    RFC 5465 §8. Its examples in §3.1 leave the parentheses out, which is understood. MessageNew and MessageExpunge
    go together, and FlagChange and AnnotationChange with them (§5).
    """
    start = cur.pos
    enclosed = cur.at(b"(")
    if enclosed:
        cur.opens()
    elif (found := _WORD.match(cur.data, cur.pos)) is not None and found[0].upper() == b"NONE":
        cur.pos = found.end()
        return _NONE
    kinds: set[NotifyEvent] = set()
    others: list[str] = []
    fetch: tuple[FetchItem, ...] = ()
    while True:
        word = parse_atom(cur).upper()
        event = _EVENTS.get(word)
        if event is None:
            others.append(word.decode("ascii", "surrogateescape"))
        else:
            kinds.add(event)
        if event is NotifyEvent.MESSAGE_NEW and cur.at(b" ("):
            cur.space()
            fetch = parse_fetch_atts(cur)
        if cur.closes() if enclosed else cur.at(b")"):
            break
        cur.space()
    together = kinds & _MESSAGES
    if together and together != _MESSAGES or kinds & _CHANGES and not together:
        raise SyntaxProblem(start, "MessageNew and MessageExpunge together")
    return Events(frozenset(kinds), fetch, tuple(dict.fromkeys(others)))


def _write_event_group(out: Writer, value: EventGroup) -> None:
    events = value.events
    together = events.kinds & _MESSAGES
    if together and together != _MESSAGES or events.kinds & _CHANGES and not together:
        raise Unwritable("MessageNew and MessageExpunge go together")
    if events.fetch and (value.watched not in _SELECTED or not together):
        raise Unwritable("what to fetch only of the selected mailbox's new messages")
    if value.watched in _SELECTED and events.kinds - _MESSAGES - _CHANGES:
        raise Unwritable("events of messages only")
    if bool(value.names) is not (value.watched in _NAMED):
        raise Unwritable("names where none belong, or none where some do")
    out.write(b"(" + value.watched.value.encode("ascii"))
    if len(value.names) == 1:
        out.write(b" ")
        write_mailbox(out, value.names[0])
    else:
        for number, name in enumerate(value.names):
            out.write(b" " if number else b" (")
            write_mailbox(out, name)
        out.write(b")" if value.names else b"")
    out.write(b" ")
    _write_events(out, events)
    out.write(b")")


def _write_events(out: Writer, value: Events) -> None:
    if not value.kinds and not value.others:
        out.write(b"NONE")
        return
    first = True
    for event in NotifyEvent:
        if event not in value.kinds:
            continue
        out.write(b"(" if first else b" ")
        first = False
        out.write(event.value.encode("ascii"))
        if event is NotifyEvent.MESSAGE_NEW and value.fetch:
            out.write(b" ")
            write_fetch_atts(out, value.fetch)
    for other in value.others:
        if other.upper().encode("ascii", "surrogateescape") in _EVENTS:
            raise Unwritable("an event that is known as one that is not")
        out.write(b"(" if first else b" ")
        first = False
        write_word(out, other)
    out.write(b")")


def parse_unsupported_events_code(cur: Cursor) -> BadEvent:
    """
    unsupported-events-code = "BADEVENT" SP "(" event-name *(SP event-name) ")"

    RFC 5465 §8. Reads on behind the word; the names are as written.
    """
    cur.space()
    cur.opens()
    names = [parse_atom(cur).decode("ascii", "surrogateescape")]
    while not cur.closes():
        cur.space()
        names.append(parse_atom(cur).decode("ascii", "surrogateescape"))
    return BadEvent(tuple(names))


def write_unsupported_events_code(out: Writer, value: BadEvent) -> None:
    """Write the word and what follows it."""
    if not value.supported:
        raise Unwritable("no event")
    for number, name in enumerate(value.supported):
        out.write(b" " if number else b"BADEVENT (")
        write_word(out, name)
    out.write(b")")


__all__ = [
    "parse_notify",
    "parse_unsupported_events_code",
    "write_notify",
    "write_unsupported_events_code",
]
