"""Opening the file."""

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
