"""
mime, foreverypart, extracttext, replace and enclose: look into the parts of a message and change them (RFC 5703).

Adds: header, address and exists [:mime] [:anychild] and for header [:type / :subtype / :contenttype / :param <names>],
      foreverypart [:name <string>] { ... }, break [:name <string>],
      extracttext [MODIFIER] [:first <number>] <varname: string>,
      replace [:mime] [:subject <string>] [:from <string>] <replacement: string>,
      enclose [:subject <string>] [:headers <string-list>] <text: string>

Tests see the message as it came, also after a part was replaced.
"""

from collections.abc import Iterator

from ..actions import Enclose, ReplacePart
from ..language import ActionWord, Call, Extension, Tagged, Takes
from ..limits import MAX_EXTRACTED
from ..program import Step
from ..questions import Entity, Structure
from ..run import Break, Run
from .variables import GROUPS, MODIFIERS, modified, variable_name


def _walk(entity: Entity, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Entity]]:
    yield path, entity
    for index, child in enumerate(entity.children):
        yield from _walk(child, (*path, index))


def _foreverypart(call: Call) -> Step:
    """Depth first, the message itself first; inside another loop what is below that one's part (RFC 5703 §3)."""
    block, name, line = call.block, call.tag_string("name", ""), call.line
    call.inventory.questions.add(Structure())

    def foreverypart(run: Run) -> None:
        assert block is not None
        outer, outer_path = run.part, run.path
        found = _walk(run.entity(), outer_path)
        if outer is not None:
            next(found)
        try:
            for path, entity in found:
                run.spend(1, line)
                run.part, run.path = entity, path
                block(run)
        except Break as gone:
            if gone.name and gone.name != name:
                raise
        finally:
            run.part, run.path = outer, outer_path

    return foreverypart


def _break(call: Call) -> Step:
    name = call.tag_string("name", "")
    loops = [label for word, label in call.scope.blocks if word == "foreverypart"]
    if not loops or (name and name not in loops):
        what = f'there is no foreverypart :name "{name}" around this break' if name else "break without a foreverypart"
        raise call.error(what)

    def leave(run: Run) -> None:
        raise Break(name)

    return leave


def _extracttext(call: Call) -> Step:
    """Only of text parts; of others the empty string (RFC 5703 §7)."""
    if "variables" not in call.scope.requires:
        raise call.error('extracttext needs: require "variables";')
    if not any(word == "foreverypart" for word, _ in call.scope.blocks):
        raise call.error("extracttext belongs into a foreverypart")
    name = variable_name(call, call.text(0))
    first = call.tag_number("how much", MAX_EXTRACTED)
    modifiers = [call.choice(group, "") for group in GROUPS if call.has(group)]

    def extracttext(run: Run) -> None:
        entity = run.entity()
        text = entity.plain()[: min(first, MAX_EXTRACTED)] if entity.type == "text" else ""
        run.set(name, modified(text, modifiers))

    return extracttext


def _replace(call: Call) -> Step:
    """Outside of a loop it is the message that is replaced (RFC 5703 §5)."""
    content, mime, line = call.text(0), call.has("mime"), call.line
    subject, sender = call.tag_text("subject"), call.tag_text("from")
    call.inventory.actions.add("replace")

    def replace(run: Run) -> None:
        new_subject = None if subject is None else subject.value(run)
        new_sender = None if sender is None else sender.value(run)
        run.edit(ReplacePart(run.path, content.value(run), mime, new_subject, new_sender), None, line)

    return replace


def _enclose(call: Call) -> Step:
    text, subject, headers, line = call.text(0), call.tag_text("subject"), call.tag_texts("headers") or (), call.line
    call.inventory.actions.add("enclose")

    def enclose(run: Run) -> None:
        new_subject = None if subject is None else subject.value(run)
        run.edit(Enclose(text.value(run), new_subject, tuple([one.value(run) for one in headers])), None, line)

    return enclose


_MIME = (Tagged("mime", "mime"), Tagged("anychild", "anychild"))
_NAME = (Tagged("name", "name", Takes.STRING),)
_ASKS = frozenset({"body"})
_EDITS = frozenset({"body", "edit"})

MIME: Extension = Extension(
    "mime",
    tags={
        "header": (
            *_MIME,
            Tagged("type", "mime option"),
            Tagged("subtype", "mime option"),
            Tagged("contenttype", "mime option"),
            Tagged("param", "mime option", Takes.STRINGS),
        ),
        "address": _MIME,
        "exists": _MIME,
    },
    asks=_ASKS,
    rfc="RFC 5703 §4",
)
FOREVERYPART: Extension = Extension(
    "foreverypart",
    actions=(
        ActionWord("foreverypart", "foreverypart [:name <name>] { ... }", _foreverypart, (), _NAME, block=True),
        ActionWord("break", "break [:name <name>];", _break, (), _NAME),
    ),
    asks=_ASKS,
    rfc="RFC 5703 §3",
)
EXTRACTTEXT: Extension = Extension(
    "extracttext",
    actions=(
        ActionWord(
            "extracttext",
            "extracttext [:lower / ...] [:first <number>] <variable>;",
            _extracttext,
            (Takes.STRING,),
            (*MODIFIERS, Tagged("first", "how much", Takes.NUMBER)),
        ),
    ),
    asks=_ASKS,
    rfc="RFC 5703 §7",
)
REPLACE: Extension = Extension(
    "replace",
    actions=(
        ActionWord(
            "replace",
            "replace [:mime] [:subject <text>] [:from <address>] <replacement>;",
            _replace,
            (Takes.STRING,),
            (
                Tagged("mime", "mime"),
                Tagged("subject", "subject", Takes.STRING),
                Tagged("from", "from", Takes.STRING),
            ),
        ),
    ),
    asks=_EDITS,
    rfc="RFC 5703 §5",
)
ENCLOSE: Extension = Extension(
    "enclose",
    actions=(
        ActionWord(
            "enclose",
            "enclose [:subject <text>] [:headers <headers>] <text>;",
            _enclose,
            (Takes.STRING,),
            (Tagged("subject", "subject", Takes.STRING), Tagged("headers", "headers", Takes.STRINGS)),
        ),
    ),
    asks=_EDITS,
    rfc="RFC 5703 §6",
)
