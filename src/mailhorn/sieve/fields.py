"""
Which header fields a test looks at: of the message, of a part of it (RFC 5703 §4), the nth one (RFC 5260 §6).

A test whose names are constant and that has none of these arguments is compiled by `match.any_value`, which is faster.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from .language import Call
from .match import is_field_name
from .parameters import content_type, disposition, parameters
from .questions import Structure
from .run import Run
from .text import Text, constants

_TAGS = frozenset(("index", "last", "mime", "anychild", "mime option"))


class Place(Protocol):
    """What has header fields: the message as `Run` knows it, or a part. Names are in lower case."""

    def header(self, name: str) -> Sequence[str]:
        """Return the decoded values of the fields of that name, trimmed. Raises Missing."""

    def structured(self, name: str) -> Sequence[str]:
        """Return the values of the fields of that name with encoded words. Raises Missing."""


Places = Callable[[Run], Sequence[Place]]
"""Returns where to look."""


def _message(run: Run) -> Sequence[Place]:
    return (run,)


def places(call: Call) -> Places:
    """Return what says where a test looks: at the message, or with `:mime` at parts (RFC 5703 §4)."""
    if not call.has("mime"):
        if call.has("anychild") or call.has("mime option"):
            raise call.error(f":{call.choice('anychild', call.choice('mime option', ''))} needs :mime before it")
        return _message
    if call.has("anychild"):
        return _with_children
    return lambda run: (run,) if run.sees_edits() else (run.entity(),)


def _with_children(run: Run) -> Sequence[Place]:
    first, *others = run.entity().walk()
    return (run, *others) if run.sees_edits() else (first, *others)


def field_names(call: Call, index: int) -> tuple[str, ...] | None:
    """Return the names of an argument in lower case, impossible ones left out, and note them; None: variables."""
    texts = call.texts(index) or (call.text(index),)
    fixed = constants(texts)
    names = None if fixed is None else _possible(fixed)
    if call.has("mime"):
        call.inventory.questions.add(Structure())
    elif names is None:
        call.inventory.any_header = True
    else:
        call.inventory.headers.update(names)
    return names


def _possible(names: Sequence[str]) -> tuple[str, ...]:
    return tuple([name.lower() for name in names if is_field_name(name)])


def is_plain(call: Call, names: tuple[str, ...] | None) -> bool:
    """Say whether the test looks at all fields of constant names of the message."""
    return names is not None and _TAGS.isdisjoint(call.tags)


def names_now(texts: tuple[Text, ...], run: Run) -> tuple[str, ...]:
    """Return field names as they are now."""
    return _possible([text.value(run) for text in texts])


Field = tuple[str, str]
"""The name of a field in lower case, and its value."""


def chosen(call: Call, index: int, structured: bool) -> Callable[[Run], list[Field]]:
    """
    Return what gets the fields a test looks at.

    Args:
        call: For its tags `:index`, `:last`, `:mime` and `:anychild`.
        index: The argument with the names.
        structured: Values with encoded words as they are, for addresses.

    """
    texts = call.texts(index) or (call.text(index),)
    names = field_names(call, index)
    where = places(call)
    number = call.tag_number("index", 0)
    if call.has("index") and number < 1:
        raise call.tag_error("index", "fields are counted from 1; expected :index 1 or more")
    if call.has("last") and not number:
        raise call.error(":last needs :index (RFC 5260 §6)")
    last = call.has("last")

    def fields(run: Run) -> list[Field]:
        wanted = names_now(texts, run) if names is None else names
        found: list[Field] = []
        for place in where(run):
            for name in wanted:
                found += [(name, value) for value in (place.structured(name) if structured else place.header(name))]
        if number:
            at = len(found) - number if last else number - 1
            return found[at : at + 1] if at >= 0 else []
        return found

    return fields


def mime_option(call: Call) -> Callable[[Run, list[Field]], tuple[list[str], int]]:
    """
    Return what takes from fields what a test compares with a tag such as `:subtype`, and the number for `:count`.

    Counted are fields that could be parsed; of those that have no type a blank string is compared (RFC 5703 §4.1).
    """
    tag = call.choice("mime option", "")
    if not tag:
        return lambda run, fields: ([value for _, value in fields], len(fields))
    wanted = call.tag_texts("mime option") or ()

    def pieces(run: Run, fields: list[Field]) -> tuple[list[str], int]:
        if tag == "param":
            names = frozenset(name.value(run).lower() for name in wanted)
            found = [text for _, value in fields for name, text in parameters(value) if name in names]
            return found, len(found)
        blank, found = [], []
        for name, value in fields:
            if name not in _TYPED:
                blank.append("")
            elif kind := (content_type if name == "content-type" else disposition)(value)[0]:
                first, _, second = kind.partition("/")
                found.append({"type": first, "subtype": second}.get(tag, kind))
        return found + blank, len(found)

    return pieces


_TYPED = frozenset(("content-type", "content-disposition"))
