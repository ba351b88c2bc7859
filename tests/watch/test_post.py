"""The post: from the journal to the queue, to a smarthost, and to web addresses; nothing lost, nothing doubled."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.kit.simulated_imap import Mailboxes
from tests.kit.smarthost import Smarthost
from tests.watch.test_supervisor import Net

from mailhorn.config.find import ConfigError
from mailhorn.config.settings import AccountSettings, Relay, Secret, WatchSettings
from mailhorn.config.watching import Posting, build_watcher, journal_path, posting_of, watched_accounts
from mailhorn.model.ids import UID, UIDValidity
from mailhorn.relay.letter import Letter, RelayUnavailable
from mailhorn.watch import journal as journal_module
from mailhorn.watch import post as module
from mailhorn.watch.act import Kind, Step
from mailhorn.watch.applying import releasing
from mailhorn.watch.events import State, StateChanged
from mailhorn.watch.history import Wanted, entries
from mailhorn.watch.journal import Journal
from mailhorn.watch.ledger import ActionState, Baseline, Parcel, Place, Record, Row
from mailhorn.watch.post import Post
from mailhorn.watch.runner import run_errand

HELD = Wanted(state=ActionState.HELD)
PLACE, V = Place("ann", "INBOX"), UIDValidity(7)


class Taker:
    """Takes letters, as long as it may; a key once."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.offered: list[int] = []
        self.refuses = 0
        self.news = asyncio.Event()

    async def submit(self, letters: Sequence[Letter]) -> None:
        """Take them, or refuse all."""
        self.offered.append(len(letters))
        self.news.set()
        if self.refuses:
            self.refuses -= 1
            raise RelayUnavailable("the outbound queue is full")
        for letter in letters:
            self.letters.setdefault(letter.key, letter)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE", 0.02)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with three messages that are sent on, and one that a web address is told of."""
    made = Journal(tmp_path / "journal")
    made.carry_out([Baseline(PLACE, V, 1)])
    for uid in range(1, 5):
        step = Step(Kind.NOTIFY, "https://example.org/x") if uid == 4 else Step(Kind.REDIRECT, "bob@example.org")
        parcel = Parcel(0, "ann@example.org", (step.target,), b"content %d" % uid)
        row = Row(UID(uid), f"<{uid}@x>", 0, 1, (step,), parcels=(parcel,))
        made.carry_out([Record(PLACE, V, uid + 1, (row,))])
    made.close()
    return tmp_path / "journal"


def states(journal: Path) -> list[str]:
    """Return how far what was to leave is."""
    return [doing.state.value for entry in entries(journal, Wanted()) for doing in entry.doings]


Until = Callable[[Path, int], Awaitable[None]]


@pytest.fixture
def until_done() -> Iterator[Until]:
    """Waits until so much has left, or never will: the log says so once the journal knows."""
    changed = asyncio.Event()

    def note(_: object, __: str, entry: Any) -> Any:
        changed.set()
        return entry

    async def until(journal: Path, count: int) -> None:
        async with asyncio.timeout(20):
            while states(journal).count("done") + states(journal).count("failed") < count:
                changed.clear()
                await changed.wait()

    with structlog.testing.capture_logs():
        structlog.get_config()["processors"].insert(0, note)
        yield until


async def test_what_is_there_leaves_together(journal: Path, until_done: Until) -> None:
    """Letters in one go, the web address by itself, each with its key."""
    taker, told = Taker(), list[tuple[str, bytes, str]]()
    async with Post(journal, taker, lambda url, body, key, _: told.append((url, body, key))):
        await until_done(journal, 4)
    assert taker.offered == [3]
    assert sorted(letter.content for letter in taker.letters.values()) == [b"content 1", b"content 2", b"content 3"]
    assert [(url, body) for url, body, _ in told] == [("https://example.org/x", b"content 4")]
    assert told[0][2] not in taker.letters
    assert states(journal) == ["done"] * 4
    async with Post(journal, taker, lambda url, body, key, _: told.append((url, body, key))) as post:
        post.news()
    assert taker.offered == [3] and len(told) == 1


async def test_a_queue_that_refuses_gets_them_later(journal: Path, until_done: Until) -> None:
    """One by one, so that one that it never takes does not keep the others."""
    taker = Taker()
    taker.refuses = 3
    async with Post(journal, taker, lambda *_: None):
        await until_done(journal, 4)
    assert taker.offered[:4] == [3, 1, 1, 1]
    assert len(taker.letters) == 3


async def test_a_web_address_that_fails(journal: Path, until_done: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told again, with the same key, and given up in the end; letters do not wait for it."""
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 3)
    keys: list[str] = []

    def tell(url: str, body: bytes, key: str, timeout: float) -> None:
        keys.append(key)
        raise OSError("it answered 500")

    async with Post(journal, Taker(), tell):
        await until_done(journal, 4)
    assert len(keys) == 3 and len(set(keys)) == 1
    assert sorted(states(journal)) == ["done", "done", "done", "failed"]


def settings(net: Net, folder: Path, smarthost: Smarthost, rules: str, **more: object) -> WatchSettings:
    """Return settings of a watcher that sends."""
    (folder / "rules.sieve").write_text(rules)
    account = AccountSettings(
        name="ann",
        host="127.0.0.1",
        port=net.port,
        user="u",
        password=Secret("secret"),
        encryption="none",
        rules=folder / "rules.sieve",
        **{"addresses": ("ann@example.org",), **more},  # type: ignore[arg-type]
    )
    relay = Relay(host="127.0.0.1", port=smarthost.port, from_host="example.org")
    return WatchSettings(journal=folder / "watch.sqlite", relay=relay, account=(account,))


@contextlib.asynccontextmanager
async def sending(chosen: WatchSettings) -> AsyncIterator[Posting]:
    """Run a watcher that sends, and idles."""
    idle = asyncio.Event()

    def changed(_: Place, change: StateChanged) -> None:
        if change.state is State.IDLE:
            idle.set()

    watcher = build_watcher(chosen)
    watcher.on_state = changed
    posting = posting_of(chosen)
    assert posting is not None
    watcher.on_journal = posting.post.news

    @contextlib.asynccontextmanager
    async def beside() -> AsyncIterator[None]:
        async with posting:
            yield

    running = asyncio.create_task(watcher.run(beside()))
    try:
        async with asyncio.timeout(20):
            await idle.wait()
        yield posting
    finally:
        watcher.stop()
        await running


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    """A server that listens."""
    made = Net(Mailboxes("IDLE", "MOVE", "UIDPLUS", "LITERAL+"))
    made.mailboxes.create("Lists")
    await made.listen()
    yield made
    await made.close()


async def test_from_a_mailbox_to_a_smarthost(net: Net, tmp_path: Path, until_done: Until) -> None:
    """A message comes, and a second later somebody else has it; the next watcher sends nothing twice."""
    rules = 'require "copy"; if header :contains "subject" "on" { redirect :copy "bob@example.net"; }'
    with Smarthost().running() as smarthost:
        chosen = settings(net, tmp_path, smarthost, rules)
        for number in (1, 2):
            async with sending(chosen):
                net.mailboxes.deliver(f"on {number}", number, came=int(time.time()))
                for line in tuple(net.lines):
                    line.flush()
                await asyncio.to_thread(smarthost.wait_for, number)
                await until_done(journal_path(chosen), number)
        assert [(one.sender, one.recipients) for one in smarthost.letters] == [
            ("ann@example.org", ("bob@example.net",))
        ] * 2
        assert [b"Subject: on 1" in one.content for one in smarthost.letters] == [True, False]


async def test_what_was_held_leaves_when_somebody_says_so(
    net: Net, tmp_path: Path, until_done: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process, which tells the watcher to look; and what is dropped never leaves."""
    monkeypatch.setattr(journal_module, "MAX_SENT", 1)
    with Smarthost().running() as smarthost:
        chosen = settings(net, tmp_path, smarthost, '# rule:[on]\nredirect "bob@example.net";')
        async with sending(chosen) as posting:
            for number in (1, 2, 3):
                net.mailboxes.deliver(f"on {number}", number, came=int(time.time()))
            for line in tuple(net.lines):
                line.flush()
            await until_done(journal_path(chosen), 1)
            held = [(entry.uid_validity, entry.uid) for entry in entries(journal_path(chosen), HELD)]
            assert [uid for _, uid in held] == [2, 3]
            (account,) = watched_accounts(chosen)
            for group, drop in ((held[:1], False), (held[1:], True)):
                await run_errand(account, releasing("INBOX", group, drop), journal_path(chosen))
            await posting.answers["post"]({})
            await asyncio.to_thread(smarthost.wait_for, 2)
            await until_done(journal_path(chosen), 4)  # two letters, two messages in the trash
        assert [b"Subject: on 3" in one.content for one in smarthost.letters] == [False, False]
    assert states(journal_path(chosen)).count("dropped") == 2


async def test_who_sends_has_an_address(net: Net, tmp_path: Path) -> None:
    """Said when the settings are read, in one line."""
    chosen = settings(net, tmp_path, Smarthost(port=1), "keep;", addresses=())
    with pytest.raises(ConfigError, match="addresses: say which address its rules send mail from"):
        build_watcher(chosen)
    with pytest.raises(ConfigError, match="addresses: 'nobody' is no address"):
        build_watcher(settings(net, tmp_path, Smarthost(port=1), "keep;", addresses=("nobody",)))
