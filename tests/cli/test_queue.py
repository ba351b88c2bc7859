"""`mailhorn queue` on a file that nobody else has open, and beside a server."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.kit.process import running_server
from tests.kit.smarthost import Smarthost

from mailhorn.cli.commands import app
from mailhorn.cli.failure import CommandFailed
from mailhorn.relay.letter import Letter
from mailhorn.relay.queue import Outcome, Queue

LETTER = Letter("ann@example.org", ("bob@example.net",), b"Subject: hi\x1b[2J\r\n\r\nHello\r\n", "redirect", "ann")
RULE = 'redirect "bob@example.net";'


def command(folder: Path, *arguments: str, input: str | None = None) -> Result:
    """Run a command; what it says when it fails is its output."""
    (folder / "serve.toml").touch()
    result = CliRunner().invoke(app, ["queue", *arguments, "--config", str(folder / "serve.toml")], input=input)
    if result.exception is not None and not isinstance(result.exception, SystemExit | CommandFailed):
        raise result.exception
    return result


def fill(folder: Path, *letters: Letter) -> None:
    """Put letters into the queue; the first one has failed."""
    (folder / "serve.toml").write_text(f'data = "{folder}"\n')

    async def work() -> None:
        queue = Queue(folder / "queue.sqlite")
        await queue.submit(letters)
        (first,) = await queue.take(1, 3600.0)
        await queue.record([Outcome(first.recipients[0].id, "failed", "550 5.7.1 relaying\x1b denied")])
        await queue.close()

    asyncio.run(work())


def test_nothing_there(tmp_path: Path) -> None:
    """A server that never sent anything has an empty queue, and gets no file by looking."""
    (tmp_path / "serve.toml").write_text(f'data = "{tmp_path}"\n')
    assert command(tmp_path, "list").output == "0 letters. No smarthost is set (relay.host).\n"
    assert not (tmp_path / "queue.sqlite").exists()


def test_listed(tmp_path: Path) -> None:
    """For people, with nothing of it left to the terminal; for programs, as it is."""
    fill(tmp_path, LETTER, LETTER)
    output = command(tmp_path, "list").output
    assert "\x1b" not in output and "2 letters." in output
    _, first, second, _ = output.splitlines()
    assert first.split()[0] == "1" and "failed" in first and "550 5.7.1 relaying" in first
    assert second.split()[0] == "2" and "due" in second and "redirect (ann)" in second
    rows = [json.loads(line) for line in command(tmp_path, "list", "--json").output.splitlines()]
    assert [(row["letter"], row["state"], row["to"]) for row in rows] == [
        (1, "failed", "bob@example.net"),
        (2, "due", "bob@example.net"),
    ]
    assert rows[1]["due"] > 0 and rows[0]["due"] is None


def test_shown(tmp_path: Path) -> None:
    """One letter, with its header; or the message octet for octet."""
    fill(tmp_path, LETTER)
    output = command(tmp_path, "show", "1").output
    assert "bob@example.net: failed" in output and "Subject: hi" in output and "\x1b" not in output
    assert command(tmp_path, "show", "1", "--message").stdout_bytes == LETTER.content
    assert json.loads(command(tmp_path, "show", "1", "--json").output)["said"].startswith("550 5.7.1")
    assert "no letter 7" in str(command(tmp_path, "show", "7").exception)


def test_tried_again(tmp_path: Path) -> None:
    """One, or all; what is not there is an error."""
    fill(tmp_path, LETTER, LETTER)
    assert command(tmp_path, "retry", "1").output.startswith("1 recipient to be tried now.")
    assert command(tmp_path, "retry").output.startswith("2 recipients to be tried now.")
    assert "none of these" in str(command(tmp_path, "retry", "9").exception)


def test_deleted(tmp_path: Path) -> None:
    """After a question, unless it is answered beforehand."""
    fill(tmp_path, LETTER, LETTER)
    assert command(tmp_path, "delete", "1", input="n\n").exit_code == 1
    assert "1 letter." in command(tmp_path, "delete", "1", "--yes").output + command(tmp_path, "list").output
    assert isinstance(command(tmp_path, "delete", "1", "-y").exception, CommandFailed)


@pytest.mark.timeout(120)
def test_beside_a_server(tmp_path: Path) -> None:
    """It says how the smarthost is, and has the server try at once."""
    smarthost = Smarthost()
    with smarthost.running():
        pass  # now its port is free
    scripts = tmp_path / "data" / "sieve"
    scripts.mkdir(parents=True)
    (scripts / "ann.sieve").write_text(RULE)
    relay = f'[relay]\nhost = "127.0.0.1"\nport = {smarthost.port}\n'
    with running_server(tmp_path, more=relay) as server:
        server.deliver("ann", "to be sent on")
        while "cannot be used" not in (output := command(tmp_path, "list").output):
            assert "1 letter." in output
        with smarthost.running():
            assert "to be tried now" in command(tmp_path, "retry").output
            (letter,) = smarthost.wait_for(1)
            assert letter.recipients == ("bob@example.net",)
            assert b"to be sent on" in letter.content


def test_the_watchers(tmp_path: Path) -> None:
    """It has a queue of its own, also where its files lie beside the server's."""
    fill(tmp_path, LETTER)
    (tmp_path / "queue.sqlite").rename(tmp_path / "watch.queue.sqlite")
    (tmp_path / "watch.toml").write_text(f'journal = "{tmp_path}/watch.sqlite"\n')
    listed = CliRunner().invoke(app, ["queue", "list", "--watch", "--config", str(tmp_path / "watch.toml")])
    assert "550 5.7.1 relaying" in listed.output and "1 letter." in listed.output
    assert command(tmp_path, "list").output.startswith("0 letters.")
