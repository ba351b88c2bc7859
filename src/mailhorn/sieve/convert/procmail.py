"""
procmail's recipes.

What procmail does is said so: recipes run one after the other; one that delivers is the last one, unless it has the
flag c. Conditions are extended regular expressions over the header, without case, and all of them must be met. What
starts a program has no counterpart; a message that such a recipe would have taken is kept then, and goes no further.

Variables are put in where they are used, as far as their value is known here.
"""

import re
from dataclasses import dataclass, field

from .condition import All, Any, Condition, ConvertError, Not, Unknown, simplified, size, unknown, written
from .condition import needs as needs_of
from .egrep import captured, tests_of
from .limits import MAX_DEPTH, MAX_FILE, MAX_LINE, MAX_RULES, MAX_TERMS
from .script import Converted, Draft, Writer, compiles, one_line

_RECIPE = re.compile(r":[0-9]*\s*([A-Za-z]*)\s*(:.*)?")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_UNSET = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]{0,200}))?\}|([A-Za-z_][A-Za-z0-9_]*))")
_SIZE = re.compile(r"([<>])\s*([0-9]{1,12})\s*")
_SCORE = re.compile(r"-?[0-9.]+\^-?[0-9.]+\s")
_DUPLICATES = re.compile(r"\|\s*(?:\S*/)?formail\s+-D\s")
"""Remembers Message-IDs, and succeeds if it knows one: then the message is delivered, to nowhere."""
_DELIVERS = re.compile(r"""\|\s*\S*(?:deliver|dovecot-lda|DELIVER)\b.*\s-m\s*(?:["']([^"']+)["']|(\S+))""")
"""Dovecot's delivery agent, with a mailbox."""
_WHERE = re.compile(r"(H|B|HB|BH|[A-Za-z_][A-Za-z0-9_]*)\s*\?\?\s*")
_QUIET = frozenset(
    """SHELL PATH LOGFILE VERBOSE LOGABSTRACT LOG LOCKFILE LOCKEXT LOCKSLEEP LOCKTIMEOUT TIMEOUT UMASK COMSAT SENDMAIL
    SENDMAILFLAGS LINEBUF SHELLMETAS SHELLFLAGS NORESRETRY SUSPEND HOME LOGNAME MAILDIR DEFAULT ORGMAIL EXITCODE
    PROCMAIL_VERSION DELIVERED DROPPRIVS MSGPREFIX HOST""".split()
)
"""Variables that are procmail's own, and say nothing about which message goes where, or are known here."""


@dataclass(slots=True)
class _Recipe:
    """
    A recipe.

    Attributes:
        line: Where it begins.
        flags: Its flags.
        conditions: What stands behind the asterisks.
        action: Its action line; "{" for a block.
        block: What is in the block.
        name: The comment above it, or what it is about.

    """

    line: int
    flags: str
    conditions: list[str] = field(default_factory=list)
    action: str = ""
    block: "list[_Recipe | _Assignment]" = field(default_factory=list)
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Assignment:
    """A variable is set; None: to what is not known here."""

    line: int
    name: str
    value: str | None
    text: str


def from_procmail(content: bytes) -> Converted:
    """
    Return the Sieve of a .procmailrc.

    Raises:
        ConvertError: It is no such file.

    """
    if len(content) > MAX_FILE:
        raise ConvertError(f"the file is larger than {MAX_FILE // 1024 // 1024} MiB")
    reader = _Reader(content.decode("utf-8-sig", "replace"))
    items = reader.items(0)
    converter = _Converter(reader.count)
    return converter.converted(items)


class _Reader:
    """Reads recipes and assignments."""

    def __init__(self, text: str) -> None:
        self._lines = _joined(text)
        for number, line in self._lines:
            if len(line) > MAX_LINE:
                raise ConvertError(f"line {number} is longer than {MAX_LINE} characters")
        self._at = 0
        self.count = 0

    def items(self, depth: int) -> "list[_Recipe | _Assignment]":
        """Return what stands up to the closing brace, or up to the end."""
        if depth > MAX_DEPTH:
            raise ConvertError(f"there are more than {MAX_DEPTH} nested blocks")
        found: list[_Recipe | _Assignment] = []
        comment = ""
        while self._at < len(self._lines):
            number, text = self._lines[self._at]
            if text == "}":
                if not depth:
                    raise ConvertError(f"this is no procmailrc: line {number}: there is no {{ that this }} would close")
                self._at += 1
                return found
            self._at += 1
            if not text:
                comment = ""
            elif text.startswith("#"):
                comment = text.lstrip("# \t") or comment
            elif text.startswith(":"):
                found.append(self._recipe(number, text, comment, depth))
                comment = ""
            else:
                found.append(_assignment(number, text))
        if depth:
            raise ConvertError("this is no procmailrc: a block is not closed; expected }")
        return found

    def _recipe(self, number: int, text: str, comment: str, depth: int) -> _Recipe:
        head = _RECIPE.fullmatch(" ".join(text.split()))
        if head is None:
            raise ConvertError(f"this is no procmailrc: line {number}: expected :0, flags and a lock file")
        self.count += 1
        if self.count > MAX_RULES:
            raise ConvertError(f"there are more than {MAX_RULES} recipes")
        recipe = _Recipe(number, head[1])
        while self._at < len(self._lines):
            _, text = self._lines[self._at]
            if text and not text.startswith(("#", "*")):
                break
            if text.startswith("*"):
                recipe.conditions.append(text[1:].strip())
            self._at += 1
        if len(recipe.conditions) > MAX_TERMS:
            raise ConvertError(f"line {number}: a recipe has more than {MAX_TERMS} conditions")
        if self._at >= len(self._lines) or self._lines[self._at][1] == "}":
            raise ConvertError(f"this is no procmailrc: line {number}: this recipe has no action")
        _, recipe.action = self._lines[self._at]
        self._at += 1
        recipe.name = comment or one_line("; ".join(recipe.conditions) or recipe.action)[:80]
        if recipe.action.startswith("{"):
            inside = recipe.action[1:].strip()
            recipe.action = "{"
            if inside.endswith("}") and (len(inside) == 1 or inside[-2] in " \t"):
                if inside[:-1].strip():
                    recipe.block = [_assignment(number, one) for one in inside[:-1].split()]
            else:
                if inside:
                    self._at -= 1
                    self._lines[self._at] = (number, inside)
                recipe.block = self.items(depth + 1)
        return recipe


def _joined(text: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers, those that end in a backslash with the next one."""
    found: list[tuple[int, str]] = []
    start, whole = 0, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        part = line.strip() if not whole else line.lstrip()
        start = start or number
        if part.endswith("\\") and not (part.startswith("#") and not whole):
            whole += part[:-1]
            continue
        found.append((start, (whole + part).strip()))
        start, whole = 0, ""
    if whole:
        found.append((start, whole.strip()))
    return found


def _assignment(number: int, text: str) -> _Assignment:
    found = _ASSIGNMENT.fullmatch(text)
    if found is None:
        if _UNSET.fullmatch(text):
            return _Assignment(number, text, "", text)
        raise ConvertError(f"this is no procmailrc: line {number}: expected a recipe (:0) or NAME=value")
    value = found[2].strip()
    if "`" in value:
        return _Assignment(number, found[1], None, text)
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        inside = value[1:end] if end > 0 else value[1:]
        return _Assignment(number, found[1], inside, text)
    return _Assignment(number, found[1], value.partition(" #")[0].strip(), text)


@dataclass(slots=True)
class _Branch:
    """A recipe in Sieve: its condition, and the commands of its block."""

    name: str
    condition: Condition
    then: Draft


class _Converter:
    """Converts recipes one after the other."""

    def __init__(self, count: int) -> None:
        self._clones = 0
        """Blocks around, through which a copy of the message goes."""
        self._writer = Writer("procmail's recipes")
        self._writer.rules = count
        self._values: dict[str, str | None] = {
            "HOME": "~",
            "LOGNAME": None,
            "HOST": None,
            "MAILDIR": "~",
            "DEFAULT": "INBOX",
            "ORGMAIL": "INBOX",
        }

    def converted(self, items: "list[_Recipe | _Assignment]") -> Converted:
        """Return the script."""
        for chain in self._chains(items, 0):
            self._write(chain)
        return self._writer.converted()

    def _chains(self, items: "list[_Recipe | _Assignment]", depth: int) -> "list[list[_Branch]]":
        """Return chains of if, elsif and else: what belongs to the one before it by the flags A and E."""
        chains: list[list[_Branch]] = []
        for item in items:
            if isinstance(item, _Assignment):
                self._assign(item, chains)
                continue
            branch = self._branch(item, depth)
            if {"A", "a"} & set(item.flags) and chains:
                self._under(chains[-1][-1], branch)
            elif {"E", "e"} & set(item.flags) and chains:
                chains[-1].append(branch)
            else:
                chains.append([branch])
        return chains

    def _under(self, above: _Branch, branch: _Branch) -> None:
        """Put a recipe with the flag A into the one it depends on."""
        if "stop;" in above.then.lines:
            why = "left out: it is never reached, as what it depends on has delivered the message"
            above.then.lines.insert(0, f"# {self._writer.unsaid(branch.name, why)}")
            return
        above.then.take(self._nested([[branch]]))

    def _assign(self, item: _Assignment, chains: "list[list[_Branch]]") -> None:
        value = None if item.value is None else self._expanded(item.value)
        if item.name == "INCLUDERC" or item.name == "SWITCHRC":
            self._writer.unsaid(f"line {item.line}", f"not in Sieve: {item.text}; convert that file by itself")
        elif item.name not in _QUIET and value is None:
            self._writer.unsaid(f"line {item.line}", f"not in Sieve: {item.text}")
        elif item.name == "HOST" and item.value is not None:
            self._writer.unsaid(f"line {item.line}", f"not in Sieve: {item.text}")
        if item.name in ("MAILDIR", "DEFAULT") or item.name not in _QUIET:
            self._values[item.name] = value

    def _expanded(self, text: str) -> str | None:
        """Return text with the values of variables in it; None if one is not known."""
        known = True

        def value(found: re.Match[str]) -> str:
            nonlocal known
            name = found[1] or found[3]
            known_value = self._values.get(name, found[2])
            if known_value is None:
                known = False
                return ""
            return known_value

        whole = _VARIABLE.sub(value, text)
        return whole if known else None

    def _branch(self, recipe: _Recipe, depth: int) -> _Branch:
        parts: list[Condition] = []
        self._values.pop("MATCH", None)
        for one in recipe.conditions:
            found = captured(one, "D" in recipe.flags) if "MATCH" in recipe.action else None
            if found is None or "MATCH" in self._values:
                parts.insert(0, self._condition(one.replace("\\/", ""), recipe.flags))
            else:  # the last one to be asked, so that nothing else is what matched
                parts.append(found[0])
                self._values["MATCH"] = f"${{{found[1]}}}"
        then = Draft()
        if recipe.action == "{":
            before = dict(self._values)
            clone = "c" in recipe.flags
            self._clones += clone
            chains = self._chains(recipe.block, depth + 1)
            self._clones -= clone
            if clone and len(chains) > 1:
                what = "not in Sieve: a block for a copy of the message, with several recipes in it"
                then.comment(self._writer.unsaid(recipe.name, what))
            else:
                then = self._nested(chains)
            for name in self._values.keys() | before.keys():
                if self._values.get(name) != before.get(name) and recipe.conditions:
                    self._values[name] = None  # whether it was set is known only when mail comes
        else:
            self._action(recipe, then)
        return _Branch(recipe.name, All(tuple(parts)), then)

    def _nested(self, chains: "list[list[_Branch]]") -> Draft:
        """Return the commands of a block."""
        draft = Draft()
        for chain in chains:
            text, extensions, missing = self._text(chain)
            for what in missing:
                draft.comment(what)
            wrong = compiles(text, extensions)
            if wrong:
                draft.comment(self._writer.unsaid(chain[0].name, f"left out: {wrong}"))
            elif any(branch.then.acts for branch in chain):
                draft.add(text, *extensions)
            else:
                for branch in chain:
                    draft.lines += branch.then.lines
        return draft

    def _write(self, chain: list[_Branch]) -> None:
        text, extensions, missing = self._text(chain)
        name = chain[0].name
        if any(branch.then.acts for branch in chain):
            self._writer.piece(name, missing, text, extensions)
            return
        missing += [line[2:] for branch in chain for line in branch.then.lines if line.startswith("# ")]
        missing = missing or [self._writer.unsaid(name, "left out, as nothing is done")]
        self._writer.left_out(name, missing, [line for line in text.split("\n") if line and line[0] != "#"])

    def _text(self, chain: list[_Branch]) -> tuple[str, frozenset[str], list[str]]:
        """Return a chain as commands, what they require, and what could not be said."""
        pieces: list[str] = []
        extensions: frozenset[str] = frozenset()
        missing: list[str] = []
        blurred = False
        for branch in chain:
            if blurred:  # it is for what those before it did not match, and that cannot be said
                missing.append(self._writer.unsaid(branch.name, "left out, as what is before it cannot be said"))
                continue
            blurred = any(True for _ in unknown(branch.condition))
            missing += [self._writer.unsaid(branch.name, f"not in Sieve: {what}") for what in unknown(branch.condition)]
            known = simplified(branch.condition)
            test = written(known)
            lines = "\n".join(branch.then.lines)
            if test == "false":
                missing.append(self._writer.unsaid(branch.name, "left out, as its condition cannot be said"))
                missing += [f"    {line}" for line in "\n".join(branch.then.lines).split("\n")]
                continue
            extensions |= branch.then.needs | needs_of(known)
            if test == "true":
                pieces.append(lines if not pieces else f"else {{\n{lines}\n}}")
                break
            pieces.append(f"{'elsif' if pieces else 'if'} {test} {{\n{lines}\n}}")
        return "\n".join(pieces), extensions, list(dict.fromkeys(missing))

    def _condition(self, text: str, flags: str) -> Condition:
        """Return what one line behind an asterisk means."""
        whole = text
        negated = False
        where = "".join(sign for sign in "HB" if sign in flags) or "H"
        while True:
            if text.startswith("!"):
                negated = not negated
                text = text[1:].strip()
            elif text.startswith("$"):
                expanded = self._expanded(text[1:].strip())
                if expanded is None:
                    return Unknown(f"* {whole}, as a variable in it is not known here")
                text = expanded
            elif found := _WHERE.match(text):
                where, text = found[1], text[found.end() :]
            else:
                break
        sized = _SIZE.fullmatch(text)
        if sized is not None:
            one: Condition = size(sized[1] == ">", int(sized[2]))
        elif text.startswith("?") or _SCORE.match(text):
            one = Unknown(f"* {whole}")
        elif not set(where) <= set("HB"):
            one = Unknown(f"* {whole}")
        else:
            parts: list[Condition] = []
            for part in where:
                known = tests_of(text, in_body=part == "B", by_case="D" in flags)
                parts.append(Unknown(f"* {whole}") if known is None else known)
            one = parts[0] if len(parts) == 1 else Any(tuple(parts))
        return Not(one) if negated else one

    def _action(self, recipe: _Recipe, then: Draft) -> None:
        """Add what a recipe does. What cannot be said keeps the message, and ends there as it would have."""
        action = recipe.action
        copy = "c" in recipe.flags or self._clones > 0
        if action.startswith("!"):
            if not self._forward(action[1:], copy, then):
                self._instead(recipe, then, copy)
            return
        if action.startswith("|"):
            if _DUPLICATES.search(action) and "f" not in recipe.flags:
                then.add("if duplicate {\ndiscard;\nstop;\n}", "duplicate")
            elif found := _DELIVERS.search(action):
                self._deliver(recipe, self._expanded(found[1] or found[2]), then, copy)
            elif {"W", "w"} & set(recipe.flags) and "f" not in recipe.flags:
                then.comment(self._writer.unsaid(recipe.name, f"not in Sieve: {action}; it is taken to fail"))
            elif "f" in recipe.flags:
                then.comment(self._writer.unsaid(recipe.name, f"not in Sieve: {action}; the message stays as it is"))
            else:
                self._instead(recipe, then, copy)
            return
        self._deliver(recipe, self._expanded(action.split()[0] if action.split() else ""), then, copy)

    def _deliver(self, recipe: _Recipe, target: str | None, then: Draft, copy: bool) -> None:
        if target is None:
            self._instead(recipe, then, copy)
            return
        if target == "/dev/null":
            if not copy:
                then.add("discard;")
                then.add("stop;")
            else:
                then.comment("procmail throws a copy away here")
            return
        if "${" in target:
            then.needs.add("variables")
        mailbox = self._mailbox(target)
        if mailbox == "INBOX":
            then.add("keep;")
        elif then.fileinto(mailbox, copy=copy):
            self._instead(recipe, then, copy)
            return
        if not copy:
            then.add("stop;")

    def _instead(self, recipe: _Recipe, then: Draft, copy: bool) -> None:
        what = f"not in Sieve: {recipe.action}" + ("" if copy else "; the message is kept instead")
        then.comment(self._writer.unsaid(recipe.name, what))
        if not copy:
            then.add("keep;")
            then.add("stop;")

    def _forward(self, text: str, copy: bool, then: Draft) -> bool:
        """Add redirects; say whether all that is written are addresses."""
        expanded = self._expanded(text)
        targets = [one for one in (expanded or "").replace(",", " ").split() if not one.startswith("-")]
        draft = Draft()
        for target in targets:
            draft.redirect(target, copy=copy)
        if not targets or compiles("\n".join(draft.lines), frozenset(draft.needs)):
            return False
        then.take(draft)
        if not copy:
            then.add("stop;")
        return True

    def _mailbox(self, target: str) -> str:
        """Return the mailbox of a path: as it is called below MAILDIR, with the dots of Maildir++ as slashes."""
        path = re.sub(r"(/(new/?|\.?))$", "", target) if not target.endswith("//") else target.rstrip("/")
        bases = {"~", "~/Maildir", "~/Mail", "~/mail", (self._values.get("MAILDIR") or "~").rstrip("/")}
        for base in sorted(bases, key=len, reverse=True):
            if path == base or path.startswith(f"{base}/"):
                path = path[len(base) :].strip("/")
                break
        if path in ("", "INBOX", "inbox", "Maildir") or target == self._values.get("DEFAULT"):
            return "INBOX"
        if path.startswith("."):
            path = path[1:].replace(".", "/")
        if path.startswith("/"):
            path = path.rpartition("/")[2] or path
        return path.strip("/")


__all__ = ["from_procmail"]
