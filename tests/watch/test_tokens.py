"""Access tokens: kept, renewed ahead of time, and asked for no oftener than is good."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.authorization import Authority, authorization

from mailhorn.net.authorization import Granted
from mailhorn.watch.tokens import RENEWAL_PAUSE, AccountTokens, NoToken, keep, kept_in


@pytest.fixture
def authority() -> Iterator[Authority]:
    """An authorization server."""
    with authorization() as running:
        yield running


class Kept:
    """The tokens of an account, and a clock that stands still until it is told otherwise."""

    def __init__(self, authority: Authority, folder: Path, lasts: float = 3600.0) -> None:
        self.now = 1000.0
        self.file = folder / "ann.tokens"
        self.source = authority.source(self.file)
        if lasts:
            first = authority.grant()
            keep(self.file, Granted(first["access_token"], first["refresh_token"], lasts))
        self.tokens = AccountTokens(self.source, lambda: self.now)


async def test_a_good_token_is_used_as_it_is(authority: Authority, tmp_path: Path) -> None:
    """Nobody is asked; it says when it will be time, which is before it expires."""
    kept = Kept(authority, tmp_path)
    token = await kept.tokens.get()
    assert (token.text, token.new) == ("access-1", False)
    assert 3200 < token.good_for <= 3240
    assert authority.asked == []
    assert "access-1" not in repr(token)


async def test_it_is_renewed_before_it_expires(authority: Authority, tmp_path: Path) -> None:
    """At nine tenths of its life, once for all connections, and what came is in the file, for its owner only."""
    kept = Kept(authority, tmp_path)
    await kept.tokens.get()
    kept.now += 3300
    got = await asyncio.gather(*(kept.tokens.get() for _ in range(3)))
    assert {token.text for token in got} == {"access-2"}
    assert len(authority.asked) == 1
    found = kept_in(kept.file)
    assert found is not None and (found.access, found.refresh) == ("access-2", "refresh-2")
    assert kept.file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [kept.file.name]


async def test_a_token_that_was_refused_is_renewed(authority: Authority, tmp_path: Path) -> None:
    """Fault F58: at once, but only once a minute however often the server refuses them."""
    kept = Kept(authority, tmp_path)
    await kept.tokens.get()
    renewed = await kept.tokens.get("access-1")
    assert (renewed.text, renewed.new) == ("access-2", True)
    for _ in range(20):
        with pytest.raises(NoToken, match="a moment ago") as caught:
            await kept.tokens.get("access-2")
        assert not caught.value.final
    assert len(authority.asked) == 1
    kept.now += RENEWAL_PAUSE
    assert (await kept.tokens.get("access-2")).text == "access-3"


async def test_nobody_there_is_no_reason_to_stop(authority: Authority, tmp_path: Path) -> None:
    """As long as the old token is good it is used; then there is none for a while, which is not final."""
    kept = Kept(authority, tmp_path)
    await kept.tokens.get()
    authority.broken = True
    kept.now += 3300
    assert (await kept.tokens.get()).text == "access-1"
    kept.now += 300
    with pytest.raises(NoToken, match="nothing that can be read") as caught:
        await kept.tokens.get()
    assert not caught.value.final
    authority.broken = False
    kept.now += RENEWAL_PAUSE
    assert (await kept.tokens.get()).text == "access-2"


@pytest.mark.parametrize("lasts", [0.0, 30.0])
async def test_somebody_has_to_log_in(authority: Authority, tmp_path: Path, lasts: float) -> None:
    """No file, or a login that was taken back: it says what to run, and a new login is found without a restart."""
    kept = Kept(authority, tmp_path, lasts)
    authority.refusal = "invalid_grant"
    with pytest.raises(NoToken, match="run: mailhorn watch login ann") as caught:
        await kept.tokens.get()
    assert caught.value.final
    assert "refresh-1" not in str(caught.value)
    keep(kept.file, Granted("by-hand", "next", 3600.0))
    assert (await kept.tokens.get()).text == "by-hand"


@pytest.mark.parametrize("text", ["", "{}", '{"access": "secret"', "[1]"])
async def test_a_spoiled_file_is_named(authority: Authority, tmp_path: Path, text: str) -> None:
    """Not what is in it."""
    kept = Kept(authority, tmp_path, 0.0)
    kept.file.write_text(text)
    with pytest.raises(NoToken) as caught:
        await kept.tokens.get()
    assert caught.value.final and str(kept.file) in str(caught.value) and "secret" not in str(caught.value)
