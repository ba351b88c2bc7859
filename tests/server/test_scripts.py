"""Sieve scripts as files."""

import os
from pathlib import Path

import pytest
import structlog.testing

from mailhorn.server.scripts import ScriptRefused, Scripts, check_script
from mailhorn.sieve import SieveError


def test_ones_own_script_goes_before_the_default(tmp_path: Path) -> None:
    """And none is fine."""
    default = tmp_path / "default.sieve"
    scripts = Scripts(tmp_path / "sieve", default)
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
    """A new version counts at once."""
    path = tmp_path / "ann.sieve"
    path.write_text("keep;")
    scripts = Scripts(tmp_path)
    first = scripts.script_for("ann")
    assert first is not None and scripts.script_for("ann") is first
    path.write_text("keep; ")
    second = scripts.script_for("ann")
    assert second is not None and second is not first
    os.utime(path, ns=(1, 1))
    assert scripts.script_for("ann") is not second


@pytest.mark.parametrize("text", ["kep;", 'redirect "bob@example.org";', 'require "vacation"; keep;', "#" * 2_000_000])
def test_a_bad_script_is_as_none_and_is_complained_of_once(tmp_path: Path, text: str) -> None:
    """The log names the file and the reason."""
    (tmp_path / "ann.sieve").write_text(text)
    scripts = Scripts(tmp_path)
    with structlog.testing.capture_logs() as logs:
        assert scripts.script_for("ann") is None
        assert scripts.script_for("ann") is None
    assert [(entry["log_level"], entry["script"]) for entry in logs] == [("error", str(tmp_path / "ann.sieve"))]


def test_what_delivery_cannot_do_is_refused_at_install() -> None:
    """Not at three in the morning."""
    assert check_script('require "fileinto"; fileinto "Work";').actions
    with pytest.raises(ScriptRefused, match="redirect"):
        check_script('redirect "bob@example.org";')
    with pytest.raises(SieveError):
        check_script("nonsense")
