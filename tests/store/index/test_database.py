"""Opening the file."""

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from mailhorn.store.abc import StoreUnavailable
from mailhorn.store.index.database import LET_GO, let_go, open_reader, open_writer


def test_settings_and_version(tmp_path: Path) -> None:
    """WAL, FULL, migrated, for its owner only; opening it again changes nothing."""
    for _ in range(2):
        db = open_writer(tmp_path / "deep" / "index.db")
        assert db.ask("PRAGMA journal_mode") == [("wal",)] and db.ask("PRAGMA synchronous") == [(2,)]
        assert db.ask("PRAGMA user_version")[0][0] >= 1
        assert (tmp_path / "deep" / "index.db").stat().st_mode & 0o777 == 0o600
        db.close()


def test_a_full_disk_is_no_reason_not_to_open_it(tmp_path: Path) -> None:
    """There is no room for all of the WAL: it stays as long as it was, and can be written all the same."""
    path = tmp_path / "index.db"
    open_writer(path).close()
    script = (
        "import errno, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from mailhorn.store.index import database\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "database.NO_ROOM = (errno.EFBIG,)\n"  # what a limit of the file's size says instead
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "path = Path(sys.argv[1])\n"
        "db = database.open_writer(path)\n"
        "print(Path(f'{path}-wal').stat().st_size)\n"
        "db.execute('CREATE TABLE more (n)')\n"
        "db.close()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("0\n", "")


def test_what_is_in_the_way_is_told_with_what_to_do(tmp_path: Path) -> None:
    """One line: what, where, what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match=r"the index .*index\.db cannot be used \(.+\): see to the disk and"):
        open_writer(tmp_path / "file" / "index.db")


def test_statements_are_planned_once(tmp_path: Path) -> None:
    """Not for each value anew, which takes two thirds of the time of a small one: who reads and who writes."""
    writer = open_writer(tmp_path / "index.db")
    for db in (writer, open_reader(tmp_path / "index.db")):
        assert db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, -1) == 1
        db.close()


def test_an_index_of_a_newer_mailhorn_is_left_alone(tmp_path: Path) -> None:
    """One clear line instead of damage."""
    db = open_writer(tmp_path / "index.db")
    db.execute("PRAGMA user_version = 9999")
    db.close()
    with pytest.raises(StoreUnavailable, match="newer mailhorn"):
        open_writer(tmp_path / "index.db")


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 3.51.3 a checkpoint could corrupt the file."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    with pytest.raises(StoreUnavailable, match=r"3\.40\.1"):
        open_writer(tmp_path / "index.db")


def test_what_is_no_database_is_said_so(tmp_path: Path) -> None:
    """Garbage, a directory, a file that is not there."""
    (tmp_path / "garbage").write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreUnavailable, match="is damaged .*mailhorn check --repair"):
        open_writer(tmp_path / "garbage")
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "index.db"):
        with pytest.raises(StoreUnavailable):
            open_writer(path)
    with pytest.raises(StoreUnavailable):
        open_reader(tmp_path / "missing")


def test_letting_go_of_rows() -> None:
    """All of them, and the list stays."""
    rows = [(number,) for number in range(2 * LET_GO + 1)]
    let_go(rows)
    assert rows == []
