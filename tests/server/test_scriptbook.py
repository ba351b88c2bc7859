"""server/scriptbook.py: scripts as files."""

import os
import stat
import threading
from functools import partial
from pathlib import Path

import pytest

from mailhorn.server import scriptbook
from mailhorn.server.scriptbook import (
    LARGEST,
    NoSuchScript,
    ScriptActive,
    ScriptBook,
    ScriptExists,
    ScriptLimits,
    TooLarge,
    TooManyScripts,
    script_file,
)
from mailhorn.server.scripts import Scripts, problem_file


@pytest.fixture
def book(tmp_path: Path) -> ScriptBook:
    """A book whose directory is not there yet."""
    return ScriptBook(tmp_path / "sieve")


def active(book: ScriptBook, login: str = "ann") -> str | None:
    return next((name for name, is_active in book.names(login) if is_active), None)


def test_a_script_is_a_file_and_the_active_one_a_link(book: ScriptBook, tmp_path: Path) -> None:
    """Where delivery looks for it."""
    assert book.names("ann") == []
    book.put("ann", "work", b"keep;")
    book.put("ann", "holidays", b"discard;")
    assert book.names("ann") == [("holidays", False), ("work", False)]
    assert book.read("ann", "work") == b"keep;"
    book.activate("ann", "work")
    assert book.names("ann") == [("holidays", False), ("work", True)]
    link = tmp_path / "sieve" / "ann.sieve"
    assert os.readlink(link) == "ann/work.sieve" and link.read_bytes() == b"keep;"
    scripts = Scripts(tmp_path / "sieve")
    assert (found := scripts.script_for("ann")) is not None and found.program is not None
    assert scripts.script_for("bob") is None
    book.activate("ann", "")
    book.activate("ann", "")
    assert active(book) is None and not link.is_symlink()
    assert stat.S_IMODE((tmp_path / "sieve" / "ann").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "sieve" / "ann" / "work.sieve").stat().st_mode) == 0o600


def test_who_puts_a_script_again_changes_what_is_active(book: ScriptBook, tmp_path: Path) -> None:
    """In one step: delivery sees another file."""
    book.put("ann", "work", b"keep;")
    book.activate("ann", "work")
    link = tmp_path / "sieve" / "ann.sieve"
    before = link.stat().st_ino
    book.put("ann", "work", b"stop;")
    assert link.read_bytes() == b"stop;" and link.stat().st_ino != before
    assert active(book) == "work"


def test_the_active_script_cannot_be_deleted(book: ScriptBook) -> None:
    """RFC 5804 §2.10; another one can, and one that is not there cannot."""
    book.put("ann", "work", b"keep;")
    book.activate("ann", "work")
    with pytest.raises(ScriptActive):
        book.delete("ann", "work")
    book.activate("ann", "")
    book.delete("ann", "work")
    for verb in (book.delete, book.read, book.activate):
        with pytest.raises(NoSuchScript):
            verb("ann", "work")


def test_a_renamed_script_stays_active(book: ScriptBook, tmp_path: Path) -> None:
    """RFC 5804 §2.11; and no other is lost by it."""
    book.put("ann", "work", b"keep;")
    book.put("ann", "other", b"stop;")
    book.activate("ann", "work")
    book.rename("ann", "work", "job")
    assert book.names("ann") == [("job", True), ("other", False)]
    assert (tmp_path / "sieve" / "ann.sieve").read_bytes() == b"keep;"
    book.rename("ann", "other", "another")
    assert book.names("ann") == [("another", False), ("job", True)]
    for old, new, problem in (
        ("job", "another", ScriptExists),
        ("job", "job", ScriptExists),
        ("no", "x", NoSuchScript),
    ):
        with pytest.raises(problem):
            book.rename("ann", old, new)
    assert book.read("ann", "another") == b"stop;"


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..",
        ".",
        ".hidden",
        "a/b",
        "-rf",
        "~",
        "~name",
        "räge",
        "日" * 128,
        "%" * 128,
        "a ",
        " a",
        "100%",
    ],
)
def test_any_name_stays_in_its_folder(book: ScriptBook, tmp_path: Path, name: str) -> None:
    """And comes back as it was, whatever a file system makes of it."""
    book.put("ann", name, b"keep;")
    book.activate("ann", name)
    book.put("ann", "other", b"stop;")
    assert book.names("ann") == sorted([(name, True), ("other", False)])
    assert book.read("ann", name) == b"keep;"
    [link] = [path for path in (tmp_path / "sieve").iterdir() if path.is_symlink()]
    assert link.name == "ann.sieve" and link.resolve().parent == tmp_path / "sieve" / "ann"
    book.rename("ann", name, "new")
    assert book.names("ann") == [("new", True), ("other", False)]
    assert sorted(os.listdir(tmp_path / "sieve" / "ann")) == ["new.sieve", "other.sieve"]
    assert sorted(os.listdir(tmp_path)) == ["sieve"]


@pytest.mark.parametrize("login", ["../../x", "ann.sieve", ".sieve", "ann", "ANN", "a/b"])
def test_nobody_reaches_what_is_somebody_elses(book: ScriptBook, tmp_path: Path, login: str) -> None:
    """Though the link of one could be called as the folder of another."""
    everybody = ["../../x", "ann.sieve", ".sieve", "ann", "ANN", "a/b"]
    for someone in everybody:
        book.put(someone, "a", someone.encode())
        book.activate(someone, "a")
    assert book.names(login) == [("a", True)]
    assert book.read(login, "a") == login.encode()
    found = Scripts(tmp_path / "sieve").path_of(login)
    assert found is not None and found.read_bytes() == login.encode()
    book.activate(login, "")
    assert [active(book, someone) for someone in everybody if someone != login] == ["a"] * 5


def test_a_file_put_there_by_hand_is_a_script(book: ScriptBook, tmp_path: Path) -> None:
    """What stands in the folder is what there is; what is no script is not seen."""
    folder = tmp_path / "sieve" / "ann"
    folder.mkdir(parents=True)
    (folder / "räge.sieve").write_bytes(b"keep;")
    for other in ("notes.txt", ".x.sieve", "~0123.sieve", "a\nb.sieve", ".sieve", "work.problem"):
        (folder / other).write_bytes(b"keep;")
    (folder / "folder.sieve").mkdir()
    (folder / "gone.sieve").symlink_to("nowhere")
    assert book.names("ann") == [("räge", False)]
    book.put("ann", "räge", b"stop;")
    assert (folder / "räge.sieve").read_bytes() == b"stop;"
    book.activate("ann", "räge")
    assert active(book) == "räge"


def test_a_plain_file_is_adopted(book: ScriptBook, tmp_path: Path) -> None:
    """It was what an administrator wrote before there was ManageSieve; delivery has it at every moment."""
    directory = tmp_path / "sieve"
    directory.mkdir()
    (directory / "ann.sieve").write_bytes(b"keep;")
    assert book.names("ann") == [("main", True)]
    assert os.readlink(directory / "ann.sieve") == "ann/main.sieve"
    assert book.names("ann") == [("main", True)]
    (directory / "ann.sieve").unlink()
    (directory / "ann.sieve").write_bytes(b"stop;")
    assert book.names("ann") == [("main", False), ("main-2", True)]
    (directory / "ann.sieve").unlink()
    (directory / "ann.sieve").write_bytes(b"keep;")
    assert book.read("ann", "main") == b"keep;"
    assert active(book) == "main"
    book.put("ann", "other", b"discard;")
    with pytest.raises(ScriptActive):
        book.delete("ann", "main")


def test_a_large_file_is_adopted_too(book: ScriptBook, tmp_path: Path) -> None:
    """It is not lost; it is only not sent to clients."""
    directory = tmp_path / "sieve"
    directory.mkdir()
    (directory / "ann.sieve").write_bytes(b"#" * (LARGEST + 1))
    assert book.names("ann") == [("main", True)]
    with pytest.raises(TooLarge):
        book.read("ann", "main")
    book.activate("ann", "")
    assert (directory / "ann" / "main.sieve").stat().st_size == LARGEST + 1


def test_a_link_of_the_administrator_is_left_alone(book: ScriptBook, tmp_path: Path) -> None:
    """Until its owner activates another script, or none."""
    directory = tmp_path / "sieve"
    directory.mkdir()
    (tmp_path / "everybody.sieve").write_bytes(b"keep;")
    link = directory / "ann.sieve"
    link.symlink_to("../everybody.sieve")
    book.put("ann", "own", b"stop;")
    assert book.names("ann") == [("own", False)] and link.read_bytes() == b"keep;"
    book.activate("ann", "own")
    assert link.read_bytes() == b"stop;" and (tmp_path / "everybody.sieve").read_bytes() == b"keep;"


def test_there_is_no_more_room_than_there_may_be(tmp_path: Path) -> None:
    """A script in the place of another is none more."""
    book = ScriptBook(tmp_path, ScriptLimits(scripts=2, size=10))
    book.room("ann", "a", 10)
    for verb in (lambda: book.room("ann", "a", 11), lambda: book.put("ann", "a", b"#" * 11)):
        with pytest.raises(TooLarge):
            verb()
    book.put("ann", "a", b"#" * 10)
    book.put("ann", "b", b"#")
    book.put("ann", "b", b"##")
    book.room("ann", "b", 10)
    for verb in (lambda: book.room("ann", "c", 1), lambda: book.put("ann", "c", b"#")):
        with pytest.raises(TooManyScripts):
            verb()
    book.put("bob", "c", b"#")


def test_what_fails_leaves_what_was_there(book: ScriptBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5804 §2.6: the old script MUST NOT be overwritten if PUTSCRIPT fails in any way."""
    book.put("ann", "a", b"keep;")
    book.activate("ann", "a")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scriptbook.os, "fsync", full)
    with pytest.raises(OSError):
        book.put("ann", "a", b"stop;")
    with pytest.raises(OSError):
        book.put("ann", "b", b"stop;")
    monkeypatch.undo()
    assert book.names("ann") == [("a", True)] and book.read("ann", "a") == b"keep;"
    assert os.listdir(tmp_path / "sieve" / "ann") == ["a.sieve"]


def test_it_is_durable_when_a_verb_returns(book: ScriptBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file before it gets its name, each folder after; each in the order in which nothing is ever missing."""
    done: list[str] = []
    fsync, replace, unlink, symlink = os.fsync, os.replace, Path.unlink, os.symlink

    def name(path: object) -> str:
        shown = os.path.relpath(str(path), tmp_path)
        return "NEW" if os.path.basename(shown).startswith(".") and len(shown) > 10 else shown

    def noted_fsync(descriptor: int) -> None:
        done.append("flush " + name(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def noted_replace(old: object, new: object) -> None:
        done.append(f"replace {name(new)}")
        replace(old, new)  # type: ignore[type-var]

    def noted_unlink(path: Path, missing_ok: bool = False) -> None:
        done.append(f"unlink {name(path)}")
        unlink(path, missing_ok)

    def noted_symlink(target: object, path: object) -> None:
        done.append(f"link to {target}")
        symlink(target, path)  # type: ignore[type-var]

    monkeypatch.setattr(scriptbook.os, "fsync", noted_fsync)
    monkeypatch.setattr(scriptbook.os, "replace", noted_replace)
    monkeypatch.setattr(scriptbook.os, "symlink", noted_symlink)
    monkeypatch.setattr(Path, "unlink", noted_unlink)

    def steps() -> list[str]:
        found = done.copy()
        done.clear()
        return found

    book.put("ann", "a", b"keep;")
    assert steps() == ["flush sieve", "flush .", "flush NEW", "replace sieve/ann/a.sieve", "flush sieve/ann"]
    book.activate("ann", "a")
    assert steps() == ["link to ann/a.sieve", "replace sieve/ann.sieve", "flush sieve"]
    book.rename("ann", "a", "b")
    assert steps() == [
        *("flush NEW", "replace sieve/ann/b.sieve", "flush sieve/ann"),
        *("link to ann/b.sieve", "replace sieve/ann.sieve", "flush sieve"),
        *("unlink sieve/ann/a.sieve", "flush sieve/ann"),
    ]
    book.activate("ann", "")
    assert steps() == ["unlink sieve/ann.sieve", "flush sieve"]
    book.delete("ann", "b")
    assert steps() == ["unlink sieve/ann/b.sieve", "flush sieve/ann"]


def test_any_number_of_threads_may_change_them(tmp_path: Path) -> None:
    """There is never one script too many, and there is an active one at every moment."""
    book = ScriptBook(tmp_path, ScriptLimits(scripts=5))
    book.put("ann", "a", b"keep;")
    book.activate("ann", "a")
    broken: list[str] = []

    def work(number: int) -> None:
        for round_ in range(4):
            name = f"{number}-{round_}"
            for verb in (
                partial(book.put, "ann", name, b"keep;"),
                partial(book.rename, "ann", "a", "b"),
                partial(book.rename, "ann", "b", "a"),
                partial(book.delete, "ann", name),
            ):
                try:
                    verb()
                except (TooManyScripts, NoSuchScript, ScriptExists):
                    pass
                if not (tmp_path / "ann.sieve").is_symlink():
                    broken.append("no script")
                if len(book.names("ann")) > 5:
                    broken.append("too many")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken
    assert active(book) in ("a", "b")


@pytest.mark.parametrize("name", ["work", "räge", "a/b", "..", "日" * 128])
def test_delivery_finds_a_script_by_its_name(book: ScriptBook, tmp_path: Path, name: str) -> None:
    """To include it (RFC 6609); one that is not there has a place, too, so that it is noticed when it comes."""
    expected = script_file(tmp_path / "sieve", "ann.sieve", name)
    assert expected is not None and not expected.exists()
    book.put("ann.sieve", name, b"keep;")
    assert script_file(tmp_path / "sieve", "ann.sieve", name) == expected
    assert expected.read_bytes() == b"keep;"
    assert script_file(tmp_path / "sieve", "ann", "a\nb") is None


def test_nothing_is_left_of_an_account_that_is_removed(book: ScriptBook, tmp_path: Path) -> None:
    """Whoever has its login next is somebody else; others keep theirs, and the administrator what a link leads to."""
    for login in ("ann", "bob"):
        book.put(login, "a", b"keep;")
        book.activate(login, "a")
    (tmp_path / "sieve" / "carl.sieve").write_bytes(b"keep;")
    problem_file(tmp_path / "sieve" / "ann.sieve").write_text("it failed")
    (tmp_path / "everybody.sieve").write_bytes(b"keep;")
    (tmp_path / "sieve" / "dora.sieve").symlink_to("../everybody.sieve")
    for login in ("ann", "carl", "dora", "eve"):
        book.forget(login)
    assert sorted(os.listdir(tmp_path / "sieve")) == ["bob", "bob.sieve"]
    assert book.names("ann") == [] and book.names("bob") == [("a", True)]
    assert (tmp_path / "everybody.sieve").exists()
    ScriptBook(tmp_path / "nowhere").forget("ann")
