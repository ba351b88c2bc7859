"""What the server's settings come to, and contradictions named."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.kit.stores import deliver

from mailhorn.config.find import ConfigError
from mailhorn.config.lock import DataLock
from mailhorn.config.settings import ServeSettings, Sessions, Sieve, Tls
from mailhorn.config.wire import build_server, data_folder, open_accounts, open_store
from mailhorn.model.mailbox import INBOX
from mailhorn.store.abc import StoreUnavailable


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tls": Tls(key=Path("k"))}, "tls.certificate is missing"),
        ({"tls": Tls(certificate=Path("c"))}, "tls.key is missing"),
        ({"sieve": Sieve(default=Path("/nowhere"))}, "sieve.default: /nowhere cannot be read"),
        ({"sessions": Sessions(keep_alive=30.0)}, "sessions.keep_alive = 30 must lie between keep_alive_shortest = 60"),
        ({"sessions": Sessions(keep_alive_longest=100.0)}, "and keep_alive_longest = 100"),
    ],
)
async def test_what_cannot_be_served_is_said(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    """Before anything is opened."""
    with pytest.raises(ConfigError, match=message):
        build_server(ServeSettings(data=tmp_path, **settings))
    assert not (tmp_path / "index.sqlite").exists()


async def test_accounts_wait_for_a_server_that_is_starting(tmp_path: Path) -> None:
    """While it makes its index nobody else may open it; once it is ready both may write."""
    settings = ServeSettings(data=tmp_path)
    assert data_folder(settings) == tmp_path
    with DataLock(tmp_path) as lock:
        with pytest.raises(ConfigError, match="is just starting or busy; try again in a moment"):
            async with open_accounts(settings):
                pass
        lock.ready()
        async with open_accounts(settings) as index:
            assert await index.add_accounts([("ann", "")]) == 1
    async with open_accounts(settings) as index:
        assert [account.login for account in await index.accounts()] == ["ann"]


async def filled(data: Path) -> None:
    """Make a store with an account and a message that is at rest."""
    store = open_store(data, lambda change: None)
    await store.start()
    await store.index.add_accounts([("ann", "")])
    ann = await store.index.account("ann")
    assert ann is not None
    inbox = await store.index.mailbox(ann.id, INBOX)
    assert inbox is not None
    await deliver(store, inbox.id)
    await store.close()


async def start(data: Path) -> None:
    """Start the store, and stop it."""
    store = open_store(data, lambda change: None)
    try:
        await store.start()
    finally:
        await store.close()


@pytest.mark.parametrize("mount_point", [False, True])
async def test_the_maildirs_disk_is_not_mounted(tmp_path: Path, mount_point: bool) -> None:
    """No mail is taken that would be hidden under them; somebody may say that they are lost."""
    await filled(tmp_path)
    mail, away = tmp_path / "mail", tmp_path / "away"
    mail.rename(away)
    if mount_point:
        mail.mkdir()
    with pytest.raises(
        StoreUnavailable, match=f"the Maildirs are not at {re.escape(str(mail))}: is their disk mounted"
    ):
        await start(tmp_path)
    assert not mail.exists() or not list(mail.iterdir())
    mail.mkdir(exist_ok=True)
    (mail / ".lock").touch()
    await start(tmp_path)


async def test_maildirs_without_what_is_beside_them(tmp_path: Path) -> None:
    """A backup may have left out the files that begin with a dot."""
    await filled(tmp_path)
    (tmp_path / "mail" / ".lock").unlink()
    await start(tmp_path)
