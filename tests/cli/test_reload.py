"""Other settings while the watcher runs: SIGHUP, a changed file, and settings that cannot be used."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import structlog

from mailhorn.cli.reload import Reloading
from mailhorn.config import changes
from mailhorn.config.find import watch_settings
from mailhorn.config.watching import build_watcher, hooks_of
from mailhorn.watch.hooks import Hooks
from mailhorn.watch.supervisor import Watcher

ACCOUNT = """
[[account]]
name = "{name}"
host = "127.0.0.1"
port = 1
user = "u"
password = "p"
encryption = "none"
rules = "{rules}"
"""


class Place:
    """A directory with settings and rules."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "watch.toml"
        self.rules = directory / "rules.sieve"
        self.journal = directory / "journal"
        self.rules.write_text("keep;")
        self.write("ann")

    def write(self, *names: str, more: str = "") -> None:
        """Put settings with these accounts into the place of the old ones, as editors do."""
        accounts = "".join(ACCOUNT.format(name=name, rules=self.rules) for name in names)
        new = self.config.with_suffix(".new")
        new.write_text(f'journal = "{self.journal}"\n{accounts}{more}')
        os.replace(new, self.config)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Where changes are told at once."""
    monkeypatch.setattr(changes, "QUIET", 0.01)
    return Place(tmp_path)


class Seen(Reloading):
    """Says when it has read the settings."""

    news: asyncio.Event
    hooks: Hooks

    async def _read(self) -> None:
        await super()._read()
        self.news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(30):
            while not true():
                self.news.clear()
                await self.news.wait()


@contextlib.asynccontextmanager
async def running(place: Place) -> AsyncIterator[tuple[Watcher, Callable[[Callable[[], bool]], Awaitable[None]]]]:
    """Run a watcher that reloads; also what waits until something is true."""
    settings, path = watch_settings(place.config)
    watcher = build_watcher(settings)
    Seen.news = asyncio.Event()
    hooks = Seen.hooks = hooks_of(settings)
    watcher.on_journal = hooks.news
    with Seen(watcher, hooks, settings, place.config, path) as reloading:
        assert isinstance(reloading, Seen)
        run = asyncio.create_task(watcher.run(entered(hooks)))
        yield watcher, reloading.until
        watcher.stop()
        await run


@contextlib.asynccontextmanager
async def entered(hooks: Hooks) -> AsyncIterator[None]:
    """Run the hooks meanwhile."""
    async with hooks:
        yield


def names(watcher: Watcher) -> list[str]:
    """Return which accounts are watched."""
    return [watch.account.name for watch in watcher.watches]


async def test_a_changed_file(place: Place) -> None:
    """The settings, or rules, are saved: that is enough. What did not change goes on."""
    async with running(place) as (watcher, until):
        (ann,) = watcher.watches
        place.write("ann", "bob")
        await until(lambda: names(watcher) == ["ann", "bob"])
        assert watcher.watches[0] is ann
        place.rules.write_text("discard;")
        await until(lambda: watcher.watches[0].account.source == "discard;")
        assert watcher.watches[0] is not ann
        place.write("bob")
        await until(lambda: names(watcher) == ["bob"])


async def test_a_changed_rule_in_python_and_a_script_that_is_included(place: Place, tmp_path: Path) -> None:
    """Whatever rules are made of is looked at."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "more.sieve").write_text("keep;")
    async with running(place) as (watcher, until):
        place.write("ann", more=f'shared = "{tmp_path}/shared"\n')
        place.rules.write_text('require "include"; include "more";')
        await until(lambda: watcher.watches[0].account.included == (("more", "keep;"),))
        (tmp_path / "shared" / "more.sieve").write_text("discard;")
        await until(lambda: watcher.watches[0].account.included == (("more", "discard;"),))
        place.rules = tmp_path / "rules.py"
        place.rules.write_text("async def rule(message, actions): pass\n")
        place.rules.chmod(0o600)
        place.write("ann")
        await until(lambda: watcher.watches[0].account.python is not None)
        place.rules.write_text("async def rule(message, actions): actions.discard()\n")
        await until(lambda: "discard" in watcher.watches[0].account.source)


async def test_hooks_are_read_again(place: Place) -> None:
    """New ones, changed ones, none any more; those that cannot be leave the old ones."""
    hook = '[[hook]]\nname = "{}"\ncommand = ["{}"]\n'
    async with running(place) as (_, until):
        hooks = Seen.hooks
        place.write("ann", more=hook.format("one", "true"))
        await until(lambda: list(hooks._hooks) == ["one"])
        place.write("ann", more=hook.format("one", "false") + hook.format("two", "true"))
        await until(lambda: [one.command for one in hooks._hooks.values()] == [("false",), ("true",)])
        with structlog.testing.capture_logs() as logged:
            place.write("ann", more=hook.format("one", "true") * 2)
            await until(lambda: any("two hooks are called" in str(entry.get("reason")) for entry in logged))
        assert len(hooks._hooks) == 2
        place.write("ann")
        await until(lambda: not hooks._hooks)


async def test_sighup(place: Place) -> None:
    """As ever; here where no change was seen."""
    async with running(place) as (watcher, until):
        place.write("carl")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: names(watcher) == ["carl"])


@pytest.mark.parametrize("wrong", ["no toml [", '[[account]]\nname = "x"\n', "twice", "rules"])
async def test_settings_that_cannot_be_used(place: Place, wrong: str) -> None:
    """One line says what is wrong, and everything is as it was; then a right file is taken."""
    with structlog.testing.capture_logs() as logged:
        async with running(place) as (watcher, until):
            (ann,) = watcher.watches
            if wrong == "twice":
                place.write("ann", "ann")
            elif wrong == "rules":
                place.rules.write_text('keep; redirect "x";')
            else:
                place.config.write_text(wrong)
            await until(lambda: any(entry["log_level"] == "error" for entry in logged))
            assert watcher.watches == [ann]
            place.rules.write_text("keep;")
            place.write("dora")
            await until(lambda: names(watcher) == ["dora"])
    (error, *_) = [entry for entry in logged if entry["log_level"] == "error"]
    assert "the old ones stay" in error["event"] and "\n" not in error["reason"]
