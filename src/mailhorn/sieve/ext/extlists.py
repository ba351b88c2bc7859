"""
extlists: is it in the address book? (RFC 6134)

Adds: the match type :list, valid_ext_list <ext-list-names: string-list>, redirect :list <ext-list-name: string>
"""

from ..comparator import Comparator
from ..language import Bound, Call, Extension, MatchType, Tagged, Takes, TestWord
from ..program import Test
from ..questions import ListKnown


def _bind(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    names = tuple([key.decode("utf-8", "surrogateescape") for key in keys])
    return Bound(_never, len(keys), lists=names)


def _never(value: bytes) -> bool:
    return False


def _valid_ext_list(call: Call) -> Test:
    """True if all lists are known here (RFC 6134 §2.8)."""
    names = call.texts(0)
    return lambda run: all(run.answer(ListKnown(name.value(run))) for name in names)


EXTENSION: Extension = Extension(
    "extlists",
    tests=(TestWord("valid_ext_list", "valid_ext_list <lists>", _valid_ext_list, (Takes.STRINGS,)),),
    tags={"redirect": (Tagged("list", "list"),)},
    match_types=(MatchType(Tagged("list", "match type"), _bind, folds=False),),
    asks=frozenset({"lists"}),
    rfc="RFC 6134",
)
