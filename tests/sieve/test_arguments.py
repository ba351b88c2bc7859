"""No word takes what its description does not say: of every test and action of every extension (RFC 5228 §2.6)."""

from collections.abc import Iterator

import pytest

from mailhorn.sieve import SieveError, base, compile_script
from mailhorn.sieve.ext import EXTENSIONS
from mailhorn.sieve.language import ActionWord, Tagged, Takes
from mailhorn.sieve.language import Tests as Inner
from mailhorn.sieve.language import TestWord as Question

Word = Question | ActionWord
REQUIRE = "require [" + ", ".join([f'"{one.capability}"' for one in EXTENSIONS]) + "];\n"
RIGHT = {Takes.NUMBER: "1", Takes.STRING: '"a"', Takes.STRINGS: '["a", "b"]'}
WRONG = {Takes.NUMBER: ('"1"', '["1"]'), Takes.STRING: ("1", '["a", "b"]'), Takes.STRINGS: ("1",)}


def words() -> dict[str, tuple[Word, str]]:
    """Return every word, and what brings it; "" for the base language."""
    found: dict[str, tuple[Word, str]] = {word.name: (word, "") for word in (*base.TESTS, *base.ACTIONS)}
    for extension in EXTENSIONS:
        for word in (*extension.tests, *extension.actions):
            found.setdefault(f"{word.name} ({type(word).__name__})", (word, extension.capability))
    return found


WORDS = words()


def script(word: Word, arguments: str) -> str:
    """Return a script with the word and these arguments."""
    if isinstance(word, Question):
        tests = {Inner.NONE: "", Inner.ONE: " true", Inner.LIST: " (true)"}[word.tests]
        return f"if {word.name} {arguments}{tests} {{ keep; }}"
    return f"{word.name} {arguments} {'{ keep; }' if word.block else ';'}"


def tags_of(word: Word) -> Iterator[Tagged]:
    """Yield the tags of a word, those of extensions too."""
    yield from word.tags
    for extension in EXTENSIONS:
        yield from extension.tags.get(word.name, ())


def refused(text: str) -> str:
    """Return what is said of a script that must not compile."""
    with pytest.raises(SieveError) as caught:
        compile_script(text)
    assert caught.value.line and caught.value.column and caught.value.message.isprintable()
    return caught.value.message


@pytest.mark.parametrize("name", WORDS)
def test_arguments_of_another_type(name: str) -> None:
    """A number for a string, a list for one string, and so on; each at its place."""
    word, _ = WORDS[name]
    for place, takes in enumerate(word.takes):
        for wrong in WRONG[takes]:
            written = [RIGHT[one] for one in word.takes]
            written[place] = wrong
            refused(REQUIRE + script(word, " ".join(written)))


@pytest.mark.parametrize("name", WORDS)
def test_too_many_and_too_few(name: str) -> None:
    """Also where some may be left out."""
    word, _ = WORDS[name]
    written = [RIGHT[one] for one in word.takes]
    refused(REQUIRE + script(word, " ".join([*written, *['"more"'] * (word.before + 2)])))
    if len(written) > word.optional:
        refused(REQUIRE + script(word, " ".join(written[: len(written) - word.optional - 1])))


@pytest.mark.parametrize("name", WORDS)
def test_tags(name: str) -> None:
    """None that the word has not, none twice, none without its argument or with another one, none behind the others."""
    word, _ = WORDS[name]
    written = " ".join(RIGHT[one] for one in word.takes)
    assert "nonsense" in refused(REQUIRE + script(word, f":nonsense {written}"))
    for tag in tags_of(word):
        given = f":{tag.name} {RIGHT[tag.takes] if tag.takes else ''}"
        assert "cannot be given twice" in refused(REQUIRE + script(word, f"{given} {given} {written}"))
        if word.takes:
            assert "before the other arguments" in refused(REQUIRE + script(word, f"{written} {given}"))
        if tag.takes is not None:
            for wrong in WRONG[tag.takes]:
                refused(REQUIRE + script(word, f":{tag.name} {wrong} {written}"))
            assert f"after :{tag.name}" in refused(REQUIRE + script(word, f":{tag.name} :{tag.name} {written}"))


@pytest.mark.parametrize("name", [name for name, (_, capability) in WORDS.items() if capability])
def test_without_require(name: str) -> None:
    """It "MUST" be as if there were no such word, and it is said what to require (RFC 5228 §2.10.5)."""
    word, _ = WORDS[name]
    said = refused(script(word, " ".join(RIGHT[one] for one in word.takes)))
    assert said.startswith(f'"{word.name}" needs: require "')


@pytest.mark.parametrize("name", WORDS)
def test_blocks_and_tests_where_none_belong(name: str) -> None:
    """An action with a test or a block, a test with a test too many."""
    word, _ = WORDS[name]
    written = " ".join(RIGHT[one] for one in word.takes)
    if isinstance(word, ActionWord):
        refused(f"{REQUIRE}{word.name} {written} true {'{ keep; }' if word.block else ';'}")
        refused(f"{REQUIRE}{word.name} {written} {';' if word.block else '{ keep; }'}")
    elif word.tests is Inner.NONE:
        refused(f"{REQUIRE}if {word.name} {written} true {{ keep; }}")
        refused(f"{REQUIRE}if {word.name} {written} (true) {{ keep; }}")
    else:
        refused(f"{REQUIRE}if {word.name} {written} {{ keep; }}")
