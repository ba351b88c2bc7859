"""What is SQLite's own of a mailbox side by side in memory; the rest is the contract of an index."""

from pathlib import Path

from mailhorn.model.ids import UID, MailboxId
from mailhorn.store.index.database import open_writer
from mailhorn.store.index.sheet import FEW, Sheet


def test_flags_that_nobody_has_any_more_do_not_stay_for_ever(tmp_path: Path) -> None:
    """A client that gives one message ever new keywords: the sheet is made anew before it knows too many."""
    db = open_writer(tmp_path / "index.db")
    box = MailboxId(1)
    db.execute("INSERT INTO account (id, login, password_hash) VALUES (1, 'ann', '')")
    db.execute("INSERT INTO mailbox (id, account, name, uid_validity) VALUES (1, 1, 'INBOX', 1)")
    db.execute("INSERT INTO blob (id, key, refs) VALUES (1, 'k', 1)")
    db.execute(
        "INSERT INTO message (mailbox, uid, mod_seq, flags, internal_date, save_date, size, blob)"
        " VALUES (1, 1, 1, '', 0, 0, 1, 1)"
    )
    sheet = Sheet.read(db, box)
    assert sheet is not None
    kept = 0
    for number in range(2, 3 * FEW):
        db.execute("UPDATE message SET flags = ?, mod_seq = ?, changed = 1", (f"k{number}", number))
        db.execute("UPDATE mailbox SET highest_mod_seq = ?", (number,))
        if not sheet.catch_up(db, box):
            break
        kept += 1
        assert list(sheet.columns([UID(1)]).flags) == [f"k{number}"]
    assert FEW < kept <= 2 * FEW + 2
    assert (sheet := Sheet.read(db, box)) is not None and sheet.catch_up(db, box)
    db.close()
