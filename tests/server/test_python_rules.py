"""Rules in Python at delivery: the operator's, beside everybody's own scripts."""

import asyncio
import textwrap
from pathlib import Path

import pytest
from imapclient import IMAPClient
from tests.kit.mailserver import PASSWORD, ServerInTest, running_server

from mailhorn.config.find import ConfigError
from mailhorn.config.settings import ServeSettings, Sieve
from mailhorn.config.wire import build_server

RULE = """
async def rule(message, actions):
    if message.subject == "break":
        raise ValueError("what")
    if message.subject == "gone":
        actions.discard()
    if "text of the message" in await message.text() and message.subject == "file":
        actions.file_into("Filed", flags=["seen-by-python"], create=True)
    if message.subject == "both":
        actions.add_flags("first")
        actions.file_into("Filed", copy=True, create=True)
"""
OWN = 'require ["fileinto", "mailbox", "imap4flags"]; addflag "own"; fileinto :create "Own";'


def written(folder: Path, text: str = RULE) -> Path:
    """Return the file of a rule."""
    path = folder / "rules.py"
    path.write_text(textwrap.dedent(text))
    return path


def there(server: ServerInTest, mailbox: str) -> dict[str, set[str]]:
    """Return the subjects in a mailbox of ann, with the flags."""
    with IMAPClient("127.0.0.1", server.ports["imap"], ssl=False, timeout=20) as session:
        session.login("ann", PASSWORD)
        if not session.folder_exists(mailbox):
            return {}
        session.select_folder(mailbox, readonly=True)
        fetched = session.fetch(session.search(), ["FLAGS", "ENVELOPE"]).values()
        return {one[b"ENVELOPE"].subject.decode(): {flag.decode() for flag in one[b"FLAGS"]} for one in fetched}


async def test_before_everybodys_own_script(tmp_path: Path) -> None:
    """What it keeps the own script sees, with the flags it has; what it files, throws away or fails on is done with."""
    (tmp_path / "sieve").mkdir()
    (tmp_path / "sieve" / "ann.sieve").write_text(OWN)
    sieve = Sieve(directory=tmp_path / "sieve", before=(written(tmp_path),))
    async with running_server(tmp_path / "data", ["ann"], sieve=sieve) as server:
        for subject in ("plain", "gone", "file", "both", "break"):
            await server.deliver("ann", subject)
        inbox, filed, own = [await asyncio.to_thread(there, server, name) for name in ("INBOX", "Filed", "Own")]
    assert inbox.keys() == {"break"}
    assert filed == {"file": {"seen-by-python"}, "both": {"first"}}
    assert own == {"plain": {"own"}, "both": {"first", "own"}}


async def test_a_rule_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """As scripts are; one that is broken by that keeps the mail."""
    rules = written(tmp_path)
    async with running_server(tmp_path / "data", ["ann"], sieve=Sieve(default=rules)) as server:
        await server.deliver("ann", "file")
        scripts = server.server.delivery.filter.scripts
        scripts._clock = lambda: 1e12  # time to look again
        written(tmp_path, "async def rule(message, actions): actions.file_into('Other', create=True)\n")
        await server.deliver("ann", "second")
        scripts._clock = lambda: 2e12
        written(tmp_path, "async def rule(message, actions)\n")
        await server.deliver("ann", "third")
        found = [set(await asyncio.to_thread(there, server, name)) for name in ("Filed", "Other", "INBOX")]
    assert found == [{"file"}, {"second"}, {"third"}]


async def test_a_rule_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    """One line: where, and what is wrong."""
    rules = written(tmp_path, "def rule(message, actions): pass\n")
    with pytest.raises(ConfigError, match=r"sieve\.default: .*rules\.py: there is no rule in it"):
        build_server(ServeSettings(data=tmp_path / "data", sieve=Sieve(default=rules)))


async def test_nobodys_own_script_is_python(tmp_path: Path) -> None:
    """A file that ends so in the folder of scripts is no script."""
    (tmp_path / "sieve").mkdir()
    written(tmp_path / "sieve", "raise SystemExit\n").rename(tmp_path / "sieve" / "ann.py")
    sieve = Sieve(directory=tmp_path / "sieve")
    async with running_server(tmp_path / "data", ["ann"], sieve=sieve) as server:
        await server.deliver("ann", "plain")
        assert (await asyncio.to_thread(there, server, "INBOX")).keys() == {"plain"}
