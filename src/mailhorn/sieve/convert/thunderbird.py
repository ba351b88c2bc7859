"""
Thunderbird's filters: msgFilterRules.dat of an account.

What Thunderbird does is said so: filters run one after the other over mail that comes; one that moves or deletes a
message is the last one that sees it. A term about people looks at names and at addresses. Texts are compared without
case.

Rule: filters that are switched off, or do not run on new mail, stand there as comments.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

from .condition import (
    All,
    Any,
    Condition,
    Constant,
    ConvertError,
    Not,
    Test,
    Unknown,
    address,
    body,
    exists,
    has_attachment,
    header,
    size,
    wild,
)
from .limits import MAX_FILE, MAX_RULES, MAX_TERMS
from .script import Converted, Draft, Writer, compiles
from .utf7 import from_utf7

TRASH = "Trash"
"""Where Thunderbird's Delete puts a message."""

_LINE = re.compile(r'([A-Za-z]+)\s*=\s*"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_NEW_MAIL = 1 | 32
"""Bits of a filter's type: when mail comes, before or after it was looked at for junk (nsMsgFilterType)."""

_PEOPLE: dict[str, tuple[str, ...]] = {
    "from": ("from",),
    "to": ("to",),
    "cc": ("cc",),
    "bcc": ("bcc",),
    "to or cc": ("to", "cc"),
    "all addresses": ("from", "to", "cc", "bcc"),
    "from, to, cc or bcc": ("from", "to", "cc", "bcc"),
}
_OPPOSITE = {
    "doesn't contain": "contains",
    "isn't": "is",
    "isn't empty": "is empty",
    "doesn't match": "matches",
    "isn't in ab": "is in ab",
}
_PRIORITIES = {"highest": "1*", "high": "2*", "normal": "3*", "low": "4*", "lowest": "5*"}
_LABELS = {str(number): f"$label{number}" for number in range(1, 6)}


@dataclass(slots=True)
class _Filter:
    """A filter as it is written: its name, whether it is on, its type, its actions with their values, its condition."""

    name: str
    enabled: bool = True
    type: int = _NEW_MAIL
    actions: list[tuple[str, str]] = field(default_factory=list)
    condition: str = ""


def from_thunderbird(content: bytes) -> Converted:
    """
    Return the Sieve of a msgFilterRules.dat.

    Raises:
        ConvertError: It is no such file.

    """
    filters = _read(content)
    writer = Writer("Thunderbird's filters")
    writer.rules = len(filters)
    for one in filters:
        condition = parse_condition(one.condition)
        then, notes = _actions(one)
        if not one.enabled:
            _off(writer, one, "it was switched off", condition, then)
        elif not one.type & _NEW_MAIL:
            _off(writer, one, "it does not run on mail that comes", condition, then)
        else:
            writer.rule(one.name, condition, then, notes)
    return writer.converted()


def _off(writer: Writer, one: _Filter, why: str, condition: Condition, then: Draft) -> None:
    sub = Writer("")
    sub.rule(one.name, condition, then)
    lines = sub.converted().script.split("\n")
    kept = [line for line in lines if line and not line.startswith(("# Converted", "# rule:", "require "))]
    writer.left_out(one.name, [writer.unsaid(one.name, f"left out: {why}")], kept)


def _actions(one: _Filter) -> tuple[Draft, list[str]]:
    """Return what is done, and what cannot be."""
    then = Draft()
    notes: list[str] = []
    last = False
    flags_first = sorted(one.actions, key=lambda action: action[0] in _FILING)
    for name, value in flags_first:
        wrong = ""
        match name:
            case "Move to folder" | "Copy to folder" if value.startswith("mailbox:"):
                wrong = then.fileinto(folder_of(value), copy=name.startswith("Copy"))
                last = (not wrong and name.startswith("Move")) or last
                notes += [] if wrong else [f"a folder of that computer, {value}; it is a mailbox of the account here"]
            case "Move to folder":
                wrong = then.fileinto(folder_of(value))
                last = not wrong or last
            case "Copy to folder":
                wrong = then.fileinto(folder_of(value), copy=True)
            case "Delete":
                then.fileinto(TRASH)
                last = True
            case "Mark read":
                then.addflag("\\Seen")
            case "Mark unread":
                then.add('removeflag "\\\\Seen";', "imap4flags")
            case "Mark flagged":
                then.addflag("\\Flagged")
            case "AddTag":
                wrong = _tag(then, value)
            case "Label":
                wrong = _tag(then, _LABELS.get(value, value))
            case "JunkScore" if value in ("0", "100"):
                then.addflag("$Junk" if value == "100" else "$NotJunk")
            case "Forward":
                wrong = _forward(then, value)
            case "Stop execution":
                last = True
            case _:
                wrong = "there is no such action"
        if wrong:
            notes.append(f"{name} {value}".strip() + ("" if wrong == "there is no such action" else f": {wrong}"))
    if last:
        then.add("stop;")
    return then, notes


_FILING = frozenset(("Move to folder", "Copy to folder", "Delete", "Forward", "Stop execution"))


def _tag(then: Draft, tag: str) -> str:
    if not re.fullmatch(r"[\x21\x23-\x27\x2b-\x5b\x5e-\x7a\x7c-\x7e]+", tag):
        return "it is no name of a flag"
    then.addflag(tag)
    return ""


def _forward(then: Draft, value: str) -> str:
    draft = Draft()
    draft.redirect(value, copy=True)
    if compiles(draft.lines[0], frozenset(draft.needs)):
        return "it is no address"
    then.take(draft)
    return ""


def folder_of(uri: str) -> str:
    """Return the mailbox of a folder's URI: `imap://ann%40example.org@imap.example.org/Lists/Python`."""
    scheme, found, rest = uri.partition("://")
    if not found:
        return uri
    name = unquote(rest.partition("/")[2], errors="replace")
    return from_utf7(name) if scheme == "imap" else name


def parse_condition(text: str) -> Condition:
    """Return what `AND (subject,contains,list) OR (...)` means; terms are taken from left to right."""
    text = text.strip()
    if text in ("ALL", ""):
        return Constant(True) if text else Unknown("a filter without a condition")
    whole: Condition | None = None
    at = 0
    count = 0
    while at < len(text):
        found = _JOIN.match(text, at)
        if found is None:
            return Unknown(f"the condition {text[at:]!r}")
        fields, at = _term(text, found.end())
        if fields is None:
            return Unknown(f"the condition {text!r}")
        count += 1
        if count > MAX_TERMS:
            raise ConvertError(f"a filter has more than {MAX_TERMS} terms")
        one = test_of(*fields)
        if whole is None:
            whole = one
        else:
            kind = All if found[1] == "AND" else Any
            parts = whole.parts if isinstance(whole, kind) else (whole,)
            whole = kind((*parts, one))
    return whole or Constant(True)


_JOIN = re.compile(r"\s*(AND|OR)\s*\(")
_PIECE = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"\s*(?=[,)])|([^,)]*))')
_REST = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"\s*(?=\))|([^)]*))')


def _term(text: str, at: int) -> tuple[tuple[str, str, str] | None, int]:
    """Return the three pieces up to the closing parenthesis, and where it ends; None if there are not three."""
    pieces: list[str] = []
    for pattern, end in ((_PIECE, ","), (_PIECE, ","), (_REST, ")")):
        found = pattern.match(text, at)
        if found is None or text[found.end() : found.end() + 1] != end:
            return None, at
        inside = found[1]
        pieces.append(_ESCAPE.sub(r"\1", inside) if inside is not None else found[2].strip())
        at = found.end() + 1
    return (pieces[0], pieces[1], pieces[2]), at


def test_of(attribute: str, operator: str, value: str) -> Condition:
    """Return one term's test."""
    name = attribute.lower()
    if operator in _OPPOSITE and name != "junk status":
        return Not(test_of(attribute, _OPPOSITE[operator], value))
    special = _SPECIAL.get(name)
    found: Condition | None
    if special is not None:
        found = special(operator, value)
    elif name in _PEOPLE:
        found = _people(_PEOPLE[name], operator, value)
    elif re.fullmatch(r"[\x21-\x39\x3b-\x7e]+", attribute):
        found = _text([name], operator, value)
    else:
        found = None
    return Unknown(f"({attribute},{operator},{value})") if found is None else found


def _text(fields: list[str], operator: str, value: str) -> Condition | None:
    if operator == "is empty":
        return Not(header("matches", fields, ["?*"]))
    if not value:
        return None
    match operator:
        case "contains":
            return header("contains", fields, [value])
        case "is":
            return header("is", fields, [value])
        case "begins with":
            return header("matches", fields, [f"{wild(value)}*"])
        case "ends with":
            return header("matches", fields, [f"*{wild(value)}"])
    return None


def _people(fields: tuple[str, ...], operator: str, value: str) -> Condition | None:
    """Names and addresses: what is in `Ann <ann@example.org>`."""
    if operator == "is empty":
        return Not(exists(fields)) if len(fields) == 1 else All(tuple(Not(exists([name])) for name in fields))
    if not value:
        return None
    match operator:
        case "contains":
            return header("contains", fields, [value])
        case "is":
            name = wild(value)
            named = header("matches", fields, [f"{name} <*>", f'"{name}" <*>'])
            return address("is", fields, [value]) if "@" in value else Any((address("is", fields, [value]), named))
        case "begins with":
            begins = [f"{wild(value)}*"]
            return Any((address("matches", fields, begins), header("matches", fields, begins)))
        case "ends with":
            ends = wild(value)
            named = header("matches", fields, [f"*{ends} <*>", f'*{ends}" <*>'])
            return Any((address("matches", fields, [f"*{ends}"]), named))
    return None


def _body(operator: str, value: str) -> Condition | None:
    return body("contains", [value]) if operator == "contains" and value else None


def _size(operator: str, value: str) -> Condition | None:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        return None
    octets = int(value) * 1024
    return {"is greater than": size(True, octets), "is less than": size(False, octets)}.get(operator)


def _priority(operator: str, value: str) -> Condition | None:
    wanted = _PRIORITIES.get(value.lower())
    return header("matches", ["x-priority"], [wanted]) if wanted is not None and operator == "is" else None


_DAY = re.compile(r"([0-9]{1,2})-([A-Z][a-z]{2})-([0-9]{4})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(operator: str, value: str) -> Condition | None:
    """Of the header field Date, as 31-Dec-2025, in the time zone of its sender."""
    relation = {"is": "eq", "is before": "lt", "is after": "gt"}.get(operator)
    found = _DAY.fullmatch(value)
    if found is None or found[2] not in _MONTHS or relation is None:
        return None
    day = f"{found[3]}-{_MONTHS.index(found[2]) + 1:02}-{int(found[1]):02}"
    return Test(f'date :value "{relation}" "date" "date"', (day,), frozenset({"date", "relational"}))


def _attachment(operator: str, value: str) -> Condition | None:
    return has_attachment() if operator == "is" and value.lower() in ("true", "yes", "attachment", "1") else None


def _never(operator: str, value: str) -> Condition | None:
    return None


_SPECIAL: dict[str, Callable[[str, str], Condition | None]] = {
    "body": _body,
    "size": _size,
    "priority": _priority,
    "date": _date,
    "has attachment status": _attachment,
    "age in days": _never,
    "status": _never,
    "tag": _never,
    "label": _never,
    "junk status": _never,
    "junk percent": _never,
    "junk score origin": _never,
    "from in ab": _never,
}


def _read(content: bytes) -> list[_Filter]:
    """Return the filters of the file. Raises ConvertError."""
    if len(content) > MAX_FILE:
        raise ConvertError(f"the file is larger than {MAX_FILE // 1024 // 1024} MiB")
    found: list[_Filter] = []
    known = False
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ConvertError(f'this is no msgFilterRules.dat: line {number} is not of the form name="value"')
        key, value = match[1], _ESCAPE.sub(r"\1", match[2])
        if key in ("version", "logging"):
            known = True
        elif key == "name":
            if len(found) >= MAX_RULES:
                raise ConvertError(f"there are more than {MAX_RULES} filters")
            found.append(_Filter(value))
        elif found:
            _set(found[-1], key, value)
    if not known and not found:
        raise ConvertError("this is no msgFilterRules.dat: there is no version and no filter in it")
    return found


def _set(one: _Filter, key: str, value: str) -> None:
    if key == "enabled":
        one.enabled = value != "no"
    elif key == "type":
        one.type = int(value) if re.fullmatch(r"[0-9]{1,9}", value) else _NEW_MAIL
    elif key == "action":
        one.actions.append((value, ""))
    elif key in ("actionValue", "customId") and one.actions:
        one.actions[-1] = (one.actions[-1][0], f"{one.actions[-1][1]} {value}".strip())
    elif key == "condition":
        one.condition = value


__all__ = ["folder_of", "from_thunderbird", "parse_condition"]
