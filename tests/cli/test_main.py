"""The command line from outside: as a process, as people start it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.commands import SOURCE, environment, mailhorn

from mailhorn import __version__
from mailhorn.cli.failure import explain


def test_help_and_version(tmp_path: Path) -> None:
    """Both exit 0; help names every command."""
    compiled = ", compiled" if any(SOURCE.glob("*.so")) else ""
    assert mailhorn("--version", home=tmp_path).stdout == f"mailhorn {__version__}{compiled}\n"
    result = mailhorn("--help", home=tmp_path)
    assert result.returncode == 0
    for command in ("serve", "watch", "account", "demo"):
        assert command in result.stdout


@pytest.mark.parametrize("command", [["serve"], ["watch"], ["demo"], ["account", "add"], ["account", "import"]])
def test_help_has_examples(command: list[str], tmp_path: Path) -> None:
    """A person who asks for help gets a line to copy."""
    assert "Example" in mailhorn(*command, "--help", home=tmp_path).stdout


def test_help_is_quick(tmp_path: Path) -> None:
    """No more is imported than help needs: less than 200 ms of processor time, measured as the better of two."""
    modules = subprocess.run(
        [sys.executable, "-c", "import sys, mailhorn.cli.commands; print('\\n'.join(sys.modules))"],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"asyncio", "msgspec", "structlog", "rich", "pydantic", "apsw", "cryptography"} & set(modules)

    def spent() -> float:
        before = os.times()
        mailhorn("--help", home=tmp_path)
        after = os.times()
        return after.children_user - before.children_user + after.children_system - before.children_system

    assert min(spent(), spent()) < 0.2


def test_completion_works(tmp_path: Path) -> None:
    """The shell is told the commands."""
    env = {
        "PYTHONPATH": str(SOURCE),
        "HOME": str(tmp_path),
        "_MAILHORN_COMPLETE": "bash_complete",
        "COMP_WORDS": "mailhorn account ",
        "COMP_CWORD": "2",
    }
    result = subprocess.run([sys.executable, "-m", "mailhorn"], env=env, capture_output=True, text=True)
    assert {f"plain,{name}" for name in ("add", "list", "remove", "import", "passwd")} <= set(result.stdout.split())
    script = mailhorn("completion", "bash", home=tmp_path).stdout
    assert "_MAILHORN_COMPLETE=bash_complete" in script and "complete " in script


@pytest.mark.parametrize("program", ["serve", "watch"])
def test_wrong_settings_are_one_line_and_exit_2(program: str, tmp_path: Path) -> None:
    """What, where, what to do; no traceback."""
    file = tmp_path / "wrong.toml"
    file.write_text("[lgo]\nlevel = 'info'\n")
    result = mailhorn(program, "--config", str(file), home=tmp_path)
    assert result.returncode == 2
    assert result.stderr == f"mailhorn: {file}: lgo is not a setting; did you mean log?\n"


@pytest.mark.parametrize("program", ["serve", "watch"])
@pytest.mark.parametrize("spelling", [["--config", "no.toml"], ["-c", "no.toml"], ["--config=no.toml"], ["-cno.toml"]])
def test_a_file_may_be_named_in_any_way(program: str, spelling: list[str], tmp_path: Path) -> None:
    """Whether `main` understands it or leaves it to click."""
    result = mailhorn(program, *spelling, home=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("mailhorn: no.toml")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("program", ["serve", "watch"])
def test_what_is_no_file_is_explained(program: str, tmp_path: Path) -> None:
    """An option that there is not, or a file that is missing."""
    for words in (["--config"], ["--confg", "x"], ["-c", "--print-config", "x"]):
        result = mailhorn(program, *words, home=tmp_path)
        assert result.returncode == 2
        assert "Error: " in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("program", ["serve", "watch"])
def test_the_example_file_is_printed(program: str, tmp_path: Path) -> None:
    """And the program takes it, which a wrong setting beside it shows."""
    result = mailhorn(program, "--print-config", home=tmp_path)
    assert result.returncode == 0
    assert "# level = " in result.stdout


def test_a_wrong_command_is_exit_2(tmp_path: Path) -> None:
    """With the nearest one."""
    result = mailhorn("account", "ad", "ann", home=tmp_path)
    assert result.returncode == 2
    assert "Did you mean 'add'" in result.stderr


def test_what_the_system_refuses_is_one_line(tmp_path: Path) -> None:
    """What may not be used, and why."""
    failure = explain(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/var/mail/x"))
    assert str(failure) == "/var/mail/x cannot be used: Permission denied"
    assert explain(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/var/mail/x")) is None, "a fault of ours"


def test_what_stands_in_mail_can_be_said_anywhere(tmp_path: Path) -> None:
    """Where there is no terminal in UTF-8, whatever the locale says, and also what is no UTF-8 at all."""
    (tmp_path / "rules.sieve").write_text('require "fileinto"; fileinto "Käse";')
    (tmp_path / "mail").write_bytes(b"Subject: =?utf-8?q?K=C3=A4se?= \xff\r\n\r\n")
    words = [sys.executable, "-m", "mailhorn", "sieve", "test", tmp_path / "rules.sieve", tmp_path / "mail"]
    env = environment(tmp_path, PYTHONIOENCODING="ascii")
    result = subprocess.run(words, env=env, capture_output=True, timeout=50)
    assert result.returncode == 0, result.stderr
    assert "file into Käse".encode() in result.stdout
    result = subprocess.run([*words, "--json"], env=env, capture_output=True, timeout=50)
    assert json.loads(result.stdout)["mailboxes"] == ["Käse"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """What is said goes into a file, and there is no room for it."""
    (tmp_path / "rules.sieve").write_text("keep;")
    words = [sys.executable, "-m", "mailhorn", "sieve", "check", tmp_path / "rules.sieve"]
    with open("/dev/full", "wb") as full:
        result = subprocess.run(words, env=environment(tmp_path), stdout=full, stderr=subprocess.PIPE, timeout=50)
    assert result.returncode == 1
    assert result.stderr == b"mailhorn: what is to be said cannot be written: No space left on device\n"
