"""The layers of the house: kept, and a breach of them is seen."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache"], cwd=project, env={"PYTHONPATH": str(project / "src")}, capture_output=True, text=True
    )


def test_the_layers_are_kept() -> None:
    """All contracts of pyproject.toml hold."""
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("imap/planted.py", "from .. import smtp", "the parts do not know each other"),
        ("store/planted.py", "from ..config import settings", "Imports point down"),
        ("model/planted.py", "def f():\n    import socket", "do no I/O and read no clock"),
        ("server/planted.py", "from ..store import index", "Only config.wire names a concrete backend"),
        ("newcomer/__init__.py", '"""A package without a row."""', "Imports point down"),
    ],
)
def test_a_breach_is_seen(tmp_path: Path, file: str, line: str, contract: str) -> None:
    """An import that points the wrong way, even inside a function, breaks the contract that forbids it."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src" / "mailhorn", tmp_path / "src" / "mailhorn")
    planted = tmp_path / "src" / "mailhorn" / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(line + "\n")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout + result.stderr
    broken = [row for row in result.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(contract in row for row in broken), result.stdout
