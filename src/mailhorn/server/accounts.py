"""Who may log in, and whose mail an address is.

Rule 1: a password is hashed in a thread, never in the event loop, and only so many wait for it.
Rule 2: a right password is remembered (as a keyed digest over itself and the stored hash, so that it is forgotten
when that changes), and the same question asked twice at once is answered once: a client's many connections pay
for one hash. Rule 3: whether an account exists shows neither in the answer nor in the time it takes.
Rule 4: guessing is slowed down by waiting, which holds up nobody else, in one place for all ways to log in (`attempt`).
Rule 5: SCRAM is offered once every account with a password has keys for it: a client that sees it offered uses it, and
could not log in to an account without.
"""

import asyncio
import contextlib
import hmac
import os
import secrets
import sys
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

import structlog

from ..model.mailbox import Account
from ..sasl.scram import Keys
from ..store.abc import Index, StoreError
from ..store.names import InvalidName, login_dir
from .credential import is_stored, iterations_of, read_credential
from .limits import Guesses, GuessLimits
from .passwords import (
    BULK,
    BULK_ITERATIONS,
    ITERATIONS,
    NORMAL,
    SALT,
    hash_many,
    hash_password,
    needs_upgrade,
    verify_password,
)

THREADS = 2
"""That hash. More would take the processor from everybody's mail, and 19 MiB each."""
MAX_WAITING = 1024
"""Logins waiting for a thread: ten seconds of work. Who would wait longer has given up by then."""
VERIFYING_NICE, UPGRADING_NICE = 10, 19
"""How far hashing stands back: a thousand logins after a restart must not delay the mail of who is back already."""
UPGRADE_PAUSE = 60.0
"""Seconds between two upgrades of hashes: less than a thousandth of a core, and its 19 MiB are seldom there. The file
of accounts is not written for it."""
MAX_UPGRADES = 16
"""Passwords kept until their hash is upgraded, a quarter of an hour at most; who comes while so many wait is upgraded
at another login, once the right password is no longer remembered."""
REMEMBERED_FOR = 3600.0
"""Seconds a right password is remembered: clients that come back within the hour pay nothing."""
REMEMBERED = 10_000
"""Right passwords remembered: one each for 10,000 people, about 2 MB."""

ADDRESSEE_FOR = 60.0
"""Seconds an address is known to be somebody's, so that mail does not ask each time. Who is removed meanwhile is missed
by the commit, and the sender tries again."""
ADDRESSEES = 5_000
"""Addresses known at a time, some 300 octets each."""

SURVEYED_EVERY = 600.0
"""Seconds after which a login has all accounts looked at again, for keys: other processes add accounts, too. Ten
thousand take some 20 ms of a thread."""
SURVEYED_AT_ONCE = 100
"""Accounts read at a time: the memory that all of ten thousand need for a moment would be kept for good."""

log = structlog.get_logger("mailhorn.accounts")


class TooBusy(Exception):
    """Too many logins at once, or too many wrong ones from there. Answer 454 4.7.0 or NO [UNAVAILABLE]."""


class Scram(Enum):
    """When SCRAM is offered, and keys for it are made."""

    AUTO = "auto"
    """Once every account with a password has keys for it."""
    ALWAYS = "always"
    """Also while there are accounts that cannot use it."""
    NEVER = "never"
    """And no keys are made."""


class NoAccount(Enum):
    """Why an address has no account here."""

    NOT_LOCAL = "not a local domain"
    NO_SUCH_USER = "no such user"


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """
    Settings of the accounts.

    Attributes:
        hostname: Our name; it is a local domain, as is localhost.
        domains: Further local domains: an account with a bare login gets its mail at all of them.
        postmaster: Login that gets the postmaster's mail if there is no such account (RFC 5321 §4.5.1).
        guesses: How failed logins slow down the next ones.
        scram: When SCRAM is offered.
        iterations: Of the keys for SCRAM.
        secret: Of this server, kept between its runs: of it the salts are made that strangers see.

    """

    hostname: str = "localhost"
    domains: tuple[str, ...] = ()
    postmaster: str | None = None
    guesses: GuessLimits = field(default_factory=GuessLimits)
    scram: Scram = Scram.AUTO
    iterations: int = ITERATIONS
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def keys_wanted(self) -> int:
        """Iterations of the keys that an account should have, 0 if none are made."""
        return 0 if self.scram is Scram.NEVER else self.iterations


def normal_login(text: str) -> str:
    """
    Return the login as it is stored and compared: trimmed and in lower case.

    Raises:
        ValueError: No account can have it. The text says why.

    """
    login = text.strip().lower()
    if not login:
        raise ValueError("a login may not be empty")
    if not login.isprintable():
        raise ValueError(f"a login may not have control characters: {login!r}")
    if "/" in login or ":" in login:
        raise ValueError(f'a login may not have "/" or ":": {login!r}')
    try:
        login_dir(login)
    except InvalidName as error:
        raise ValueError(str(error)) from error
    return login


class Accounts:
    """The accounts of one server."""

    def __init__(
        self, index: Index, options: AccountOptions | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Make them known.

        Args:
            index: Where they are kept.
            options: Settings.
            clock: Seconds, going forward.

        """
        self.options = options or AccountOptions()
        self._index = index
        self._clock = clock
        self._local = {_domain(name) for name in ("localhost", self.options.hostname, *self.options.domains)} | {""}
        self._guesses = Guesses(self.options.guesses, clock)
        self._pool = ThreadPoolExecutor(THREADS, "argon2", initializer=be_nice, initargs=(VERIFYING_NICE,))
        self._upgrader = ThreadPoolExecutor(1, "argon2-upgrade", initializer=be_nice, initargs=(UPGRADING_NICE,))
        self._key = secrets.token_bytes(32)
        self._addressees: dict[tuple[str, str], tuple[Account, float]] = {}
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        self._upgrades: deque[tuple[Account, str, bytes]] = deque(maxlen=MAX_UPGRADES)
        self._upgrading: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._nobodys_hash = _NOBODYS_HASH
        self._all_have_keys = False
        self._counts: Counter[int] = Counter()
        self._surveyed = -SURVEYED_EVERY
        self._surveying: asyncio.Task[None] | None = None

    async def verify(self, login: str | bytes, password: bytes, address: str = "") -> Account | None:
        """
        Return the account if the password is right.

        Args:
            login: As the client sent it.
            password: As the client sent it.
            address: The client's IP address; failures from there slow it down.

        Raises:
            TooBusy: Nothing was verified; later it may be.
            StoreUnavailable: The accounts cannot be read.

        """
        name = _name(login)
        account = await self._index.account(name) if name else None
        stored = account.password_hash if account is not None and account.password_hash else self._nobodys_hash
        digest = self._digest(stored, name, password)
        if account is not None and self._remembers(digest):
            return account

        async def check() -> Account | None:
            right = await self._verify_once(digest, stored, password)
            return account if right and stored is not self._nobodys_hash else None

        account = await self.attempt(name, address, check)
        if account is None:
            return None
        self._remember(digest)
        self._note_keys(stored)
        if needs_upgrade(stored, self.options.keys_wanted):
            self._upgrade(account, name, password)
        return account

    async def attempt(self, login: str, address: str, check: Callable[[], Awaitable[Account | None]]) -> Account | None:
        """
        Return who has logged in, after the wait that failures before it cost; a failure is remembered.

        Args:
            login: As whom, as the client says.
            address: The client's IP address.
            check: Finds out whose the password, proof or token is.

        Raises:
            TooBusy: Nothing was checked; later it may be.

        """
        name = _name(login)
        wait = self._guesses.wait(address, name)
        if wait is None:
            raise TooBusy("too many failed logins from your address, try again later")
        if wait > 0:
            await asyncio.sleep(wait)
        account = await check()
        if account is None:
            self._guesses.failed(address, name)
        else:
            self._guesses.succeeded(address, name)
        return account

    async def keys(self, login: str) -> tuple[Account | None, Keys]:
        """
        Return whose login this is, and keys for SCRAM; keys that nobody can prove if the account has none.

        Those are the same at each question, and their count of iterations is one that accounts here have.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """
        name = _name(login)
        account = await self._index.account(name) if name else None
        keys: Keys | None = None
        if account is not None and account.password_hash:
            self._note_keys(account.password_hash)
            with contextlib.suppress(ValueError):
                keys = read_credential(account.password_hash).keys
        made_up = self._nobodys_keys(name or login)
        return (account, keys) if account is not None and keys is not None else (None, made_up)

    def offers_scram(self) -> bool:
        """Return whether SCRAM is offered now; now and then this has all accounts looked at."""
        scram = self.options.scram
        if scram is Scram.AUTO and self._clock() - self._surveyed >= SURVEYED_EVERY and self._surveying is None:
            self._surveying = asyncio.get_running_loop().create_task(self._survey_quietly())
        return scram is Scram.ALWAYS or (scram is Scram.AUTO and self._all_have_keys)

    async def survey(self) -> int:
        """
        Look which accounts have keys for SCRAM; return how many have a password and none.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """
        self._surveyed = self._clock()
        counts: Counter[int] = Counter()
        page = await self._index.accounts(SURVEYED_AT_ONCE)
        while page:
            kept = [account.password_hash for account in page]
            counts.update([iterations_of(stored) for stored in kept if is_stored(stored)])
            page = await self._index.accounts(SURVEYED_AT_ONCE, after=page[-1].login)
        without = counts.pop(0, 0)
        self._counts = counts
        self._all_have_keys = not without
        return without

    async def _survey_quietly(self) -> None:
        try:
            await self.survey()
        except StoreError as error:
            log.warning("the accounts could not be looked at, later they will be", reason=str(error))
        finally:
            self._surveying = None

    def _note_keys(self, stored: str) -> None:
        if self._all_have_keys and not iterations_of(stored):
            self._all_have_keys = False  # somebody added it meanwhile

    def _nobodys_keys(self, name: str) -> Keys:
        def made(what: bytes) -> bytes:
            return hmac.digest(self.options.secret, what + name.encode("utf-8", "replace"), "sha256")

        count = self.options.iterations
        if self._counts:  # as often as accounts have it
            at = int.from_bytes(made(b"iterations "), "big") % self._counts.total()
            count = next(islice(self._counts.elements(), at, None))
        return Keys(count, made(b"salt ")[:SALT], made(b"stored key "), made(b"server key "))

    async def named(self, text: str) -> Account | None:
        """
        Return the account that is called so, or whose address it is, without `+detail`; for identities shown elsewhere.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """
        name = _name(text)
        if not name:
            return None
        account = await self._index.account(name)
        if account is None and "@" in name:
            local, _, domain = name.rpartition("@")
            if _domain(domain) in self._local:
                account = await self._index.account(local)
        return account

    def addressee(self, local: str, domain: str) -> Account | None:
        """Do as `account_for` as far as it is known at once whose mail it is; else None."""
        known = self._addressees.get((local, domain))
        return known[0] if known is not None and known[1] > self._clock() else None

    async def account_for(self, local: str, domain: str) -> Account | NoAccount:
        """
        Return whose mail an address is, or was a moment ago.

        The whole address as login goes before the bare local part, the address as it is before the one without
        `+detail`.

        Args:
            local: Local part, quoting undone.
            domain: Domain, "" if there was none.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """
        known = self.addressee(local, domain)
        if known is not None:
            return known
        now = self._clock()
        found = await self._look_up(local, _domain(domain))
        if isinstance(found, Account):
            if len(self._addressees) >= ADDRESSEES:
                self._addressees.clear()
            self._addressees[local, domain] = found, now + ADDRESSEE_FOR
        return found

    async def _look_up(self, local: str, domain: str) -> Account | NoAccount:
        bare = domain in self._local
        user, plus, _ = local.partition("+")
        for part in (local, user) if plus and user else (local,):
            for text in (f"{part}@{domain}", part):
                if text is part and not bare:
                    continue
                try:
                    login = normal_login(text)
                except ValueError:
                    continue
                account = await self._index.account(login)
                if account is not None:
                    return account
        if bare and local.lower() == "postmaster" and self.options.postmaster:
            account = await self._index.account(normal_login(self.options.postmaster))
            if account is not None:
                return account
        return NoAccount.NO_SUCH_USER if bare else NoAccount.NOT_LOCAL

    async def close(self) -> None:
        """Finish what is being hashed; what waits to be upgraded is upgraded at another login."""
        self._closing.set()
        pending = [*self._running.values(), *(task for task in (self._upgrading, self._surveying) if task)]
        if pending:
            await asyncio.wait(pending)
        self._pool.shutdown(wait=False)
        self._upgrader.shutdown(wait=False)

    def _digest(self, stored: str, name: str, password: bytes) -> bytes:
        """Stands for "this password against this hash"; useless without the key, which dies with the process."""
        return hmac.digest(self._key, b"\0".join((stored.encode(), name.encode(), password)), "sha256")

    def _remembers(self, digest: bytes) -> bool:
        until = self._right.get(digest)
        if until is None:
            return False
        if until < self._clock():
            del self._right[digest]
            return False
        self._right.move_to_end(digest)
        return True

    def _remember(self, digest: bytes) -> None:
        self._right[digest] = self._clock() + REMEMBERED_FOR
        if len(self._right) > REMEMBERED:
            self._right.popitem(last=False)

    async def _verify_once(self, digest: bytes, stored: str, password: bytes) -> bool:
        task = self._running.get(digest)
        if task is None:
            if len(self._running) >= MAX_WAITING:
                raise TooBusy("too many logins at once, try again later")
            task = asyncio.get_running_loop().create_task(self._verify(stored, password))
            self._running[digest] = task
            task.add_done_callback(lambda _: self._running.pop(digest, None))
        # Who asked may go away meanwhile; others may be waiting for the same answer.
        return await asyncio.shield(task)

    async def _verify(self, stored: str, password: bytes) -> bool:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, _verify_in_constant_time, stored, password, self._nobodys_hash
            )
        except ValueError as error:
            log.error("an account has an unusable password hash; give it a new password", reason=str(error))
            return False

    def _upgrade(self, account: Account, name: str, password: bytes) -> None:
        """Have a cheap hash replaced by a normal one, now that the password is known; nobody waits for it."""
        if len(self._upgrades) < MAX_UPGRADES:
            self._upgrades.append((account, name, password))
            if self._upgrading is None:
                self._upgrading = asyncio.get_running_loop().create_task(self._upgrade_all())

    async def _upgrade_all(self) -> None:
        """Upgrade one after the other, with pauses, so that a thousand first logins hold up nobody's mail."""
        while self._upgrades:
            await self._upgrade_one(*self._upgrades.popleft())
            if self._closing.is_set():
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(UPGRADE_PAUSE):
                    await self._closing.wait()
        self._upgrading = None

    async def _upgrade_one(self, account: Account, name: str, password: bytes) -> None:
        try:
            iterations = max(self.options.keys_wanted, iterations_of(account.password_hash))
            stored = await asyncio.get_running_loop().run_in_executor(
                self._upgrader, hash_password, password, NORMAL, iterations
            )
            now = await self._index.account(name)
            if now is None or now.password_hash != account.password_hash:
                return  # changed meanwhile, by another login or by the operator
            await self._index.set_password_hash(account.id, stored, same_password=True)
        except StoreError as error:
            log.warning("a password hash was not upgraded, another login will", reason=str(error))
            return
        self._remember(self._digest(stored, name, password))
        if not self._all_have_keys and not iterations_of(account.password_hash):
            self._surveyed = min(
                self._surveyed, self._clock() - SURVEYED_EVERY + UPGRADE_PAUSE
            )  # it may be the last one


def be_nice(niceness: int) -> None:
    """Let this thread, and on Linux only this one, stand back behind the ones that move mail."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)


def _verify_in_constant_time(stored: str, password: bytes, nobodys: str) -> bool:
    """Verify; a wrong password takes as long against a cheap hash, or a broken one, as against any."""
    try:
        if verify_password(stored, password):
            return True
        cheap = needs_upgrade(stored)
    except ValueError:
        verify_password(nobodys, password)
        raise
    if cheap:
        verify_password(nobodys, password)
    return False


def _name(login: str | bytes) -> str:
    """Return the login as it is stored, "" if no account can have it."""
    try:
        return normal_login(login.decode() if isinstance(login, bytes) else login)
    except ValueError:
        return ""


def _domain(name: str) -> str:
    """Return a domain in the form in which they compare: lower case, A-labels, no final dot."""
    name = name.rstrip(".").lower()
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


_NOBODYS_HASH = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""Of no password anybody knows: what is verified when there is no account. Same cost as NORMAL."""

__all__ = [
    "BULK",
    "BULK_ITERATIONS",
    "ITERATIONS",
    "NORMAL",
    "AccountOptions",
    "Accounts",
    "NoAccount",
    "Scram",
    "TooBusy",
    "hash_many",
    "hash_password",
    "normal_login",
]
