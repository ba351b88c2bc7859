"""NOTIFY over real sockets: who only listens knows what STATUS and LIST would say, whoever did it (RFC 5465)."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.kit.mailserver import ServerInTest, running_server

from mailhorn.imap.client import ClientConnection, ClientEvent, Completed, Greeting, UntaggedReceived
from mailhorn.imap.commands import (
    Command,
    Copy,
    Create,
    Delete,
    Enable,
    EventGroup,
    Events,
    Expunge,
    Keyword,
    List,
    ListReturn,
    Login,
    Move,
    Notify,
    NotifyEvent,
    Rename,
    Select,
    Simple,
    StatusItem,
    Store,
    StoreMode,
    Subscribe,
    Watched,
)
from mailhorn.imap.responses import Condition, ListResponse, StatusItems, StatusResponse
from mailhorn.model.numbers import STAR, UIDSet
from mailhorn.server.imap import notices, survey
from mailhorn.store.abc import StoreUnavailable

PATIENCE = 30.0
"""Seconds to wait for what must come."""

ALL = UIDSet(((1, STAR),))
NEW, GONE, FLAGS = NotifyEvent.MESSAGE_NEW, NotifyEvent.MESSAGE_EXPUNGE, NotifyEvent.FLAG_CHANGE
NAMES, SUBSCRIPTIONS = NotifyEvent.MAILBOX_NAME, NotifyEvent.SUBSCRIPTION_CHANGE
EVERYTHING = Notify(
    (EventGroup(Watched.PERSONAL, (), Events(frozenset((NEW, GONE, FLAGS, NAMES, SUBSCRIPTIONS)))),), True
)
COUNTS = (StatusItem.MESSAGES, StatusItem.UIDNEXT, StatusItem.UIDVALIDITY, StatusItem.UNSEEN)


class Client:
    """One connection, by the client's half of the protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.core = ClientConnection()
        self._reader, self._writer = reader, writer
        self._heard: list[ClientEvent] = []

    async def event(self) -> ClientEvent:
        async with asyncio.timeout(PATIENCE):
            while not self._heard:
                data = await self._reader.read(65536)
                assert data, "the server hung up"
                self.core.receive_data(data)
                self._heard += self.core.events_received()
        return self._heard.pop(0)

    async def untagged(self) -> object:
        event = await self.event()
        assert isinstance(event, UntaggedReceived), event
        return event.response

    async def run(self, command: Command) -> tuple[Completed, list[object]]:
        tag = self.core.send(command)
        self._writer.write(self.core.data_to_send())
        told: list[object] = []
        while True:
            event = await self.event()
            if isinstance(event, UntaggedReceived):
                told.append(event.response)
            if isinstance(event, Completed) and event.tag == tag:
                return event, told

    async def ok(self, command: Command) -> list[object]:
        completed, told = await self.run(command)
        assert completed.ok, completed
        return told

    async def append(self, mailbox: str) -> None:
        """APPEND is not among what the client's half can send."""
        self._writer.write(b"x APPEND %b {14+}\r\nSubject: New\r\n\r\n" % mailbox.encode())
        assert b"x " in await asyncio.wait_for(self._reader.readline(), PATIENCE)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def client(server: ServerInTest, login: str = "ann") -> AsyncIterator[Client]:
    made = Client(*await asyncio.open_connection("127.0.0.1", server.ports["imap"]))
    try:
        assert isinstance(await made.event(), Greeting)
        await made.ok(Login(login.encode(), server.password.encode()))
        yield made
    finally:
        made.close()


class Picture:
    """What somebody believes who only listens."""

    def __init__(self, told: list[object]) -> None:
        self.counts: dict[str, dict[StatusItem, int | str]] = {}
        self.subscribed: set[str] = set()
        for response in told:
            self.hear(response)

    def hear(self, response: object) -> None:
        if isinstance(response, StatusItems):
            self.counts.setdefault(response.mailbox, {}).update(response.items)
        elif isinstance(response, ListResponse):
            name, old = response.mailbox, response.old_name
            if old is not None and old != "INBOX":
                for one in [one for one in self.counts if (one + "/").startswith(old + "/")]:
                    self.counts[name + one[len(old) :]] = self.counts.pop(one)
            if "\\NonExistent" in response.attributes:
                self.counts.pop(name, None)
            elif "\\Noselect" not in response.attributes:
                self.counts.setdefault(name, {})
            (self.subscribed.add if "\\Subscribed" in response.attributes else self.subscribed.discard)(name)


LISTED = List("", "*", returns=frozenset((ListReturn.SUBSCRIBED,)), status=COUNTS)
SUBSCRIBED = List("", "*", subscribed=True)


@pytest.mark.parametrize("seed", range(4))
async def test_who_only_listens_knows_what_status_says(seed: int, tmp_path: Path) -> None:
    """Whatever two others do to mailboxes and messages: names, counts, UIDVALIDITY, subscriptions (§3.1, §5)."""
    chance = random.Random(seed)
    boxes = ["INBOX", "A", "A/x", "B", "B/y/z"]
    async with running_server(tmp_path, ("ann",)) as server, client(server) as listener, client(server) as one:
        async with client(server) as other:
            if seed % 2:
                await listener.ok(Enable(("QRESYNC",)))
            picture = Picture([*await listener.ok(EVERYTHING), *await listener.ok(LISTED)])
            for _ in range(150):
                actor, name, second = chance.choice((one, other)), chance.choice(boxes), chance.choice(boxes)
                done = chance.choice(("append", "append", "append", "store", "expunge", "copy", "names", "names"))
                if done == "append":
                    await actor.append(name)
                elif done == "names":
                    await actor.run(
                        chance.choice(
                            (
                                Create(name),
                                Delete(name),
                                Rename(name, second),
                                Subscribe(name),
                                Subscribe(name, on=False),
                            )
                        )
                    )
                elif (await actor.run(Select(name)))[0].ok:
                    uid = UIDSet(((1, chance.randint(1, 9)),))
                    if done == "copy":
                        await actor.run(chance.choice((Copy, Move))(uid, second))
                    else:
                        flag = "\\Deleted" if done == "expunge" else chance.choice(("\\Seen", "\\Flagged"))
                        await actor.run(Store(uid, chance.choice((StoreMode.ADD, StoreMode.REMOVE)), (flag,)))
                        if done == "expunge":
                            await actor.run(Expunge())
                    await actor.run(Simple(Keyword.UNSELECT))
            for response in await listener.ok(Simple(Keyword.NOOP)):
                picture.hear(response)
            truth = Picture(await one.ok(LISTED))
            for name in truth.counts:
                believed = {item: picture.counts.get(name, {}).get(item) for item in COUNTS}
                assert believed == truth.counts[name], name
            assert picture.counts.keys() == truth.counts.keys()
            lsub = {r.mailbox for r in await one.ok(SUBSCRIBED) if isinstance(r, ListResponse) and not r.attributes}
            assert picture.subscribed & truth.counts.keys() == lsub


async def test_a_mailbox_that_a_rule_makes_is_told(tmp_path: Path) -> None:
    """MailboxName covers who else makes mailboxes: Sieve's fileinto :create (§5.4), and mail in it is told."""
    (tmp_path / "sieve").mkdir()
    (tmp_path / "sieve" / "ann.sieve").write_text('require ["fileinto", "mailbox"]; fileinto :create "Rule/Made";')
    async with running_server(tmp_path, ("ann",)) as server, client(server) as listener:
        await listener.ok(EVERYTHING)
        await server.deliver("ann", "One")
        told = [await listener.untagged() for _ in range(4)]
        assert [response.mailbox for response in told if isinstance(response, ListResponse)] == ["Rule", "Rule/Made"]
        picture = Picture(told)
        assert picture.counts["Rule"][StatusItem.MESSAGES] == 0
        while picture.counts["Rule/Made"].get(StatusItem.MESSAGES) != 1:
            picture.hear(await listener.untagged())


async def test_a_folder_that_another_tool_makes_is_told(tmp_path: Path) -> None:
    """And one that it renames, and mail that it drops."""
    home = tmp_path / "mail" / "ann"
    async with running_server(tmp_path, ("ann",)) as server, client(server) as listener, client(server) as other:

        async def until(there: Callable[[], bool]) -> None:
            async with asyncio.timeout(PATIENCE):
                while not there():
                    await other.ok(Simple(Keyword.NOOP))

        await server.deliver("ann", "One")
        await until((home / "mailhorn-mailbox").exists)
        await listener.ok(EVERYTHING)
        (home / "new" / "1.x.host").write_bytes(b"Subject: Dropped\n\n")
        assert isinstance(await listener.untagged(), StatusItems)
        for part in ("tmp", "new", "cur"):
            (home / ".Tool" / part).mkdir(parents=True)
        made = await listener.untagged()
        assert isinstance(made, ListResponse) and made.mailbox == "Tool"
        assert isinstance(await listener.untagged(), StatusItems)
        await until((home / ".Tool" / "mailhorn-mailbox").exists)
        os.rename(home / ".Tool", home / ".Renamed")
        renamed = await listener.untagged()
        assert isinstance(renamed, ListResponse) and (renamed.mailbox, renamed.old_name) == ("Renamed", "Tool")


async def test_too_many_mailboxes_are_refused_or_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NOTIFICATIONOVERFLOW tagged (§3.1) and, if they become too many, untagged; nothing is told then (§5.8)."""
    monkeypatch.setattr(survey, "MAX_MAILBOXES", 2)
    async with running_server(tmp_path, ("ann",)) as server, client(server) as listener, client(server) as other:
        await other.ok(Create("A"))
        await listener.ok(EVERYTHING)
        await other.ok(Create("B"))
        overflow = await listener.untagged()
        assert isinstance(overflow, StatusResponse) and listener.core.notify is None
        assert overflow.condition is Condition.OK and b"2 mailboxes" in overflow.text
        await other.ok(Delete("B"))
        assert await listener.ok(Simple(Keyword.NOOP)) == []
        await other.ok(Create("B"))
        completed, _ = await listener.run(EVERYTHING)
        assert completed.condition is Condition.NO and getattr(completed.code, "name", "") == "NOTIFICATIONOVERFLOW"
        await other.ok(Delete("B"))
        await listener.ok(EVERYTHING)
        await other.append("A")
        assert isinstance(await listener.untagged(), StatusItems)


async def test_too_many_entries_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More names of entries than are kept for a client."""
    monkeypatch.setattr(notices, "MAX_ENTRIES", 2)
    events = Events(frozenset((NotifyEvent.SERVER_METADATA_CHANGE,)))
    async with running_server(tmp_path, ("ann",)) as server, client(server) as listener, client(server) as other:
        await listener.ok(Notify((EventGroup(Watched.PERSONAL, (), events),)))
        other._writer.write(b'x SETMETADATA "" (/private/a "1" /private/b "2" /private/c "3")\r\n')
        overflow = await listener.untagged()
        assert isinstance(overflow, StatusResponse) and listener.core.notify is None


async def test_a_store_that_fails_ends_it_and_says_so(tmp_path: Path) -> None:
    """What cannot be looked up cannot be told."""
    async with running_server(tmp_path, ("ann",)) as server, client(server) as listener, client(server) as other:
        await listener.ok(EVERYTHING)
        index = server.server.mail.store.index
        mailboxes = index.mailboxes

        async def broken(account: object) -> list[object]:
            raise StoreUnavailable("the disk is gone")

        index.mailboxes = broken  # type: ignore[method-assign,assignment]
        server.server.hub.stir_all()
        overflow = await listener.untagged()
        assert isinstance(overflow, StatusResponse) and b"the disk is gone" in overflow.text
        index.mailboxes = mailboxes  # type: ignore[method-assign]
        await other.ok(Create("A"))
        assert await listener.ok(Simple(Keyword.NOOP)) == []


async def test_when_the_last_has_left_nothing_is_left(tmp_path: Path) -> None:
    """The account's mailboxes are looked after only while somebody listens."""
    async with running_server(tmp_path, ("ann",)) as server:
        hub = server.server.hub
        async with client(server) as one, client(server) as other:
            await one.ok(EVERYTHING)
            await other.ok(EVERYTHING)
            await other.ok(Create("A"))
            assert hub.overseen and len(hub._overseers) == 2
            await one.ok(Notify(None))
            assert hub.overseen
            await other.ok(Simple(Keyword.UNAUTHENTICATE))
            assert not hub.overseen and not hub._overseers
            await one.ok(EVERYTHING)
        async with client(server) as last, asyncio.timeout(PATIENCE):
            while hub.overseen:
                await last.ok(Simple(Keyword.NOOP))
        assert not hub._overseers


async def test_rights_that_another_process_takes_away_end_it_at_once(tmp_path: Path) -> None:
    """`mailhorn account share` beside the server tells nobody: each push of another's mailbox looks (§5.9)."""
    async with running_server(tmp_path, ("ann", "bob")) as server, client(server) as ann:
        async with client(server, "bob") as bob:
            index = server.server.mail.store.index
            await ann.ok(Create("Team"))
            owner = await index.account("ann")
            team = None if owner is None else await index.mailbox(owner.id, "Team")
            assert team is not None
            await index.set_acl(team.id, lambda acl: {"bob": "lr"})
            wanted = Events(frozenset((NEW, GONE, NAMES)))
            await bob.ok(Notify((EventGroup(Watched.MAILBOXES, ("Other Users/ann/Team",), wanted),)))
            await ann.append("Team")
            assert isinstance(await bob.untagged(), StatusItems)
            await index.set_acl(team.id, lambda acl: {})
            await ann.append("Team")
            gone = await bob.untagged()
            assert isinstance(gone, ListResponse) and gone.attributes == ("\\NonExistent",)
            assert await bob.ok(Simple(Keyword.NOOP)) == []
