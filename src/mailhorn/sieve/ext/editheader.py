"""
editheader: add and delete header fields (RFC 5293).

Adds: addheader [:last] <field-name: string> <value: string>,
      deleteheader [:index <fieldno: number> [:last]] [COMPARATOR] [MATCH-TYPE] <field-name> [<value-patterns>]
"""

from ..actions import AddHeader, DeleteHeader, ReplacePart
from ..errors import SieveRuntimeError
from ..language import ActionWord, Call, Extension, Tagged, Takes
from ..limits import MAX_HEADER_VALUE
from ..match import COMPARATOR, MATCH_TYPE, is_field_name, matcher
from ..program import Step
from ..questions import WholeHeader
from ..run import Run, octets, values_of
from ..text import Text

PROTECTED = frozenset({"received", "auto-submitted"})
"""Nobody may delete these; the attempt is ignored (RFC 5293 §6)."""
ORIGINAL = frozenset({"original-subject", "original-from"})
"""Nobody may delete these once `replace` may have added them (RFC 5703 §5)."""
UNADDED = frozenset({"received", "auto-submitted", "content-type", "content-transfer-encoding", "mime-version"})
"""Nobody may add these: they would change what the message is, or who it seems to come from."""


def _name(call: Call) -> Text:
    """Return the field's name; an impossible one is an error (RFC 5293 §4)."""
    text = call.text(0)
    if text.constant is not None and not is_field_name(text.constant):
        raise call.error("no header field can have this name", 0)
    call.inventory.questions.add(WholeHeader())
    call.inventory.actions.add(call.node.name)
    return text


def _checked(text: Text, run: Run, line: int) -> str:
    name = text.value(run)
    if not is_field_name(name):
        raise SieveRuntimeError(line, "no header field can have this name")
    return name


def _addheader(call: Call) -> Step:
    field, value, last, line = _name(call), call.text(1), call.has("last"), call.line
    if value.constant is not None and "\0" in value.constant:
        raise call.error("a header field holds no NUL (RFC 5322 §2.2)", 1)
    if value.constant is not None and len(octets(value.constant)) > MAX_HEADER_VALUE:
        raise call.error(f"a header field is at most {MAX_HEADER_VALUE} octets long", 1)

    def addheader(run: Run) -> None:
        name, text = _checked(field, run, line), value.value(run).strip("\r\n")
        if len(octets(text)) > MAX_HEADER_VALUE:
            raise SieveRuntimeError(line, f"a header field is at most {MAX_HEADER_VALUE} octets long")
        text = " ".join(part.strip(" \t") for part in text.split("\n") if part.strip()).replace("\r", "").strip(" \t")
        if name.lower() in UNADDED:
            return
        fields = run.fields()
        new = (name, text, text)
        run.edit_header(AddHeader(name, text, last), [*fields, new] if last else [new, *fields], line)

    return addheader


def _deleteheader(call: Call) -> Step:
    """Counting comes before matching; without patterns comparator and match type are ignored (RFC 5293 §5)."""
    field, line = _name(call), call.line
    number, last = call.tag_number("index", 0), call.has("last")
    if call.has("index") and number < 1:
        raise call.error("fields are counted from 1; expected :index 1 or more")
    if last and not call.has("index"):
        raise call.error(":last needs :index")
    patterns = matcher(call, call.texts(1)) if len(call.values) > 1 else None

    def deleteheader(run: Run) -> None:
        name = _checked(field, run, line).lower()
        if name in PROTECTED or (name in ORIGINAL and any(isinstance(edit, ReplacePart) for edit in run.edits)):
            return
        fields = run.fields()
        places = [place for place, one in enumerate(fields) if one[0].lower() == name]
        count = len(places)
        chosen = range(1, count + 1)
        if number:
            chosen = range(count - number + 1, count - number + 2) if last else range(number, number + 1)
        for index in sorted(chosen, reverse=True):
            if not 1 <= index <= count:
                continue
            value = fields[places[index - 1]][2].strip(" \t\r\n")
            if patterns is None or patterns.any(run, (values_of((value,), patterns.comparator),)):
                fields = fields[: places[index - 1]] + fields[places[index - 1] + 1 :]
                run.edit_header(DeleteHeader(name, index), fields, line)

    return deleteheader


EXTENSION: Extension = Extension(
    "editheader",
    actions=(
        ActionWord(
            "addheader",
            "addheader [:last] <field> <value>;",
            _addheader,
            (Takes.STRING, Takes.STRING),
            (Tagged("last", "last"),),
        ),
        ActionWord(
            "deleteheader",
            "deleteheader [:index <number> [:last]] [:comparator <name>] [:is / :contains / ...] <field> [<patterns>];",
            _deleteheader,
            (Takes.STRING, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE, Tagged("index", "index", Takes.NUMBER), Tagged("last", "last")),
            optional=1,
        ),
    ),
    asks=frozenset({"edit"}),
    rfc="RFC 5293",
)
