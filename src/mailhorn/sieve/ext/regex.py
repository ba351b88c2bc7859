"""
regex: match with extended regular expressions (draft-ietf-sieve-regex-01).

Adds: the match type :regex, set [:quoteregex]

The engine is our own (`sieve.regex`): it never backtracks. With "variables", `${0}` is what matched, `${1}` the first
group and so on (§5 of the draft).
"""

from ..comparator import Comparator
from ..language import Bound, Extension, MatchType, Tagged
from ..limits import REGEX_COST
from ..regex import Regex


def _bind(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    if comparator.name not in ("i;octet", "i;ascii-casemap"):
        raise ValueError(f'the comparator "{comparator.name}" cannot be used with :regex')
    patterns = [Regex(_text(key), comparator.fold is not None) for key in keys]

    def matches(value: bytes) -> bool:
        text = _text(value)
        return any(pattern.search(text) for pattern in patterns)

    def spans(value: bytes) -> list[tuple[int, int]]:
        text = _text(value)
        for pattern in patterns:
            found = pattern.spans(text)
            if found:
                return found if value.isascii() else [_in_octets(text, start, end) for start, end in found]
        return []

    return Bound(matches, REGEX_COST * len(keys), spans)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _in_octets(text: str, start: int, end: int) -> tuple[int, int]:
    if start < 0:
        return start, end
    first = len(text[:start].encode("utf-8", "surrogateescape"))
    return first, first + len(text[start:end].encode("utf-8", "surrogateescape"))


EXTENSION: Extension = Extension(
    "regex",
    tags={"set": (Tagged("quoteregex", "quote"),)},
    match_types=(MatchType(Tagged("regex", "match type"), _bind, "substring", folds=False),),
    rfc="draft-ietf-sieve-regex-01",
)
