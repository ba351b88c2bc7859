"""
extlists: is it in the address book? (RFC 6134)

Adds: the match type :list, valid_ext_list <ext-list-names: string-list>, redirect :list <ext-list-name: string>
"""

from ..comparator import Comparator
from ..language import Bound, Call, Extension, MatchType, Tagged, Takes, TestWord
from ..listname import DEFAULT_LIST, list_name
from ..program import Test
from ..questions import ListKnown
from ..run import Run


def _bind(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    names = tuple([list_name(key.decode("utf-8", "surrogateescape")) for key in keys])
    return Bound(_never, len(keys), lists=names)


def _never(value: bytes) -> bool:
    return False


def _valid_ext_list(call: Call) -> Test:
    """True if all lists are known here, as `:list` knows them (RFC 6134 §2.7)."""
    names = call.texts(0)

    def valid_ext_list(run: Run) -> bool:
        wanted = [list_name(name.value(run)) for name in names]
        return all(name == DEFAULT_LIST or run.answer(ListKnown(name)) for name in wanted)

    return valid_ext_list


EXTENSION: Extension = Extension(
    "extlists",
    tests=(TestWord("valid_ext_list", "valid_ext_list <lists>", _valid_ext_list, (Takes.STRINGS,)),),
    tags={"redirect": (Tagged("list", "list"),)},
    match_types=(MatchType(Tagged("list", "match type"), _bind, folds=False),),
    asks=frozenset({"lists"}),
    rfc="RFC 6134",
)
