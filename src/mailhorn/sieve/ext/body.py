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
        key = ("body", kind, wanted, comparator.name, run.root)
        known = run.bound.get(key)
        if known is None:
            message = run.presented()
            if not _has_body(message):
                known = values_of((), comparator)
            elif kind == "raw":
                known = values_of_octets((message.raw(),), comparator)
            elif kind == "text":
                known = values_of(_read(message), comparator)
            else:
                known = values_of(_texts(message, wanted), comparator)
            run.bound[key] = known
        assert isinstance(known, Values)
        return known

    return lambda run: with_keys.any(run, (found(run),))


def _has_body(message: Entity) -> bool:
    """Say whether an empty line follows the header; without one all tests are false (RFC 5173 §4)."""
    if message.raw():
        return True
    header = message.whole()
    return header.endswith((b"\n\r\n", b"\n\n")) or header in (b"\r\n", b"\n")


def _read(message: Entity) -> Iterable[str]:
    """Yield the texts of a message without their markup, as RFC 5173 §5.3 allows."""
    for entity in message.walk():
        if entity.type == "text" or (entity.type, entity.subtype) == ("application", "xhtml+xml"):
            text = entity.plain()
            if text:
                yield text


def _texts(message: Entity, types: Sequence[str]) -> Iterable[str]:
    for entity in message.walk():
        if _is_wanted(entity, types):
            if entity.type == "multipart":  # prologue and epilogue, RFC 5173 §5.2
                yield from entity.around()
            elif entity.type == "message" and entity.children:
                inner = entity.children[0]  # its header, as a single string
                header = inner.whole()[: len(inner.whole()) - len(inner.raw())]
                yield header.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
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
