"""Logins and addresses, over the real index."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailhorn.model.mailbox import Account
from mailhorn.server import accounts as module
from mailhorn.server.accounts import AccountOptions, Accounts, NoAccount, TooBusy, normal_login
from mailhorn.server.credential import iterations_of
from mailhorn.server.digest import digest
from mailhorn.server.limits import GuessLimits
from mailhorn.server.passwords import BULK, hash_password, needs_upgrade
from mailhorn.store.index.sqlite import SqliteIndex

OPTIONS = AccountOptions(hostname="mx.example", domains=("example.org", "bücher.example"), postmaster="ann")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[SqliteIndex]:
    index = SqliteIndex(tmp_path / "index.sqlite", digest)
    await index.add_accounts(
        [
            ("ann", hash_password("secret")),
            ("bulk", hash_password("bulk-secret", BULK)),
            ("bob@other.example", hash_password("bob-secret", BULK)),
            ("nobody", ""),
            ("broken", "{SHA}garbage"),
        ]
    )
    yield index
    await index.close()


@pytest.fixture
async def accounts(index: SqliteIndex) -> AsyncIterator[Accounts]:
    accounts = Accounts(index, OPTIONS, Clock())
    yield accounts
    await accounts.close()


def _count(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with every password that is hashed to verify it."""
    hashed: list[str] = []
    real = module.verify_password

    def counted(stored: str, password: bytes) -> bool:
        hashed.append(stored)
        return real(stored, password)

    monkeypatch.setattr(module, "verify_password", counted)
    return hashed


async def test_a_right_password_gives_the_account(accounts: Accounts) -> None:
    """The login is trimmed, and compared without case; the password as it is."""
    account = await accounts.verify(b" Ann ", b"secret")
    assert account is not None and account.login == "ann"
    assert await accounts.verify("ann", b"Secret") is None
    assert await accounts.verify("ann", b"") is None


@pytest.mark.parametrize("login", ["carl", "nobody", "broken", "", "a/b", "\0", b"\xff", "ann\n"])
async def test_everybody_else_is_refused(accounts: Accounts, login: str | bytes) -> None:
    """Unknown, without password, with a broken one, or impossible."""
    password = b"secret!"
    assert await accounts.verify(login, password) is None


async def test_unknown_and_known_take_the_same_work(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash of normal cost each, also where the stored one is cheap: time tells nothing."""
    hashed = _count(monkeypatch)
    await accounts.verify("ann", b"wrong")
    await accounts.verify("carl", b"wrong")
    assert [needs_upgrade(stored) for stored in hashed] == [False, False]
    hashed.clear()
    await accounts.verify("bulk", b"wrong")
    assert [needs_upgrade(stored) for stored in hashed] == [True, False]


async def test_a_right_password_is_hashed_once_an_hour(index: SqliteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client's many connections pay for one; a wrong one is not remembered as right."""
    clock = Clock()
    accounts = Accounts(index, OPTIONS, clock)
    hashed = _count(monkeypatch)
    for _ in range(5):
        assert await accounts.verify("ann", b"secret")
    assert len(hashed) == 1
    assert await accounts.verify("ann", b"wrong") is None
    assert len(hashed) == 2
    clock.now += module.REMEMBERED_FOR + 1
    assert await accounts.verify("ann", b"secret")
    assert len(hashed) == 3
    await accounts.close()


async def test_the_same_question_at_once_is_answered_once(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a client comes back with all its connections; who goes away harms nobody."""
    hashed = _count(monkeypatch)
    first = asyncio.ensure_future(accounts.verify("ann", b"secret"))
    others = [asyncio.ensure_future(accounts.verify("ann", b"secret")) for _ in range(9)]
    await asyncio.sleep(0)
    assert len(accounts._running) == 1
    first.cancel()
    assert all(await asyncio.gather(*others))
    assert len(hashed) == 1


async def test_a_new_password_counts_at_once(accounts: Accounts, index: SqliteIndex) -> None:
    """What is remembered hangs on the stored hash."""
    account = await accounts.verify("ann", b"secret")
    assert account is not None
    await index.set_password_hash(account.id, hash_password("new"))
    assert await accounts.verify("ann", b"secret") is None
    assert await accounts.verify("ann", b"new")


async def test_a_cheap_hash_is_upgraded_at_the_first_login(accounts: Accounts, index: SqliteIndex) -> None:
    """And the login after that is remembered though the hash is another one."""
    assert await accounts.verify("bulk", b"bulk-secret")
    await accounts.close()
    account = await index.account("bulk")
    assert account is not None and not needs_upgrade(account.password_hash)
    again = Accounts(index, OPTIONS)
    assert await again.verify("bulk", b"bulk-secret")
    await again.close()


async def test_guessing_waits(index: SqliteIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failure makes the next attempt from there wait; the right one is not refused for it."""
    clock = Clock()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now += seconds

    monkeypatch.setattr("mailhorn.server.accounts.asyncio.sleep", sleep)
    options = AccountOptions(guesses=GuessLimits(free=1, first=1.0, longest=2.0))
    accounts = Accounts(index, options, clock)
    for _ in range(4):
        assert await accounts.verify("ann", b"wrong", "192.0.2.1") is None
    assert await accounts.verify("ann", b"secret", "192.0.2.1")
    assert waits == [1.0, 2.0, 2.0]
    await accounts.close()


async def test_a_crowd_of_guesses_is_refused(index: SqliteIndex) -> None:
    """Instead of keeping a task for each."""
    options = AccountOptions(guesses=GuessLimits(free=0, first=20.0, longest=20.0, patience=5.0))
    accounts = Accounts(index, options, Clock())
    assert await accounts.verify("ann", b"wrong", "192.0.2.1") is None
    with pytest.raises(TooBusy):
        await accounts.verify("ann", b"wrong", "192.0.2.1")
    assert await accounts.verify("ann", b"secret", "192.0.2.2")
    await accounts.close()


async def test_only_so_many_wait_for_a_thread(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is told to come back."""
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    results = await asyncio.gather(
        *(accounts.verify("ann", b"%d" % n, f"192.0.2.{n}") for n in range(6)), return_exceptions=True
    )
    assert [type(result) for result in results].count(TooBusy) == 3


async def test_the_event_loop_is_not_held_up(accounts: Accounts) -> None:
    """Hashing is done elsewhere."""
    longest, last = 0.0, time.monotonic()
    verifying = asyncio.ensure_future(accounts.verify("ann", b"secret"))
    while not verifying.done():
        await asyncio.sleep(0)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    assert verifying.result() is not None
    assert longest < 0.1


@pytest.mark.parametrize(
    ("local", "domain", "login"),
    [
        ("ann", "example.org", "ann"),
        ("Ann", "EXAMPLE.ORG.", "ann"),
        ("ann", "mx.example", "ann"),
        ("ann", "localhost", "ann"),
        ("ann", "bücher.example", "ann"),
        ("ann", "xn--bcher-kva.example", "ann"),
        ("ann", "", "ann"),
        ("ann+shop", "example.org", "ann"),
        ("ann+a+b", "example.org", "ann"),
        ("bob", "other.example", "bob@other.example"),
        ("bob+x", "Other.Example", "bob@other.example"),
        ("postmaster", "example.org", "ann"),
        ("Postmaster", "", "ann"),
    ],
)
async def test_whose_mail_an_address_is(accounts: Accounts, local: str, domain: str, login: str) -> None:
    """Bare logins at every local domain, full ones at their own, with or without detail."""
    account = await accounts.account_for(local, domain)
    assert isinstance(account, Account) and account.login == login


@pytest.mark.parametrize(
    ("local", "domain", "why"),
    [
        ("carl", "example.org", NoAccount.NO_SUCH_USER),
        ("+ann", "example.org", NoAccount.NO_SUCH_USER),
        ("../ann", "example.org", NoAccount.NO_SUCH_USER),
        ("", "example.org", NoAccount.NO_SUCH_USER),
        ("bob", "example.org", NoAccount.NO_SUCH_USER),
        ("ann", "elsewhere.example", NoAccount.NOT_LOCAL),
        ("postmaster", "elsewhere.example", NoAccount.NOT_LOCAL),
    ],
)
async def test_addresses_of_nobody(accounts: Accounts, local: str, domain: str, why: NoAccount) -> None:
    """And why."""
    assert await accounts.account_for(local, domain) is why


async def test_keys_of_an_account_and_of_nobody(index: SqliteIndex) -> None:
    """Who has none is asked for a proof that nobody can give, by a salt and a count that stay the same."""
    await index.add_accounts([("old", hash_password("x", BULK, 4096)), ("new", hash_password("x", BULK, 8192))])
    options = replace(OPTIONS, secret=b"secret")
    accounts, again = Accounts(index, options), Accounts(index, options)
    for each in (accounts, again):
        await each.survey()
    account, keys = await accounts.keys(" NEW")
    assert account is not None and account.login == "new" and keys.iterations == 8192
    for name in ("ann", "nobody", "broken", "stranger", "a/b", ""):
        account, keys = await accounts.keys(name)
        assert account is None
        assert (await again.keys(name))[1] == keys
    counts = Counter([(await accounts.keys(f"stranger{number}"))[1].iterations for number in range(200)])
    assert counts[4096] + counts[8192] == 200 and min(counts.values()) > 60  # as often as accounts have them
    other = Accounts(index, replace(options, secret=b"another"))
    assert (await other.keys("stranger"))[1].salt != (await accounts.keys("stranger"))[1].salt
    for each in (accounts, again, other):
        await each.close()


@pytest.mark.parametrize("at_once", [1, 2, module.SURVEYED_AT_ONCE])
async def test_scram_is_offered_when_all_who_can_log_in_have_keys(
    index: SqliteIndex, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Accounts without a password, or with one that cannot be used, do not count; others without keys do."""
    monkeypatch.setattr(module, "SURVEYED_AT_ONCE", at_once)
    clock = Clock()
    accounts = Accounts(index, OPTIONS, clock)
    assert not accounts.offers_scram()  # nobody has looked yet; this has it looked at
    assert await accounts.survey() == 3
    for login in ("ann", "bulk", "bob@other.example"):
        account = await index.account(login)
        assert account is not None and not accounts.offers_scram()
        await index.set_password_hash(account.id, hash_password("x", BULK, 4096))
    assert not accounts.offers_scram()
    clock.now += module.SURVEYED_EVERY
    async with asyncio.timeout(30):
        while not accounts.offers_scram():
            await index.accounts()
    await index.add_accounts([("late", hash_password("x", BULK))])
    assert accounts.offers_scram()
    assert await accounts.verify("late", b"x") is not None
    assert not accounts.offers_scram()
    await accounts.close()


async def test_passwords_of_keys_alone(index: SqliteIndex) -> None:
    """They let in, and get a hash."""
    accounts = Accounts(index, replace(OPTIONS, iterations=4096))
    await index.add_accounts([("keys", hash_password("x", BULK, 5000).split(" ")[1])])
    assert await accounts.verify("keys", b"y") is None
    assert await accounts.verify("keys", b"x") is not None
    async with asyncio.timeout(30):
        while (account := await index.account("keys")) is None or not account.password_hash.startswith("$argon2id"):
            await index.accounts()
    assert iterations_of(account.password_hash) == 5000  # what is dearer stays
    await accounts.close()


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("ann", "ann"),
        ("Ann@example.org", "ann"),
        ("bob@other.example", "bob@other.example"),
        ("ann+x@example.org", None),
        ("ann@other.example", None),
        ("bob", None),
        ("", None),
        ("a/b", None),
    ],
)
async def test_identities_shown_elsewhere(accounts: Accounts, text: str, login: str | None) -> None:
    """A login, or an address in a local domain, and no detail."""
    account = await accounts.named(text)
    assert (account.login if account else None) == login


def test_logins_are_normal() -> None:
    """One form for the store, the login and the address."""
    assert normal_login("  Ann@Example.ORG ") == "ann@example.org"
    assert normal_login("jürgen") == "jürgen"


@pytest.mark.parametrize(
    ("login", "reason"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("a/b", '"/"'),
        ("a:b", '":"'),
        ("a\tb", "control"),
        ("a\0b", "control"),
        ("x" * 300, "octets"),
    ],
)
def test_logins_that_cannot_be(login: str, reason: str) -> None:
    """Since directories and a file of lines are made of them."""
    with pytest.raises(ValueError, match=reason):
        normal_login(login)
