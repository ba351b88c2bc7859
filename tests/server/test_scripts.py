"""Sieve scripts as files."""

import os
from pathlib import Path

import pytest
import structlog.testing

from mailhorn.server.scripts import RECHECKED, Scripts, check_script
from mailhorn.sieve import SieveError


class Clock:
    """Goes on by more than a moment at every look."""

    now = 0.0

    def __call__(self) -> float:
        self.now += RECHECKED
        return self.now


def test_ones_own_script_goes_before_the_default(tmp_path: Path) -> None:
    """And none is fine."""
    default = tmp_path / "default.sieve"
    scripts = Scripts(tmp_path / "sieve", default, Clock())
    assert scripts.script_for("ann") is None
    default.write_text("keep;")
    assert (script := scripts.script_for("ann")) is not None and script.path == default
    own = scripts.path_of("ann")
    assert own == tmp_path / "sieve" / "ann.sieve"
    own.parent.mkdir()
    own.write_text("discard;")
    assert (script := scripts.script_for("ann")) is not None and script.path == own
    assert (script := scripts.script_for("bob")) is not None and script.path == default
    own.unlink()
    assert (script := scripts.script_for("ann")) is not None and script.path == default


def test_a_login_never_leaves_the_directory(tmp_path: Path) -> None:
    """Whatever it is made of."""
    path = Scripts(tmp_path).path_of("../../etc/passwd")
    assert path is not None and path.parent == tmp_path


def test_a_script_is_compiled_once_for_each_version(tmp_path: Path) -> None:
    """A new version counts when the file is looked at again."""
    path = tmp_path / "ann.sieve"
    path.write_text("keep;")
    scripts = Scripts(tmp_path, clock=Clock())
    first = scripts.script_for("ann")
    assert first is not None and scripts.script_for("ann") is first
    path.write_text("keep; ")
    second = scripts.script_for("ann")
    assert second is not None and second is not first
    os.utime(path, ns=(1, 1))
    assert scripts.script_for("ann") is not second


def test_a_file_is_not_looked_at_for_every_message(tmp_path: Path) -> None:
    """Neither one that is there nor one that is not."""
    (tmp_path / "ann.sieve").write_text("keep;")
    scripts = Scripts(tmp_path, clock=lambda: 0.0)
    assert scripts.script_for("bob") is None
    assert scripts.script_for("ann") is not None
    (tmp_path / "ann.sieve").unlink()
    (tmp_path / "bob.sieve").write_text("keep;")
    assert scripts.script_for("ann") is not None and scripts.script_for("bob") is None


@pytest.mark.parametrize("text", ["kep;", 'redirect "bob@example.org";', 'require "vacation"; keep;', "#" * 2_000_000])
def test_a_bad_script_is_as_none_and_is_complained_of_once(tmp_path: Path, text: str) -> None:
    """The log names the file and the reason."""
    (tmp_path / "ann.sieve").write_text(text)
    scripts = Scripts(tmp_path, clock=Clock())
    with structlog.testing.capture_logs() as logs:
        assert scripts.script_for("ann") is None
        assert scripts.script_for("ann") is None
    assert [(entry["log_level"], entry["script"]) for entry in logs] == [("error", str(tmp_path / "ann.sieve"))]


def test_what_delivery_cannot_do_is_refused_at_install() -> None:
    """Not at three in the morning."""
    assert check_script('require "fileinto"; fileinto "Work";').actions
    with pytest.raises(SieveError, match=r"redirect needs a way out for mail.*\[relay\]"):
        check_script('redirect "bob@example.org";')
    with pytest.raises(SieveError):
        check_script("nonsense")
