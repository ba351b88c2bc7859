"""Lists in files."""

from pathlib import Path

from mailhorn.server.filtering.lists import LARGEST, RECHECKED, Lists


class Clock:
    """Goes on by more than a moment at every look."""

    now = 0.0

    def __call__(self) -> float:
        self.now += RECHECKED
        return self.now


def test_a_list_is_read_again_when_its_file_has_changed(tmp_path: Path) -> None:
    """Case and white space do not matter, comments are none of its members."""
    path = tmp_path / "team"
    lists = Lists({"team": str(path)}, Clock())
    assert lists.known("team") and not lists.known("other") and lists.found("team", "a@example.org", "ann") == ()
    path.write_text("# we\n A@Example.org  # the first\n\nb@example.org\n")
    assert lists.found("team", "a@example.ORG ", "ann") and lists.members("team", "ann") == (
        "A@Example.org",
        "b@example.org",
    )
    path.write_text("c@example.org\n")
    assert lists.found("team", "a@example.org", "ann") == () and lists.members("team", "ann") == ("c@example.org",)
    path.unlink()
    assert lists.members("team", "ann") == () == lists.members("other", "ann")


def test_each_login_has_its_own_and_no_login_leaves_the_folder(tmp_path: Path) -> None:
    """Whatever it is made of."""
    (tmp_path / "ann").write_text("a@example.org")
    (tmp_path / "secret").write_text("b@example.org")
    (tmp_path / "lists").mkdir()
    lists = Lists({"own": str(tmp_path / "{login}"), "deep": str(tmp_path / "lists" / "{login}")})
    assert lists.members("own", "ann") == ("a@example.org",) and lists.members("own", "bob") == ()
    assert lists.members("deep", "../secret") == ()


def test_what_is_no_address_book_is_empty(tmp_path: Path) -> None:
    """A folder, or far too much."""
    (tmp_path / "large").write_bytes(b"a@example.org\n" * (LARGEST // 10))
    lists = Lists({"folder": str(tmp_path), "large": str(tmp_path / "large")})
    assert lists.members("folder", "ann") == () == lists.members("large", "ann")
