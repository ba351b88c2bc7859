"""NOTIFY."""

import pytest

from mailhorn.imap.commands import (
    Attribute,
    BodySection,
    EventGroup,
    Events,
    Notify,
    NotifyEvent,
    Section,
    SectionText,
    Watched,
)
from mailhorn.imap.grammar.command import CommandProblem, parse_command, write_command
from mailhorn.imap.grammar.cursor import Unwritable, Writer
from mailhorn.imap.grammar.ext.notify import MAX_GROUPS, MAX_NAMES, write_unsupported_events_code
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import BadEvent, Code, Condition, ListResponse, StatusResponse, Tagged

NEW, GONE, FLAGS = NotifyEvent.MESSAGE_NEW, NotifyEvent.MESSAGE_EXPUNGE, NotifyEvent.FLAG_CHANGE
BOTH = Events(frozenset((NEW, GONE)))
ALL_THREE = Events(frozenset((NEW, GONE, FLAGS)))
HEADER = BodySection(Section(text=SectionText.HEADER_FIELDS, fields=(b"from", b"to", b"subject")), peek=True)
WITH_HEADER = EventGroup(Watched.SELECTED, (), Events(frozenset((NEW, GONE)), (Attribute.UID, HEADER)))

EXAMPLES = [
    (
        b"b notify set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) "
        b"(subtree Lists (MessageNew MessageExpunge))",
        Notify((WITH_HEADER, EventGroup(Watched.SUBTREE, ("Lists",), BOTH)), status=True),
    ),
    (
        b"b notify set (selected MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge) "
        b"(subtree Lists MessageExpunge MessageNew) (mailboxes misc (MessageNew MessageExpunge))",
        Notify((
            WITH_HEADER,
            EventGroup(Watched.SUBTREE, ("Lists",), BOTH),
            EventGroup(Watched.MAILBOXES, ("misc",), BOTH),
        )),
    ),
    (
        b"a notify set (mailboxes INBOX (Messagenew messageExpunge)) (personal (SubscriptionChange))",
        Notify((
            EventGroup(Watched.MAILBOXES, ("INBOX",), BOTH),
            EventGroup(Watched.PERSONAL, (), Events(frozenset((NotifyEvent.SUBSCRIPTION_CHANGE,)))),
        )),
    ),
    (
        b"a notify set (selected (Messagenew (uid flags) messageExpunge)) "
        b"(personal (MessageNew FlagChange MessageExpunge))",
        Notify((
            EventGroup(Watched.SELECTED, (), Events(frozenset((NEW, GONE)), (Attribute.UID, Attribute.FLAGS))),
            EventGroup(Watched.PERSONAL, (), ALL_THREE),
        )),
    ),
    (b"a NOTIFY NONE", Notify(None)),
    (
        b"a NOTIFY SET STATUS (selected-delayed NONE) (inboxes (X-new)) (subscribed none)",
        Notify((
            EventGroup(Watched.SELECTED_DELAYED, (), Events()),
            EventGroup(Watched.INBOXES, (), Events(others=("X-NEW",))),
            EventGroup(Watched.SUBSCRIBED, (), Events()),
        ), status=True),
    ),
    (
        b'a NOTIFY SET (mailboxes (inbox "a b" {3+}\r\n%*x) (MailboxName ServerMetadataChange MailboxMetadataChange))',
        Notify((
            EventGroup(
                Watched.MAILBOXES,
                ("INBOX", "a b", "%*x"),
                Events(frozenset((
                    NotifyEvent.MAILBOX_NAME,
                    NotifyEvent.SERVER_METADATA_CHANGE,
                    NotifyEvent.MAILBOX_METADATA_CHANGE,
                ))),
            ),
        )),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "command"), EXAMPLES)
def test_the_examples_of_the_rfc(line: bytes, command: Notify) -> None:
    """RFC 5465 §3.1, §6; what is written is read as the same."""
    assert parse_command(line)[1] == command
    (written,) = write_command(b"a", command)
    assert parse_command(written[:-2])[1] == command


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a NOTIFY", "a space"),
        (b"a NOTIFY NEVER", "SET or NONE"),
        (b"a NOTIFY NONE (personal NONE)", "the end of the line"),
        (b"a NOTIFY SET", "a space"),
        (b"a NOTIFY SET STATUS", "a space"),
        (b"a NOTIFY SET NOW (personal NONE)", "STATUS or an event group"),
        (b"a NOTIFY SET (everything NONE)", "which mailboxes"),
        (b"a NOTIFY SET (personal)", "a space"),
        (b"a NOTIFY SET (personal ())", "an atom"),
        (b"a NOTIFY SET (subtree () (MailboxName))", "a string"),
        (b"a NOTIFY SET (personal (MessageNew))", "MessageNew and MessageExpunge together"),
        (b"a NOTIFY SET (personal (MessageExpunge))", "MessageNew and MessageExpunge together"),
        (b"a NOTIFY SET (subtree Lists MessageNew)", "MessageNew and MessageExpunge together"),
        (b"a NOTIFY SET (personal (FlagChange))", "MessageNew and MessageExpunge together"),
        (b"a NOTIFY SET (personal (AnnotationChange))", "MessageNew and MessageExpunge together"),
        (b"a NOTIFY SET (personal (FlagChange MessageNew))", "MessageNew and MessageExpunge together"),
        (b"a NOTIFY SET (selected (MailboxName))", "events of messages only"),
        (b"a NOTIFY SET (selected NONE) (selected-delayed NONE)", "the selected mailbox only once"),
        (b"a NOTIFY SET (personal (MessageNew (UID) MessageExpunge))", "what to fetch only of the selected mailbox"),
        (b"a NOTIFY SET (selected (MessageNew () MessageExpunge))", "a fetch item"),
        (b"a NOTIFY SET" + b" (personal NONE)" * (MAX_GROUPS + 1), "fewer event groups"),
        (b"a NOTIFY SET (mailboxes (" + b" ".join([b"x"] * (MAX_NAMES + 1)) + b") NONE)", "fewer mailboxes"),
    ],
)
def test_what_is_refused(line: bytes, expected: str) -> None:
    """What makes no sense is BAD, and it is said where."""
    with pytest.raises(CommandProblem) as problem:
        parse_command(line)
    assert expected in problem.value.expected


@pytest.mark.parametrize(
    "command",
    [
        Notify(()),
        Notify((WITH_HEADER, EventGroup(Watched.SELECTED_DELAYED, (), BOTH))),
        Notify((EventGroup(Watched.PERSONAL, (), Events(frozenset((NEW,)))),)),
        Notify((EventGroup(Watched.PERSONAL, (), Events(frozenset((FLAGS,)))),)),
        Notify((EventGroup(Watched.PERSONAL, (), Events(BOTH.kinds, (Attribute.UID,))),)),
        Notify((EventGroup(Watched.SELECTED, (), Events(frozenset((NotifyEvent.MAILBOX_NAME,)))),)),
        Notify((EventGroup(Watched.PERSONAL, ("x",), BOTH),)),
        Notify((EventGroup(Watched.MAILBOXES, (), BOTH),)),
        Notify((EventGroup(Watched.PERSONAL, (), Events(others=("MESSAGENEW",))),)),
    ],
)
def test_what_cannot_be_written(command: Notify) -> None:
    """A client does not send what a server must refuse."""
    with pytest.raises(Unwritable):
        write_command(b"a", command)


def test_the_codes() -> None:
    """BADEVENT tells what is supported, NOTIFICATIONOVERFLOW that nothing is told any more (§3.1, §5.8)."""
    line = b"a NO [BADEVENT (MessageNew MessageExpunge)] Unsupported"
    response = Tagged(b"a", Condition.NO, BadEvent(("MessageNew", "MessageExpunge")), b"Unsupported")
    assert parse_response(line) == response
    assert write_response(response) == line + b"\r\n"
    overflow = b"* OK [NOTIFICATIONOVERFLOW] ...A comment can go here..."
    assert parse_response(overflow) == StatusResponse(
        Condition.OK, Code("NOTIFICATIONOVERFLOW"), b"...A comment can go here..."
    )
    with pytest.raises(Unwritable):
        write_unsupported_events_code(Writer(), BadEvent(()))


def test_a_renamed_mailbox_is_told_with_its_old_name() -> None:
    """RFC 5465 §5.4."""
    line = b'* LIST () "/" "NewMailbox" ("OLDNAME" ("OldMailbox"))'
    assert parse_response(line) == ListResponse((), "/", "NewMailbox", old_name="OldMailbox")
