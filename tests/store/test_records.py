"""What other programs have written down, read."""

from pathlib import Path

import pytest

from mailhorn.store.records import Recorded, find_folders, list_found, read_recorded, read_subscriptions


def maildir(path: Path) -> Path:
    """Make an empty Maildir."""
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    ("text", "recorded"),
    [
        (
            "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
            "25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n"
            "25017 W2481 P3 :1276533073.M242911P3632.kurkku:2,F\n",
            Recorded(
                1275660208,
                25022,
                {"1276528487.M364837P9451.kurkku,S=1355,W=1394": 25006, "1276533073.M242911P3632.kurkku": 25017},
            ),
        ),
        ("1 1275660208 9\n8 name with spaces:2,S\n", Recorded(1275660208, 9, {"name with spaces": 8})),
        ("3 V0 N2\n7 :a\n0 :b\n99999999999 :c\nx :d\n8 e\n", Recorded(0, 8, {"a": 7})),
        ("3 Vx Nx\n", Recorded(0, 1, {})),
        ("4 V1 N1\n1 :a\n", Recorded(0, 1, {})),
        ("3 V9 N4294967296\n7 :a\n", Recorded(9, 8, {"a": 7})),
        ("3 V9 N8\n4294967295 :a\n7 :b\n", Recorded(0, 1, {})),
        ("", Recorded(0, 1, {})),
    ],
)
def test_dovecot(tmp_path: Path, text: str, recorded: Recorded) -> None:
    """Both versions of its list; what makes no sense is passed over."""
    (tmp_path / "dovecot-uidlist").write_text(text)
    assert read_recorded(tmp_path) == recorded
    (tmp_path / "mailhorn-mailbox").write_text("mailhorn-mailbox 1\nuid_validity=5\nuid_next=6\n")
    assert read_recorded(tmp_path) == Recorded(5, 6, None)  # it is ours by now


@pytest.mark.parametrize(
    ("text", "recorded"),
    [
        ("17\n3\n", Recorded(17, 4)),
        ("17\n", Recorded()),
        ("x\n3\n", Recorded()),
        ("-1\n3\n", Recorded(0, 4)),
        ("17\n4294967295\n", Recorded(uids={})),
    ],
)
def test_mbsync(tmp_path: Path, text: str, recorded: Recorded) -> None:
    """Two lines: UIDVALIDITY and the greatest UID."""
    (tmp_path / ".uidvalidity").write_text(text)
    assert read_recorded(tmp_path) == recorded


@pytest.mark.parametrize(
    "name", ["mailhorn-mailbox", "dovecot-uidlist", ".uidvalidity", "dovecot-keywords", "subscriptions"]
)
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    """That a record is there and cannot be read is not the same as that there is none."""
    (tmp_path / name).symlink_to(name)
    with pytest.raises(OSError, match=name):
        read_recorded(tmp_path)


def test_a_uid_that_leaves_no_room(tmp_path: Path) -> None:
    """The greatest UIDs are nobody's: a message that is called by one gets another."""
    maildir(tmp_path)
    for uid in (4294967295, 7):
        (tmp_path / "cur" / f"{uid}.host,U={uid}:2,").write_bytes(b"abc")
    assert [file.uid for file in list_found(str(tmp_path), Recorded(5, 8))] == [7, None]


def test_files(tmp_path: Path) -> None:
    """The list decides where there is one, else the names; no UID is given twice; odd names become plain ones."""
    maildir(tmp_path)
    for name in ("1.a.host,S=3,U=7:2,S", "2.b.host,U=7:2,", "3.c\udcff,x", ".hidden"):
        (tmp_path / "cur" / name).write_bytes(b"abc")
    (tmp_path / "cur" / "directory").mkdir()
    found = list_found(str(tmp_path), Recorded())
    assert [(file.key, file.uid, file.letters, file.size) for file in found] == [
        ("1.a.host", 7, "S", 3),
        ("2.b.host", None, "", 3),
        ("3.c_", None, "", 3),
    ]
    found = list_found(str(tmp_path), Recorded(uids={"2.b.host,U=7": 9}))
    assert [(file.key, file.uid) for file in found][0] == ("2.b.host", 9)


def test_subscriptions(tmp_path: Path) -> None:
    """Dovecot's two versions."""
    assert read_subscriptions(tmp_path) == []
    (tmp_path / "subscriptions").write_text("INBOX\nWork.2026\nEntw&APw-rfe\nbad&\n")
    assert read_subscriptions(tmp_path) == ["Entwürfe", "INBOX", "Work/2026"]
    (tmp_path / "subscriptions").write_text("V\t2\n\nWork\t2026\nEntw&APw-rfe\ninbox\n")
    assert read_subscriptions(tmp_path) == ["Entwürfe", "INBOX", "Work/2026"]


def test_folders(tmp_path: Path) -> None:
    """Three layouts; what cannot be a mailbox is told and left out."""
    assert find_folders(tmp_path) == ([], [])
    maildir(tmp_path)
    for folder in (".Work", ".Work.2026", ".Old/.Older", ".Old", "Entw&APw-rfe/Sub", "plain&", ".a..b", ".git/x"):
        maildir(tmp_path / folder)
    maildir(tmp_path / "Work")
    (tmp_path / ".git" / "cur").mkdir(exist_ok=True)
    found, odd = find_folders(tmp_path)
    names = {name: str(path.relative_to(tmp_path)) for name, path in found}
    assert names == {
        "INBOX": ".",
        "Work": ".Work",
        "Work/2026": ".Work.2026",
        "Old": ".Old",
        "Old/Older": ".Old/.Older",
        "Entwürfe/Sub": "Entw&APw-rfe/Sub",
        "plain&": "plain&",
        "git": ".git",
        "git/x": ".git/x",
    }
    assert found[0] == ("INBOX", tmp_path)
    assert sorted(path.name for path, _ in odd) == [".a..b", "Work"]
