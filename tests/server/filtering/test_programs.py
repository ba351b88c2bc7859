"""Programs that rules run: only those of the folder, for so long, and so much."""

import os
from pathlib import Path

import pytest
from tests.kit.filtering import BODY, ruled

from mailhorn.server.filtering.programs import Programs
from mailhorn.sieve.questions import Ran


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


async def test_a_message_is_piped_filtered_and_judged(tmp_path: Path) -> None:
    """pipe is an action, filter changes the message, execute is a test with an answer."""
    folder = tmp_path / "programs"
    _program(folder, "save", f'cat > "{tmp_path}/saved"; echo "$1 $SENDER $USER" > "{tmp_path}/who"')
    _program(folder, "shout", "tr a-z A-Z")
    _program(folder, "judge", 'grep -q "HI ANN" && echo yes')
    async with ruled(tmp_path, programs=Programs(folder)) as server:
        server.script(
            'require ["vnd.mailhorn.pipe", "vnd.mailhorn.filter", "vnd.mailhorn.execute", "variables", "imap4flags"];'
            'pipe :copy "save" ["one"]; filter "shout";'
            'if execute :pipe :output "answer" "judge" { addflag "${answer}"; }'
        )
        assert [reply.code for reply in await server.deliver()] == [250]
        assert await server.messages() == [BODY.upper()]
        assert (tmp_path / "saved").read_bytes() == BODY
        assert (tmp_path / "who").read_text() == "one carl@elsewhere.example ann\n"


async def test_one_that_fails_keeps_the_message(tmp_path: Path) -> None:
    """Whatever else was to become of it."""
    folder = tmp_path / "programs"
    _program(folder, "fail", "exit 3")
    async with ruled(tmp_path, programs=Programs(folder)) as server:
        server.script('require "vnd.mailhorn.pipe"; pipe "fail";')
        await server.deliver()
        server.script('require "vnd.mailhorn.pipe"; pipe "not-there";')
        await server.deliver()
        assert await server.messages() == [BODY, BODY]


async def test_there_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    """Not by a path, a hidden name, or what may not be run."""
    folder = tmp_path / "programs"
    _program(folder, "plain", "echo x")
    _program(folder, ".hidden", "echo x")
    (folder / "plain").chmod(0o644)
    programs = Programs(folder)
    for name in ("../programs/plain", "/bin/true", "plain", ".hidden", "none"):
        assert await programs.run(Ran("execute", name, (), b"")) == (False, b"")
    assert not Programs() and await Programs().run(Ran("execute", "plain", (), b"")) == (False, b"")


@pytest.mark.parametrize(("text", "largest"), [("sleep 100 & wait", 1000), ("yes", 1000)])
async def test_one_without_end_is_ended(tmp_path: Path, text: str, largest: int) -> None:
    """And what it has started with it."""
    _program(tmp_path / "p", "endless", f'echo $$ > "{tmp_path}/pid"; {text}')
    programs = Programs(tmp_path / "p", timeout=0.5 if "sleep" in text else 30.0, largest=largest)
    assert await programs.run(Ran("execute", "endless", (), b"x" * 1_000_000)) == (False, b"")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_it_has_nothing_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secrets in its environment."""
    monkeypatch.setenv("SECRET", "1")
    _program(tmp_path / "p", "show", "env")
    good, output = await Programs(tmp_path / "p").run(Ran("execute", "show", (), b""))
    assert good and b"SECRET" not in output and b"PATH=" in output
