"""
body: test what is below the header (RFC 5173).

Adds: body [COMPARATOR] [MATCH-TYPE] [:raw / :content <content-types: string-list> / :text] <key-list: string-list>
"""

from collections.abc import Iterable, Sequence

from ..language import Call, Extension, Tagged, Takes, TestWord
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Test
from ..questions import Entity, Structure
from ..run import Run, Values, values_of, values_of_octets


def _body(call: Call) -> Test:
    """Match variables are not set: "${1}" and so on stay as they were (RFC 5173 §6)."""
    kind = call.choice("transform", "text")
    call.inventory.questions.add(Structure())
    types = call.tag_texts("transform") or ()
    with_keys = matcher(call, call.texts(0)).without_captures()
    comparator = with_keys.comparator

    def found(run: Run) -> Values:
        wanted = tuple([text.value(run).lower() for text in types])
        key = ("body", kind, wanted, comparator.name)
        known = run.bound.get(key)
        if known is None:
            message = run.answer(Structure())
            if kind == "raw":
                known = values_of_octets((message.raw(),), comparator)
            else:
                known = values_of(_texts(message, wanted if kind == "content" else ("text",)), comparator)
            run.bound[key] = known
        assert isinstance(known, Values)
        return known

    return lambda run: with_keys.any(run, (found(run),))


def _texts(message: Entity, types: Sequence[str]) -> Iterable[str]:
    for entity in message.walk():
        if _is_wanted(entity, types):
            if entity.type == "multipart":  # prologue and epilogue, RFC 5173 §5.2
                yield from entity.around()
            elif entity.type == "message" and entity.children:
                yield "\r\n".join(f"{name}: {value}" for name, value in entity.children[0].fields())
            else:
                yield entity.text()


def _is_wanted(entity: Entity, types: Sequence[str]) -> bool:
    """Say whether a media type is wanted: "" is all, "text" all texts, "text/html" is that (RFC 5173 §5.2)."""
    for wanted in types:
        first, slash, second = wanted.partition("/")
        if slash and (not first or not second or "/" in second):
            continue
        if not wanted or (first == entity.type and (not slash or second == entity.subtype)):
            return True
    return False


EXTENSION: Extension = Extension(
    "body",
    tests=(
        TestWord(
            "body",
            "body [:raw / :content <types> / :text] [:comparator <name>] [:is / :contains / :matches] <keys>",
            _body,
            (Takes.STRINGS,),
            (
                *COMPARATOR,
                *MATCH_TYPE,
                Tagged("raw", "transform"),
                Tagged("content", "transform", Takes.STRINGS),
                Tagged("text", "transform"),
            ),
        ),
    ),
    asks=frozenset({"body"}),
    rfc="RFC 5173",
)
