"""A connection as the scripts see it: what a server says beyond all measure is not kept."""

from typing import TypeVar

import pytest

from mailhorn.imap.client import ClientConnection
from mailhorn.imap.commands import Attribute, Fetch
from mailhorn.model.ids import UID
from mailhorn.model.numbers import UIDSet
from mailhorn.model.search import All
from mailhorn.watch import conversation
from mailhorn.watch.conversation import Conversation, Script
from mailhorn.watch.events import Heard

T = TypeVar("T")


def hear(talk: Conversation, data: bytes) -> None:
    """Have the server say something."""
    talk.imap.receive_data(data)
    talk.note(Heard(tuple(talk.imap.events_received())))


def answered(script: Script[T], talk: Conversation, *said: bytes) -> T:
    """Return what comes of a script to whose one command the server says this, and OK."""
    next(script)
    tag = talk.imap.data_to_send().split(b" ")[0]
    for one in said:
        hear(talk, one)
    hear(talk, tag + b" OK done\r\n")
    with pytest.raises(StopIteration) as end:
        next(script)
    value: T = end.value.value
    return value


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Conversation:
    """One in a mailbox, which keeps little."""
    monkeypatch.setattr(conversation, "MAX_FOUND", 10)
    monkeypatch.setattr(conversation, "MAX_KEPT", 5)
    made = Conversation()
    made.connection = ClientConnection()
    hear(made, b"* PREAUTH ready\r\n")
    answered(made.select("INBOX"), made)
    return made


def test_no_more_is_taken_of_a_search_than_may_be_kept(talk: Conversation) -> None:
    """However many answers there are: a range of any size is a few octets."""
    found, done = answered(talk.search(All()), talk, *[b'* ESEARCH (TAG "x") UID ALL 1:4294967294\r\n'] * 3)
    assert done.ok and found == list(range(1, 11))
    found, _ = answered(talk.search(All()), talk, *[b"* SEARCH 1 2 3 4 5 6 7\r\n"] * 3)
    assert found == [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]


@pytest.mark.parametrize("uids", [range(1, 21), range(20, 0, -1), (20, 3, 19, 2, 18, 4, 17, 1, 16, 5, 15, 14)])
def test_the_first_messages_are_kept_in_whatever_order_they_come(talk: Conversation, uids: range) -> None:
    """The others are fetched again, as they come behind those that are kept."""
    said = [b"* %d FETCH (UID %d)\r\n" % (number, uid) for number, uid in enumerate(uids, 1)]
    fetched = answered(talk.fetch(Fetch(UIDSet(((1, 20),)), (Attribute.UID,))), talk, *said)
    assert sorted(fetched) == [UID(uid) for uid in range(1, 6)]
    assert talk.dropped
