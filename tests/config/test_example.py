"""The annotated example files: complete, and valid as they stand."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhorn.config.example import description, example
from mailhorn.config.find import read, sections
from mailhorn.config.settings import Section, ServeSettings, WatchSettings

PROGRAMS = [ServeSettings, WatchSettings]


def every_setting(kind: type[Section]) -> Iterator[tuple[str, object]]:
    for name, hint, section, _ in sections(kind):
        yield name, hint
        if section is not None:
            yield from every_setting(section)


@pytest.mark.parametrize("kind", PROGRAMS)
def test_every_setting_says_what_it_means(kind: type[Section]) -> None:
    """No setting and no table without a description, and the example shows it."""
    text = " ".join(example(kind).replace("\n# ", " ").split())
    for name, hint in every_setting(kind):
        assert description(hint), name
        assert " ".join(description(hint).split()) in text, name
        assert f"{name} = " in text or f"[{name}]" in text, name


@pytest.mark.parametrize("kind", PROGRAMS)
def test_the_example_changes_nothing(kind: type[Section], tmp_path: Path) -> None:
    """As printed it means the defaults."""
    path = tmp_path / "example.toml"
    path.write_text(example(kind))
    assert read(kind, path, {}) == kind()


@pytest.mark.parametrize("kind", PROGRAMS)
def test_the_example_is_right_when_uncommented(kind: type[Section], tmp_path: Path) -> None:
    """Every value shown is one that the setting takes."""
    lines = [line.removeprefix("# ") for line in example(kind).splitlines() if " = " in line or line.endswith("]")]
    path = tmp_path / "example.toml"
    path.write_text("\n".join(lines))
    assert tomllib.loads(path.read_text())
    assert read(kind, path, {}) != kind()


def test_these_two_limits() -> None:
    """A setting that speaks of the two before it comes right after them."""
    names = [line.split()[1] for line in example(ServeSettings).splitlines() if line.startswith("# ") and " = " in line]
    first = names.index("connections_per_address")
    assert names[first : first + 3] == ["connections_per_address", "connections_per_account", "count_this_machine"]
