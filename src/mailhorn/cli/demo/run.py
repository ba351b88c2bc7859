"""A server, an account, an idle client and a watcher with a rule; then message after message, each timed.

All clocks are `time.monotonic` of this one process. Nothing is simulated: the message goes in by SMTP and comes out
by IMAP through sockets, and the watcher knows of the server only what its port says.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

from ...config.settings import AccountSettings, Log, ManageSieve, Secret, ServeSettings, Service, WatchSettings
from ...config.watching import build_watcher
from ...config.wire import Server, build_server
from ...model.mailbox import INBOX
from ...server.delivery import Delivered
from ...server.passwords import BULK, hash_password
from ...watch.events import State
from ..failure import CANNOT, CommandFailed
from ..logs import set_up
from ..loop import run, stop_signal
from ..serve import how_to_connect
from .figures import Figures, Passage
from .idler import Idler
from .sender import message, send
from .show import Show

HOST = "127.0.0.1"
LOGIN = "demo"
TARGET = "Demo"
RULE = f"""require ["fileinto", "mailbox"];
if header :contains "subject" "demo message" {{ fileinto :create "{TARGET}"; }}
"""
PATIENCE = 10.0
"""Seconds after which a message counts as lost: thousands of times what it should take."""


def demo(once: int | None, interval: float) -> None:
    """
    Run the demo: `once` messages and a summary, or until SIGINT or SIGTERM.

    Raises CommandFailed if not every message was pushed and filed.
    """
    set_up(Log(level="warning", format="text"))
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="mailhorn-demo-") as folder:
        run(_demo(Path(folder), figures, once, interval))
    if once is not None:
        print(figures.summary(), flush=True)
        if figures.lost or len(figures.passages) < once:
            raise CommandFailed(f"{once - len(figures.reached('filed'))} of {once} messages did not arrive", CANNOT)


async def _demo(folder: Path, figures: Figures, once: int | None, interval: float) -> None:
    stop = stop_signal()
    async with _house(folder) as house:
        with Show(house.introduction, figures) as show:
            work = asyncio.ensure_future(_messages(house, figures, show, once, interval))
            told = asyncio.ensure_future(stop.wait())
            try:
                await asyncio.wait((work, told), return_when=asyncio.FIRST_COMPLETED)
            finally:
                told.cancel()
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work


@dataclass(slots=True)
class _House:
    """What the demo runs."""

    server: Server
    inbox: Idler
    target: Idler
    introduction: str


@contextlib.asynccontextmanager
async def _house(folder: Path) -> AsyncIterator[_House]:
    """Start everything on free ports; stop it in the opposite order."""
    any_port = Service(host=HOST, port=0)
    server = build_server(
        ServeSettings(
            data=folder,
            imap=any_port,
            imaps=any_port,
            smtp=any_port,
            smtps=any_port,
            lmtp=any_port,
            managesieve=ManageSieve(enabled=False),
        )
    )
    password = token_urlsafe(9)
    async with contextlib.AsyncExitStack() as ending:
        ending.push_async_callback(server.accounts.close)
        await server.start()
        ending.push_async_callback(server.mail.stop)
        index = server.mail.store.index
        await index.add_accounts([(LOGIN, hash_password(password, BULK))])
        account = await index.account(LOGIN)
        if account is None:
            raise CommandFailed("the demo's account is not there")
        await index.create_mailbox(account.id, TARGET)
        port = server.mail.ports["imap"]

        rules = folder / "demo.sieve"
        rules.write_text(RULE, "utf-8")
        watched = AccountSettings(
            name=LOGIN, host=HOST, port=port, encryption="none", user=LOGIN, password=Secret(password), rules=rules
        )
        watcher = build_watcher(WatchSettings(journal=folder / "watch.sqlite", account=(watched,)))
        idles = asyncio.Event()
        watcher.on_state = lambda _, change: idles.set() if change.state is State.IDLE else None
        watching = asyncio.ensure_future(watcher.run())

        async def end_watch() -> None:
            watcher.stop()
            await watching

        ending.push_async_callback(end_watch)
        inbox, target = (Idler(LOGIN, password, mailbox) for mailbox in (INBOX, TARGET))
        for idler in (inbox, target):
            await idler.start(HOST, port)
            ending.callback(idler.close)
        async with asyncio.timeout(PATIENCE):
            await idles.wait()
        introduction = "\n".join([*how_to_connect(server), f"  user      {LOGIN}, password {password}", ""])
        yield _House(server, inbox, target, introduction)


async def _messages(house: _House, figures: Figures, show: Show, once: int | None, interval: float) -> None:
    """Send one message after the other, `interval` seconds apart."""
    delivered: list[Delivered] = []
    house.server.delivery.on_delivered = delivered.append
    loop = asyncio.get_running_loop()
    begin = loop.time()
    number = 0
    while once is None or number < once:
        passage = Passage(number + 1)
        await _one(house, delivered, passage, number)
        figures.passages.append(passage)
        show.passed(passage)
        number += 1
        await asyncio.sleep(max(0.0, begin + number * interval - loop.time()))


async def _one(house: _House, delivered: list[Delivered], passage: Passage, number: int) -> None:
    """Send a message and time its way; a stage it does not reach in time is missing."""
    address = f"{LOGIN}@localhost"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            delivered.clear()
            sent = await send(HOST, house.server.mail.ports["smtp"], address, message(passage.number, address))
            passage.reach("accepted", delivered[-1].accepted_at - sent)
            passage.reach("durable", delivered[-1].durable_at - sent)
            passage.reach("pushed", await house.inbox.arrival(number) - sent)
            passage.reach("filed", await house.target.arrival(number) - sent)
