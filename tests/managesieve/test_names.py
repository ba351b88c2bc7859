"""managesieve/names.py: what a script may be called."""

import pytest

from mailhorn.managesieve.names import BadName, script_name, valid_name


@pytest.mark.parametrize(
    "name", ["a", "summer script", 'clever"script', "../../etc/passwd", "räge", "日" * 128, "🐎", ".", "~"]
)
def test_nearly_everything_is_a_name(name: str) -> None:
    """Of 1 to 128 characters, whatever a file system makes of it."""
    assert script_name(name.encode()) == name


def test_a_name_is_one_however_it_is_typed() -> None:
    """Net-Unicode is composed (RFC 5198 §2)."""
    assert script_name("ra\u0308ge".encode()) == "räge"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a" * 129,
        b"\xff",
        b"a\0b",
        b"a\nb",
        b"\x7f",
        "\x85".encode(),
        "\u2028".encode(),
        "\u2029".encode(),
        b"\xed\xa0\x80",
    ],
)
def test_some_things_are_none(raw: bytes) -> None:
    """RFC 5804 §1.6."""
    with pytest.raises(BadName):
        script_name(raw)


def test_half_a_character_is_none() -> None:
    """It could not be sent."""
    with pytest.raises(BadName):
        valid_name("\udc80")
