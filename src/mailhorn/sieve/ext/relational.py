"""
relational: compare by order, count (RFC 5231).

Adds: the match types :value and :count, each with "gt", "ge", "lt", "le", "eq" or "ne"
"""

from collections.abc import Callable

from ..comparator import Comparator, Order
from ..language import Bound, Extension, MatchType, Tagged, Takes

_OPERATORS: dict[str, Callable[[int], bool]] = {
    "gt": lambda sign: sign > 0,
    "ge": lambda sign: sign >= 0,
    "lt": lambda sign: sign < 0,
    "le": lambda sign: sign <= 0,
    "eq": lambda sign: sign == 0,
    "ne": lambda sign: sign != 0,
}


def _operator(argument: str) -> Callable[[int], bool]:
    operator = _OPERATORS.get(argument.lower())
    if operator is None:
        known = ", ".join(f'"{name}"' for name in _OPERATORS)
        raise ValueError(f'"{argument[:40]}" is no relation; expected one of {known}')
    return operator


def _sign(first: Order, second: Order) -> int:
    return (first > second) - (first < second)


def _value(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    operator = _operator(argument)
    orders = [comparator.order(key) for key in keys]

    def matches(value: bytes) -> bool:
        own = comparator.order(value)
        return any(operator(_sign(own, order)) for order in orders)

    return Bound(matches, max(len(keys), 1))


def _count(comparator: Comparator, keys: tuple[bytes, ...], argument: str) -> Bound:
    """Compare the number of values, as a string of digits, by the comparator (RFC 5231 §4.2)."""
    value = _value(comparator, keys, argument).matches
    return Bound(value, 1, None, lambda number: value(comparator.folded(str(number).encode())))


EXTENSION: Extension = Extension(
    "relational",
    match_types=(
        MatchType(Tagged("value", "match type", Takes.STRING), _value, "order"),
        MatchType(Tagged("count", "match type", Takes.STRING), _count, "order"),
    ),
    rfc="RFC 5231",
)
