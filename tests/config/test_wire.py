"""What the server's settings come to, and contradictions named."""

from pathlib import Path
from typing import Any

import pytest

from mailhorn.config.find import ConfigError
from mailhorn.config.lock import DataLock
from mailhorn.config.settings import ServeSettings, Sessions, Sieve, Tls
from mailhorn.config.wire import build_server, data_folder, open_accounts


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
