"""What a session has not been told yet: bounded, and said from where it stands."""

import asyncio

from msgspec.structs import replace

from mailhorn.imap.commands import EventGroup, Events, NotifyEvent, StatusItem, Watched
from mailhorn.imap.responses import StatusItems
from mailhorn.model.change import Change
from mailhorn.model.ids import UID, AccountId, MailboxId, ModSeq, UIDValidity
from mailhorn.model.mailbox import Account, Mailbox
from mailhorn.push.hub import Hub
from mailhorn.server.imap.notices import Notices
from mailhorn.server.imap.survey import Noted, Survey

ANN = Account(AccountId(1), "ann", "", MailboxId(1))
BOTH = frozenset((NotifyEvent.MESSAGE_NEW, NotifyEvent.MESSAGE_EXPUNGE))
FLAGS = BOTH | {NotifyEvent.FLAG_CHANGE}
NOTES = frozenset((NotifyEvent.MAILBOX_METADATA_CHANGE, NotifyEvent.SERVER_METADATA_CHANGE))


class OneMailbox:
    """What a survey asks of an index: one mailbox, whose state a test sets. Counts the questions."""

    def __init__(self) -> None:
        self.row = Mailbox(MailboxId(1), ANN.id, "INBOX", UIDValidity(7), UID(1), ModSeq(1), 0, 0, 0)
        self.asked = 0

    async def mailboxes(self, account: AccountId) -> list[Mailbox]:
        self.asked += 1
        return [self.row]

    async def mailbox_by_id(self, mailbox: MailboxId) -> Mailbox:
        self.asked += 1
        return self.row

    async def subscriptions(self, account: AccountId) -> list[str]:
        return []

    async def shared(self, identifiers: tuple[str, ...]) -> list[object]:
        return []


class Listening:
    """A session that listens, and never looks by itself."""

    def __init__(self, index: OneMailbox, hub: Hub, kinds: frozenset[NotifyEvent]) -> None:
        self.survey = Survey.of(index, hub, ANN, "Other Users/")  # type: ignore[arg-type]  # all that is asked of it
        self.survey.join(self)
        asyncio.run(self.survey.look())
        self.notices = Notices([EventGroup(Watched.PERSONAL, (), Events(kinds))], self.survey)
        self.notices.begin()

    def noticed(self, stood: Mailbox, exact: bool) -> None:
        self.notices.noticed(stood, exact)

    def noted(self, mailbox: Mailbox | None, entries: tuple[str, ...]) -> None:
        self.notices.noted(mailbox, entries)

    def look(self) -> None:
        pass

    def told(self) -> list[object]:
        return list(asyncio.run(self.notices.next(mod_seqs=False)))


def arrivals(hub: Hub, start: int, count: int) -> None:
    for n in range(start, start + count):
        hub.tell(Change(MailboxId(1), ModSeq(n), ModSeq(n + 1), (UID(n),)))


def test_ten_thousand_changes_are_one_line_and_no_question() -> None:
    """However much happens while a client does not read: where the mailbox stands follows from the changes."""
    index, hub = OneMailbox(), Hub()
    listening = Listening(index, hub, BOTH)
    asked = index.asked
    arrivals(hub, 1, 10_000)
    assert len(listening.notices._behind) == 1 and listening.notices.pending
    assert listening.told() == [StatusItems("INBOX", ((StatusItem.UIDNEXT, 10_001), (StatusItem.MESSAGES, 10_000)))]
    assert not listening.notices.pending and index.asked == asked


def test_a_lost_hint_is_looked_up_when_the_next_one_comes() -> None:
    """A gap between two changes says that one is missing."""
    index, hub = OneMailbox(), Hub()
    listening = Listening(index, hub, BOTH)
    index.row = replace(index.row, uid_next=UID(4), messages=2, highest_mod_seq=ModSeq(5))
    hub.tell(Change(MailboxId(1), ModSeq(4), ModSeq(5), expunged=(UID(2),)))
    assert listening.told() == [StatusItems("INBOX", ((StatusItem.UIDNEXT, 4), (StatusItem.MESSAGES, 2)))]


def test_a_hint_that_comes_twice_or_late_says_nothing_new() -> None:
    """It ends where the mailbox is known to stand, or before."""
    index, hub = OneMailbox(), Hub()
    listening = Listening(index, hub, BOTH)
    arrivals(hub, 1, 2)
    assert len(listening.told()) == 1
    arrivals(hub, 1, 2)
    assert not listening.notices.pending


def test_flags_are_told_to_who_wants_them_with_what_is_unseen() -> None:
    """And to nobody else (RFC 5465 §5.1)."""
    index, hub = OneMailbox(), Hub()
    listening, other = Listening(index, hub, FLAGS), Listening(index, hub, BOTH)
    index.row = replace(index.row, unseen=3, highest_mod_seq=ModSeq(2))
    hub.tell(Change(MailboxId(1), ModSeq(1), ModSeq(2)))
    assert listening.told() == [StatusItems("INBOX", ((StatusItem.UIDVALIDITY, 7), (StatusItem.UNSEEN, 3)))]
    assert other.told() == []


def test_an_entry_noted_often_is_told_once() -> None:
    """Names of entries wait, not values."""
    index, hub = OneMailbox(), Hub()
    listening = Listening(index, hub, NOTES)
    for _ in range(5_000):
        hub.stir((ANN.id,), hint=Noted(MailboxId(1), ("/private/comment",)))
        hub.stir((ANN.id,), hint=Noted(None, ("/private/comment",)))
    assert len(listening.told()) == 2 and listening.told() == []


def test_two_sessions_are_told_from_where_each_stands() -> None:
    """One that was told, and one that was not."""
    index, hub = OneMailbox(), Hub()
    quick, slow = Listening(index, hub, BOTH), Listening(index, hub, BOTH)
    arrivals(hub, 1, 1)
    assert len(quick.told()) == 1
    hub.tell(Change(MailboxId(1), ModSeq(2), ModSeq(3), expunged=(UID(1),)))
    told = [StatusItems("INBOX", ((StatusItem.UIDNEXT, 2), (StatusItem.MESSAGES, 0)))]
    assert quick.told() == told and slow.told() == told


def test_what_the_session_wrote_is_not_told_but_what_others_did_meanwhile_is() -> None:
    """RFC 5465 §5: events that the client itself has caused are left out, and nothing else is."""
    index, hub = OneMailbox(), Hub()
    listening = Listening(index, hub, BOTH)
    arrivals(hub, 1, 1)
    listening.notices.wrote(MailboxId(1), (UID(1),))
    assert not listening.notices.pending
    arrivals(hub, 2, 2)
    listening.notices.wrote(MailboxId(1), (UID(3),))
    assert listening.told() == [StatusItems("INBOX", ((StatusItem.UIDNEXT, 4), (StatusItem.MESSAGES, 3)))]
