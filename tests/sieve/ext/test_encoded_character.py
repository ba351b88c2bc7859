import pytest
from tests.kit.sieve import MESSAGE_B, outcome

from mailhorn.sieve import SieveError, compile_script
from mailhorn.sieve.ext.encoded_character import decode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$${hex:40}", "$@"),
        ("${hex: 40 }", "@"),
        ("${HEX: 40}", "@"),
        ("${hex:40", "${hex:40"),
        ("${hex:400}", "${hex:400}"),
        ("${hex:4${hex:30}}", "${hex:40}"),
        ("${unicode:40}", "@"),
        ("${ unicode:40}", "${ unicode:40}"),
        ("${UNICODE:40}", "@"),
        ("${UnICoDE:0000040}", "@"),
        ("${Unicode:40}", "@"),
        ("${Unicode:Cool}", "${Unicode:Cool}"),
        ("${hex:}", "${hex:}"),
        ("${hex: }", "${hex: }"),
        ("${hex:2424}", "${hex:2424}"),
        ("${hex:24\r\n\t24}", "$$"),
        ("${hex:c3 a9}", "é"),
        ("${hex:c3}${hex:a9}", "é"),
        ("${hex:fc}", "\udcfc"),
        ("${unicode:e9 1F4EC}", "é\U0001f4ec"),
        ("${unicode:0}", "\0"),
        ("a${hex:4}b", "a\x04b"),
        ("${hex:24}{hex:40}", "${hex:40}"),
    ],
)
def test_examples_of_the_rfc_and_more(text: str, expected: str) -> None:
    """RFC 5228 §2.4.2.4."""
    assert decode(text) == expected


@pytest.mark.parametrize("text", ["${unicode:200000}", "${Unicode:DF01}", "${unicode:d800}", "${unicode:40 110000}"])
def test_what_is_no_character_is_an_error(text: str) -> None:
    """RFC 5228 §2.4.2.4: only 0 to D7FF and E000 to 10FFFF."""
    with pytest.raises(SieveError, match="not the number of a Unicode character") as caught:
        compile_script(f'require "encoded-character";\nif header "a" ["b", "{text}"] {{ stop; }}')
    assert (caught.value.line, caught.value.column) == (2, 15)


def test_a_wrong_number_in_no_sequence_is_no_error() -> None:
    """RFC 5228 §2.4.2.4: "MUST NOT raise an error [...] unless the sequence containing it is well-formed"."""
    assert decode("${unicode:200000") == "${unicode:200000"
    assert decode("${unicode:200000,40}") == "${unicode:200000,40}"


def test_the_example_in_a_script() -> None:
    """The string is equivalent to "$$$"; also after a tag."""
    assert outcome(
        'require "encoded-character"; if header :contains :comparator "${hex:69};octet" "Subject" "$${hex:24 24}"'
        " { discard; }",
        MESSAGE_B,
    ) == ["discard"]


def test_require_itself_is_not_decoded() -> None:
    """RFC 5228 §6: extensions must not alter the argument of require."""
    with pytest.raises(SieveError, match="unknown extension"):
        compile_script('require "encoded-character"; require "${hex:63}opy";')
