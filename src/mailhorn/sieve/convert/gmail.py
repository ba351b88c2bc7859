"""
Gmail's filters, as Settings exports them (mailFilters.xml), and the language of its search box in them.

What Gmail does is said so:

- Words are whole words: `art` is not in "party". Words in a row have anything but letters and digits between them.
- `from:ann@example.org` is that address, `from:example.org` that domain and those below it; what has no dot is a word
  of the name or the address. `to:` is To, Cc and Bcc.
- All filters act on a message, in any order; who has a label is in that mailbox too, and stays in INBOX unless the
  filter archives it. What is put into the trash is in no other mailbox.
- OR binds closer than AND. A minus is "not".

Rule: a filter in the file is several commands if their order counts: first flags, then what is sent on, then the
trash, then mailboxes.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from xml.parsers import expat

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
    has_attachment,
    header,
    plain_regex,
    simplified,
    size,
)
from .limits import MAX_DEPTH, MAX_FILE, MAX_RULES, MAX_SHOWN, MAX_TERMS
from .script import Converted, Draft, Writer

TRASH = "Trash"
"""Where Gmail's trash is here."""
ARCHIVE = "Archive"
"""Where a message is that is archived and has no label; there is no mailbox of all mail here."""

_RECIPIENTS = ("to", "cc", "bcc")
_FIELDS: dict[str, tuple[str, ...]] = {
    "from": ("from",),
    "to": _RECIPIENTS,
    "cc": ("cc",),
    "bcc": ("bcc",),
    "subject": ("subject",),
    "list": ("list-id",),
    "deliveredto": ("delivered-to",),
}
_EVERYWHERE = ("subject", "from", "to", "cc", "bcc")
_ADDRESSES = frozenset(("from", "to", "cc", "bcc", "deliveredto"))
_UNSAYABLE = frozenset("in label category before after older newer older_than newer_than is has".split())
_TERM = re.compile(
    r'\s*(?:(?P<quote>"[^"]*(?:"|\Z))|(?P<sign>[(){}|])|(?P<minus>-(?=[^\s(){}|-]|[({]))'
    r'|(?P<operator>[A-Za-z0-9_]+):(?=[^\s/)}|])|(?P<word>[^\s"(){}|]+))'
)
_WORD = re.compile(r"\w+")
_ADDRESS = re.compile(r"[\w.+=&'/-]+@[\w-]+(?:\.[\w-]+)+")
_DOMAIN = re.compile(r"\*?@?((?:[A-Za-z0-9_-]+\.)+[A-Za-z][A-Za-z0-9-]+)")
_SIZE = re.compile(r"([0-9]{1,12})([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_SIZE_UNITS = {"s_sb": 1, "s_skb": 2**10, "s_smb": 2**20}

_CRITERIA = ("from", "to", "subject", "hasTheWord", "doesNotHaveTheWord", "size", "hasAttachment")
_IGNORED = frozenset(("sizeOperator", "sizeUnit", "excludeChats"))


@dataclass(slots=True)
class _Filter:
    """A filter: its properties by name, each with its values."""

    properties: dict[str, list[str]] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """Return a property, "" if it is not set."""
        return self.properties.get(name, [""])[0].strip()

    def does(self, name: str) -> bool:
        """Say whether a property is true."""
        return self.value(name).lower() == "true"

    @property
    def name(self) -> str:
        """What it is called: Gmail has no names, so it is what it looks for."""
        found = [(_CALLED[name], self.value(name)) for name in _CALLED if self.value(name)]
        return ", ".join(f"{called} {value}".strip() for called, value in found)[:80] or "no words"


_CALLED = {"from": "from", "to": "to", "subject": "subject", "hasTheWord": "", "doesNotHaveTheWord": "without"}


def from_gmail(content: bytes) -> Converted:
    """
    Return the Sieve of an exported mailFilters.xml.

    Raises:
        ConvertError: It is no such file.

    """
    filters = _read(content)
    try:
        return _written(filters, in_order=True)
    except ConvertError:  # with half of the commands it may be
        return _written(filters, in_order=False)


def _written(filters: list[_Filter], in_order: bool) -> Converted:
    """
    Return the script.

    Args:
        filters: What is in the file.
        in_order: A filter becomes several rules where their order counts.

    """
    writer = Writer("Gmail's filters")
    writer.rules = len(filters)
    rules = [_Rule(number, one) for number, one in enumerate(filters)]
    if not in_order:
        writer.unsaid("all", "a flag that one filter sets is not on copies that others have filed: they are too many")
    for rule in rules:
        if not rule.phases:
            writer.rule(rule.name, rule.condition, Draft(), rule.notes)
    left = {rule.number: sorted(rule.phases) for rule in rules}
    waiting = Counter(phase for phases in left.values() for phase in phases)
    # Those with one thing to do first, so that the last one of a phase can do all it has to.
    order = sorted((phase, len(phases), number) for number, phases in left.items() for phase in phases)
    for phase, count, number in order:
        phases = left[number]
        if phase not in phases:
            continue
        others = in_order and any(waiting[before] > (before in phases) for before in range(phases[-1]))
        now = phases[:1] if others else phases
        then = Draft()
        for one in now:
            then.take(rules[number].phases[one])
            waiting[one] -= 1
        left[number] = phases[len(now) :]
        if len(phases) < count:  # what could not be said of it was told the first time
            writer.rule(rules[number].name, simplified(rules[number].condition), then)
        else:
            writer.rule(rules[number].name, rules[number].condition, then, rules[number].notes)
    return writer.converted()


class _Rule:
    """A filter in Sieve, in phases: flags, sending on, trash, mailboxes."""

    def __init__(self, number: int, of: _Filter) -> None:
        self.number = number
        self.name = of.name
        self.notes: list[str] = []
        self.phases: dict[int, Draft] = {}
        self.condition = _condition(of)
        self._actions(of)

    def _phase(self, number: int) -> Draft:
        return self.phases.setdefault(number, Draft())

    def _actions(self, of: _Filter) -> None:
        flags = [
            flag
            for name, flag in (
                ("shouldMarkAsRead", "\\Seen"),
                ("shouldStar", "\\Flagged"),
                ("shouldAlwaysMarkAsImportant", "$Important"),
            )
            if of.does(name)
        ]
        if flags:
            self._phase(0).addflag(*flags)
        for target in of.properties.get("forwardTo", []):
            if _ADDRESS.fullmatch(target.strip()):
                self._phase(1).redirect(target.strip(), copy=True)
            else:
                self.notes.append(f"forwarding to {target!r}, which is no address")
        if of.does("shouldTrash"):
            self._phase(2).fileinto(TRASH)
            self._phase(2).add("stop;")
        labels = [label.strip() for label in of.properties.get("label", []) if label.strip()]
        archived = of.does("shouldArchive")
        good = [label for label in labels if self._label(label, archived)]
        if archived and not good:
            self._phase(3).fileinto(ARCHIVE)
        if 2 in self.phases:
            self.phases.pop(3, None)
        for name, why in _CANNOT.items():
            if of.does(name):
                self.notes.append(why)
        known = {*_CRITERIA, *_IGNORED, *_CANNOT, *_DOES}
        self.notes += [f"{name} {of.value(name)}".strip() for name in of.properties if name not in known]

    def _label(self, label: str, archived: bool) -> bool:
        wrong = "Gmail's own label" if label.startswith("^") else self._phase(3).fileinto(label, copy=not archived)
        if wrong:
            self.notes.append(f"the label {label!r}: {wrong}")
            if 3 in self.phases and not self.phases[3].lines:
                del self.phases[3]
        return not wrong


_DOES = frozenset(
    (
        "shouldMarkAsRead",
        "shouldStar",
        "shouldAlwaysMarkAsImportant",
        "forwardTo",
        "shouldTrash",
        "shouldArchive",
        "label",
    )
)
_CANNOT = {
    "shouldNeverSpam": "never send it to spam: that is decided before rules are asked",
    "shouldSpam": "treat it as spam",
    "shouldNeverMarkAsImportant": "never mark it as important",
}


def _condition(of: _Filter) -> Condition:
    parts: list[Condition] = []
    for name in ("from", "to", "subject", "list"):
        if of.value(name):
            parts.append(query(of.value(name), name))
    if of.value("hasTheWord"):
        parts.append(query(of.value("hasTheWord"), ""))
    if of.value("doesNotHaveTheWord"):
        parts.append(Not(query(of.value("doesNotHaveTheWord"), "", any_of=True)))
    if of.does("hasAttachment"):
        parts.append(has_attachment())
    if of.value("size"):
        unit = _SIZE_UNITS.get(of.value("sizeUnit"), 1)
        over = {"s_sl": True, "s_ss": False}.get(of.value("sizeOperator"))
        if over is None or not re.fullmatch(r"[0-9]{1,12}", of.value("size")):
            parts.append(Unknown(f"size {of.value('size')} {of.value('sizeOperator')}"))
        else:
            parts.append(size(over, int(of.value("size")) * unit))
    return All(tuple(parts)) if parts else Unknown("a filter without a condition")


def query(text: str, where: str, any_of: bool = False) -> Condition:
    """
    Return what a query of Gmail's search box means.

    Args:
        text: The query.
        where: What words without an operator are looked for in: "from", "to", "subject"; "" is everything.
        any_of: Of terms beside each other one is enough.

    Raises:
        ConvertError: It is nested too deep, or has too many terms.

    """
    reader = _Query(text.replace("“", '"').replace("”", '"'))
    return reader.several(where, "", 0, any_of)


class _Query:
    """Reads a query from left to right; what makes no sense is taken as Gmail takes it, as words."""

    def __init__(self, text: str) -> None:
        self._tokens = [(match.lastgroup or "", match.group(match.lastgroup or 0)) for match in _TERM.finditer(text)]
        self._at = 0
        self._text = text[:MAX_SHOWN]
        if len(self._tokens) > MAX_TERMS:
            raise ConvertError(f"a filter has more than {MAX_TERMS} terms")

    def several(self, where: str, end: str, depth: int, any_of: bool) -> Condition:
        """Return what stands up to the closing sign, or up to the end."""
        if depth > MAX_DEPTH:
            raise ConvertError(f"a filter has more than {MAX_DEPTH} nested parentheses")
        parts: list[list[Condition]] = []
        joins = False
        while self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind == "sign" and text in ")}":
                self._at += 1
                if text == end:
                    break
                continue
            if (kind, text) == ("sign", "|") or (kind, text) == ("word", "OR"):
                self._at += 1
                joins = bool(parts)
                continue
            if (kind, text) == ("word", "AND"):
                self._at += 1
                continue
            one = self._one(where, depth)
            if joins:
                parts[-1].append(one)
            else:
                parts.append([one])
            joins = False
        found = tuple(Any(tuple(part)) if len(part) > 1 else part[0] for part in parts)
        if not found:
            return Unknown(f"an empty condition in {self._text!r}")
        return Any(found) if any_of else All(found)

    def _one(self, where: str, depth: int) -> Condition:
        """Return one term, with its minus and its operator."""
        if depth > MAX_DEPTH:
            raise ConvertError(f"a filter has more than {MAX_DEPTH} nested parentheses, or operators of operators")
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "minus":
            return Not(self._one(where, depth + 1)) if self._at < len(self._tokens) else Constant(True)
        if text == "AROUND" and kind == "word":
            return Unknown(f"AROUND in {self._text!r}")
        if kind == "operator":
            if self._at >= len(self._tokens):
                return term(where, text)
            return self._operator(where, text.lower(), depth)
        if kind == "sign":
            return self.several(where, ")" if text == "(" else "}", depth + 1, any_of=text == "{")
        return term(where, text)

    def _operator(self, where: str, name: str, depth: int) -> Condition:
        kind, text = self._tokens[self._at]
        if name in _FIELDS or name == "filename" or name == "body":
            return self._one(name, depth + 1)
        if name in _OPERATORS:
            if kind == "sign":
                return Unknown(f"{name}:{text}...")
            self._at += 1
            return _operator(name, text.strip('"'))
        if kind == "word":
            self._at += 1
            return term(where, f"{name}:{text}")
        return All((term(where, name), self._one(where, depth + 1)))


_SIZES = frozenset(("larger", "larger_than", "smaller", "smaller_than", "size"))
_OPERATORS = _UNSAYABLE | _SIZES | {"rfc822msgid"}


def _operator(name: str, value: str) -> Condition:
    if name in _SIZES:
        found = _SIZE.fullmatch(value)
        if found is None:
            return Unknown(f"{name}:{value}")
        return size(not name.startswith("smaller"), int(found[1]) * _UNITS[found[2].lower()])
    if name == "has" and value.lower() == "attachment":
        return has_attachment()
    if name == "rfc822msgid":
        wanted = value.strip("<>")
        return header("is", ["message-id"], [f"<{wanted}>", wanted])
    if name == "is" and value.lower() == "unread":
        return Constant(True)  # as all mail that comes
    if name == "in" and value.lower() == "anywhere":
        return Constant(True)
    return Unknown(f"{name}:{value}")


def term(where: str, text: str) -> Condition:
    """Return the test for one term: words in a row, an address or a domain."""
    plain = text.strip('"').strip(" ,;")
    quoted = text.startswith('"')
    if where in _ADDRESSES and plain.lower() == "me":
        return Unknown(f"{where}:me, as the file does not say who that is")
    if where in _ADDRESSES and (not quoted or " " not in plain):
        bare = plain.strip("<>")
        if _ADDRESS.fullmatch(bare):
            return address("is", _FIELDS[where], [bare])
        domain = _DOMAIN.fullmatch(bare)
        if domain:
            return address("matches", _FIELDS[where], [domain[1], f"*.{domain[1]}"], "domain")
    words = _WORD.findall(plain)
    if not words:
        return Unknown(f"{text!r}, in which there is no word")
    key = r"(^|\W)" + r"\W+".join(map(_any_case, words)) + r"(\W|$)"
    if where == "filename":
        fields = 'header :mime :anychild :param ["filename", "name"] :regex ["content-disposition", "content-type"]'
        return Test(fields, (key,), frozenset({"mime", "regex"}))
    if where == "body":
        return body("regex", [key])
    if where:
        return header("regex", _FIELDS[where], [key])
    return Any((header("regex", _EVERYWHERE, [key]), body("regex", [key])))


def _any_case(word: str) -> str:
    """Return a word as a regular expression; without regard to case beyond ASCII, too."""
    found = ""
    for sign in word:
        other = sign.swapcase()
        found += f"[{sign}{other}]" if not sign.isascii() and len(other) == 1 and other != sign else plain_regex(sign)
    return found


def _read(content: bytes) -> list[_Filter]:
    """Return the filters of the file. Raises ConvertError."""
    if len(content) > MAX_FILE:
        raise ConvertError(f"the file is larger than {MAX_FILE // 1024 // 1024} MiB")
    found: list[_Filter] = []
    depth = 0
    inside: _Filter | None = None
    feed = False

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, inside, feed
        depth += 1
        if depth > MAX_DEPTH:
            raise ConvertError("this is no mailFilters.xml of Gmail: its elements are nested too deep")
        local = name.rpartition(" ")[2]
        if depth == 1:
            feed = local == "feed"
        elif local == "entry" and inside is None:
            if len(found) >= MAX_RULES:
                raise ConvertError(f"there are more than {MAX_RULES} filters")
            inside = _Filter()
        elif local == "property" and inside is not None and "name" in attributes:
            inside.properties.setdefault(attributes["name"], []).append(attributes.get("value", ""))

    def end(name: str) -> None:
        nonlocal depth, inside
        depth -= 1
        if name.rpartition(" ")[2] == "entry" and depth == 1 and inside is not None:
            if inside.properties:
                found.append(inside)
            inside = None

    def refuse(*_: object) -> None:
        raise ConvertError("this is no mailFilters.xml of Gmail: it has a document type")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse  # so there are no entities that could grow
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise ConvertError(f"this is no XML: line {error.lineno}, column {error.offset + 1}: {what}") from error
    except ValueError as error:
        if isinstance(error, ConvertError):
            raise
        raise ConvertError(f"this is no XML: {error}") from error
    if not feed:
        raise ConvertError("this is no mailFilters.xml of Gmail: it does not begin with <feed>")
    return found


__all__ = ["from_gmail", "query"]
