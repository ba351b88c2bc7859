"""
mime, foreverypart, extracttext, replace and enclose: look into the parts of a message and change them (RFC 5703).

Adds: header, address and exists [:mime] [:anychild] and for header [:type / :subtype / :contenttype / :param <names>],
      foreverypart [:name <string>] { ... }, break [:name <string>],
      extracttext [MODIFIER] [:first <number>] <varname: string>,
      replace [:mime] [:subject <string>] [:from <string>] <replacement: string>,
      enclose [:subject <string>] [:headers <string-list>] <text: string>

What is changed is there at once: loops and tests see it (RFC 5703 §5, §6).
"""

from ..actions import Enclose, ReplacePart
from ..address import is_sender
from ..dates import of_instant, std11
from ..errors import SieveRuntimeError
from ..language import ActionWord, Call, Extension, Tagged, Takes
from ..limits import MAX_EXTRACTED
from ..match import is_field_name
from ..program import Step
from ..questions import Now, Owner, Structure
from ..run import Break, Loop, Run
from .variables import GROUPS, MODIFIERS, modified, variable_name


def _has_next(run: Run, loop: Loop) -> bool:
    """Go on to the next part, depth first; say whether there is one. What was replaced has nothing below it."""
    parts = run.parts(loop)
    if not parts:
        return False
    if parts[-1].children and not loop.replaced:
        loop.path = (*loop.path, 0)
        parts.append(parts[-1].children[0])
        return True
    loop.replaced = False
    while len(parts) > 1:
        parts.pop()
        index, loop.path = loop.path[-1] + 1, loop.path[:-1]
        if index < len(parts[-1].children):
            loop.path = (*loop.path, index)
            parts.append(parts[-1].children[index])
            return True
    return False


def _foreverypart(call: Call) -> Step:
    """Depth first, the message itself first; inside another loop what is below that one's part (RFC 5703 §3)."""
    block, name, line = call.block, call.tag_string("name", ""), call.line
    call.inventory.questions.add(Structure())

    def foreverypart(run: Run) -> None:
        assert block is not None
        loop, is_first = Loop(run.path), not run.loops
        run.loops.append(loop)
        try:
            while is_first or _has_next(run, loop):
                is_first = False
                run.spend(1, line)
                block(run)
        except Break as gone:
            if gone.name and gone.name != name:
                raise
        finally:
            run.loops.pop()

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
        run.set(name, modified(_text(run)[:first], modifiers))

    return extracttext


def _text(run: Run) -> str:
    """Return the beginning of the text of the part that is looked at: decoded once, however often it is extracted."""
    key = ("extracttext", run.path)
    known = run.bound.get(key)
    if known is None:
        entity = run.entity()
        known = run.bound[key] = entity.plain()[:MAX_EXTRACTED] if entity.type == "text" else ""
    assert isinstance(known, str)
    return known


def _replace(call: Call) -> Step:
    """Outside of a loop it is the message that is replaced (RFC 5703 §5)."""
    content, mime, line = call.text(0), call.has("mime"), call.line
    subject, sender = call.tag_text("subject"), call.tag_text("from")
    for group in ("subject", "from"):
        if mime and call.has(group):
            raise call.error(f":{group} cannot be given with :mime, whose replacement has a header of its own")
    if sender is not None and sender.constant is not None and not is_sender(sender.constant):
        raise call.tag_error("from", _NO_SENDER)
    call.inventory.questions.add(Structure())
    call.inventory.actions.add("replace")

    def replace(run: Run) -> None:
        new_subject = None if subject is None else subject.value(run)
        new_sender = None if sender is None else sender.value(run)
        if new_sender is not None and not is_sender(new_sender):
            raise SieveRuntimeError(line, _NO_SENDER)
        run.edit_body(ReplacePart(run.path, content.value(run), mime, new_subject, new_sender), line)
        run.replaced()

    return replace


def _enclose(call: Call) -> Step:
    """Date and From are new, if they are not among the fields that are copied (RFC 5703 §6)."""
    text, subject, headers, line = call.text(0), call.tag_text("subject"), call.tag_texts("headers") or (), call.line
    for name in headers:
        if name.constant is not None and not is_field_name(name.constant):
            raise call.tag_error("headers", _NO_NAME)
    call.inventory.questions.update((Structure(), Now(), Owner()))
    call.inventory.actions.add("enclose")

    def enclose(run: Run) -> None:
        names = [name.value(run).lower() for name in headers]
        if not all(map(is_field_name, names)):
            raise SieveRuntimeError(line, _NO_NAME)
        now = run.answer(Now())
        date = std11(of_instant(now.seconds, now.zone))
        new_subject = None if subject is None else subject.value(run)
        run.edit_body(Enclose(text.value(run), new_subject, tuple(names), run.answer(Owner()), date), line)

    return enclose


_NO_SENDER = 'expected an address after :from, such as "ann@example.org" or "Ann <ann@example.org>"'
_NO_NAME = "expected names of header fields after :headers; these fields are copied from the message"


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
