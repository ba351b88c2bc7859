"""The command line from outside: as a process, as people start it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.commands import SOURCE, mailhorn

from mailhorn import __version__


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
