"""The lock on a data directory."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import mailhorn
from mailhorn.config.find import ConfigError
from mailhorn.config.lock import DataLock, InUse


def test_a_second_server_is_refused(tmp_path: Path) -> None:
    """The line names the directory and the process that has it."""
    with DataLock(tmp_path) as lock:
        with pytest.raises(InUse) as caught:
            DataLock(tmp_path)
        assert str(tmp_path) in str(caught.value)
        assert f"(pid {os.getpid()})" in str(caught.value)
        assert not caught.value.ready
        lock.ready()
        with pytest.raises(InUse) as caught:
            DataLock(tmp_path)
        assert caught.value.ready


def test_the_lock_is_free_afterwards(tmp_path: Path) -> None:
    """Also when its process was killed: there is nothing to clean up."""
    with DataLock(tmp_path):
        pass
    script = (
        "import os, sys; from pathlib import Path; from mailhorn.config.lock import DataLock; "
        "DataLock(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    source = Path(mailhorn.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", script, tmp_path], env={"PYTHONPATH": str(source)}).returncode == -9
    DataLock(tmp_path).release()


def test_the_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """Mail is nobody else's business."""
    with DataLock(tmp_path / "a" / "mail"):
        assert stat.S_IMODE((tmp_path / "a" / "mail").stat().st_mode) == 0o700


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A clear line, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigError, match=r"the data directory .*/file/mail cannot be used: Not a directory; set `data`"
    ):
        DataLock(tmp_path / "file" / "mail")
