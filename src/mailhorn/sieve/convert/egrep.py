"""
procmail's regular expressions over a header, as tests of header fields.

An expression that begins with `^Field:` is about that field: what is left of it is said by :contains, :matches or :is
if it is plain text, else by :regex. One that names no field could match anywhere in the header, which Sieve cannot ask.

Rule 1: what is not understood is not guessed: None. Rule 2: a dot between letters or digits, as in an address that was
written without backslashes, is taken to mean a dot.
"""

import re
from collections.abc import Iterator

from .condition import Any, Condition, Test, Unknown, address, body, exists, header, plain_regex, wild
from .limits import MAX_ALTERNATIVES, MAX_DEPTH, MAX_EXPRESSION

TO_FIELDS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc", "x-envelope-to", "apparently-to")
"""Where `^TO_` looks; procmail's manual has the expression."""
_SENDERS = ("from", "sender", "resent-from", "resent-sender", "x-envelope-from")
_DAEMONS = (
    "post(ma?(st(e?r)?|n)|office)|(send)?mail(er)?|daemon|mailer-daemon|m(mdf|ajordomo)|n?uucp|list(serv|proc)|netserv"
    "|o(wner|ps)|r(e(quest|sponse)|oot)|b(ounce|bs\\.smtp)|echo|mirror|s(erv(ices?|er)|mtp(error)?|ystem)"
    "|a(dmin(istrator)?|mmgr|utoanswer)"
)
_MAILERS = (
    "post(ma(st(er)?|n)|office)|(send)?mail(er)?|daemon|mailer-daemon|mmdf|n?uucp|ops|r(esponse|oot)|(bbs\\.)?smtp(error)?"
    "|s(erv(ices?|er)|ystem)|a(dmin(istrator)?|mmgr)"
)
_NAME = re.compile(
    r"\^((?:[A-Za-z0-9_-]|\\-)+|\((?:[A-Za-z0-9_|()?-]|\\-)*\)(?:[A-Za-z0-9_|()?-]|\\-)*"
    r"|(?:[A-Za-z0-9_-]|\\-)+\([A-Za-z0-9_|()?-]*\)(?:[A-Za-z0-9_|()?-]|\\-)*):"
)
_FROM = re.compile(r"\^From\[(?: :|: )\]")
"""Both the field and the line before the header that mbox files have."""
_BLANKS = re.compile(r"(?: |\\ |\t|\[[ \t]+\]|\\s|\[\[:space:\]\])[*+?]?")
_ANYTHING = re.compile(r"\.\*|\(\.\*\)")
_FULL = re.compile(r"[A-Za-z0-9._+=-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_SPECIAL = frozenset(".*+?^$|()[{\\")


def tests_of(expression: str, in_body: bool, by_case: bool) -> Condition | None:
    """
    Return the tests of an expression, None if there are none.

    Args:
        expression: The regular expression.
        in_body: It is looked for in the body, not in the header.
        by_case: Large and small letters differ.

    """
    if len(expression) > MAX_EXPRESSION or "=?" in expression or "=\\?" in expression:
        return None  # Sieve sees what encoded words mean
    texts = list(alternatives(_unwrapped(expression)))
    known = [_one(text, in_body, by_case) for text in texts]
    if all(one is None for one in known):
        return None
    where = "in the body " if in_body else ""
    parts = [one or Unknown(f"{where}{text}") for one, text in zip(known, texts, strict=True)]
    return parts[0] if len(parts) == 1 else Any(tuple(parts))


def _one(expression: str, in_body: bool, by_case: bool) -> Condition | None:
    if in_body:
        text = literal(expression)
        if text is not None:
            return _cased(body("contains", [text], raw=True), by_case)
        known = _posix(expression)
        return None if known is None or "^" in known or "$" in known else _cased(body("regex", [known], True), by_case)
    for macro, made in (("^FROM_DAEMON", _daemon), ("^FROM_MAILER", _mailer)):
        if expression == macro:
            return made()
    if expression.startswith("^TO_"):
        return _recipient(expression[4:].removeprefix("()"), by_case)
    if expression.startswith("^TO"):
        return _recipient(expression[3:].removeprefix("()"), by_case)
    expression = _FROM.sub("^From:", expression)
    found = _NAME.match(expression)
    if found is None:
        return None
    names = [name.replace("\\", "") for name in expanded(found[1])]
    if not names or not all(re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in names):
        return None
    fields = [name.lower() for name in names]
    return _value(fields, expression[found.end() :], by_case)


def _value(fields: list[str], rest: str, by_case: bool) -> Condition | None:
    """Return the test for what follows the name of a field."""
    at = 0
    while found := _BLANKS.match(rest, at):
        at = found.end()
    rest = rest[at:]
    anchored = True
    while found := _ANYTHING.match(rest):
        rest = rest[found.end() :]
        anchored = False
    if not rest or (rest == "$" and not anchored):
        return Any(tuple(exists([name]) for name in fields))
    if rest == "$":
        return header("is", fields, [""])
    ended = rest.endswith("$") and not rest.endswith("\\$")
    inner = rest[:-1] if ended else rest
    while inner.endswith(".*") and not inner.endswith("\\.*"):
        inner = inner[:-2]
        ended = False
    texts = [literal(one) for one in alternatives(_unwrapped(inner))]
    plain = [text for text in texts if text is not None]
    if plain and len(plain) == len(texts) and all(plain):
        return _cased(_plain(fields, plain, anchored, ended), by_case)
    known = _posix(inner)
    if known is None:
        return None
    key = f"{'^' if anchored else ''}{_grouped(known)}{'$' if ended else ''}"
    return _cased(header("regex", fields, [key]), by_case)


def captured(expression: str, by_case: bool) -> tuple[Condition, int] | None:
    r"""
    Return the test of an expression with `\/` in it, and which of its groups has what procmail calls $MATCH.

    None if there is no `\/` in it, or no field is named.
    """
    left, mark, right = expression.partition("\\/")
    found = _NAME.match(left)
    if (
        len(expression) > MAX_EXPRESSION
        or not mark
        or found is None
        or "\\/" in right
        or len(list(alternatives(expression))) > 1
    ):
        return None
    fields = [name.replace("\\", "").lower() for name in expanded(found[1])]
    before = left[found.end() :]
    groups = sum(1 for _, sign, _ in _outside(before) if sign == "(")
    whole = _value(fields, f"{before}({right})", by_case) if fields else None
    if not isinstance(whole, Test) or ":regex" not in whole.head:
        return None
    return whole, groups + 1


def _plain(fields: list[str], texts: list[str], anchored: bool, ended: bool) -> Test:
    if not anchored and not ended:
        return header("contains", fields, texts)
    if anchored and ended:
        return header("is", fields, texts)
    return header("matches", fields, [f"{wild(one)}*" if anchored else f"*{wild(one)}" for one in texts])


def _grouped(expression: str) -> str:
    return f"({expression})" if len(list(alternatives(expression))) > 1 else expression


def _recipient(rest: str, by_case: bool) -> Condition | None:
    """What follows `^TO_`: addresses that begin so, in any field that names a recipient."""
    parts = list(alternatives(_unwrapped(rest)))
    texts = [literal(one) for one in parts]
    plain = [text for text in texts if text]
    if plain and len(plain) == len(texts):
        if all(_FULL.fullmatch(text) for text in plain):
            return _cased(address("is", TO_FIELDS[:-2], plain), by_case)
        return _cased(
            header("regex", TO_FIELDS, [f"(^|[^-a-zA-Z0-9_.]){plain_regex(text)}" for text in plain]), by_case
        )
    known = _posix(rest)
    if known is None or "^" in known:
        return None
    return _cased(header("regex", TO_FIELDS, [f"(^|[^-a-zA-Z0-9_.]){_grouped(known)}"]), by_case)


def _daemon() -> Condition:
    return Any(
        (
            exists(["mailing-list"]),
            header("contains", ["precedence"], ["junk", "bulk", "list"]),
            header("matches", ["to"], ["Multiple recipients of *"]),
            address("regex", _SENDERS, [f"(^|[^(.%@a-z0-9])({_DAEMONS})([^).!:a-z0-9].*)?$"], "localpart"),
        )
    )


def _mailer() -> Condition:
    return address("regex", _SENDERS, [f"(^|[^(.%@a-z0-9])({_MAILERS})([^).!:a-z0-9].*)?$"], "localpart")


def _cased(test: Test, by_case: bool) -> Condition:
    if not by_case:
        return test
    word, _, rest = test.head.partition(" ")
    return Test(f'{word} :comparator "i;octet" {rest}', test.keys, test.needs)


def literal(expression: str) -> str | None:
    """Return the text that an expression is, None if it is more than a text."""
    found = ""
    at = 0
    while at < len(expression):
        sign = expression[at]
        after = expression[at + 1 : at + 2]
        if sign == "\\":
            if not after or after.isalnum() or after in "</>":
                return None
            found += after
            at += 1
        elif sign == ".":
            if not (found[-1:].isalnum() and after.isalnum()):
                return None
            found += sign
        elif sign == "[" and expression[at + 2 : at + 3] == "]" and after not in ("^", "]", "\\"):
            found += after
            at += 2
        elif sign in _SPECIAL:
            return None
        else:
            found += sign
        at += 1
        if expression[at : at + 1] and expression[at] in "*+?{":
            return None
    return found


def alternatives(expression: str) -> Iterator[str]:
    """Yield what stands between the bars that are in no parentheses."""
    start = 0
    for at, sign, depth in _outside(expression):
        if sign == "|" and depth == 0:
            yield expression[start:at]
            start = at + 1
    yield expression[start:]


def _outside(expression: str) -> Iterator[tuple[int, str, int]]:
    """Yield the signs that mean something, each with the depth of parentheses around it."""
    depth = at = 0
    while at < len(expression):
        sign = expression[at]
        if sign == "\\":
            at += 2
            continue
        if sign == "[":
            end = expression.find("]", at + (3 if expression[at + 1 : at + 2] == "^" else 2))
            at = len(expression) if end < 0 else end + 1
            continue
        if sign == ")":
            depth -= 1
        yield at, sign, depth
        if sign == "(":
            depth += 1
        at += 1


def _unwrapped(expression: str) -> str:
    """Return the expression without parentheses around all of it."""
    while expression.startswith("(") and expression.endswith(")"):
        closing = [at for at, sign, depth in _outside(expression) if sign == ")" and depth == 0]
        if closing[:1] != [len(expression) - 1]:
            break
        expression = expression[1:-1]
    return expression


def expanded(names: str, depth: int = 0) -> list[str]:
    """Return what `(Resent-)?(To|Cc)` stands for; nothing if that is too much."""
    if depth > MAX_DEPTH:
        return []
    found = [""]
    at = 0
    while at < len(names):
        if names[at] == "(":
            end = next((i for i, sign, level in _outside(names[at:]) if sign == ")" and level == 0), -1)
            if end < 0:
                return []
            inside = names[at + 1 : at + end]
            choices = [one for part in alternatives(inside) for one in expanded(part, depth + 1)]
            at += end + 1
        else:
            choices = [names[at]]
            at += 1
        if names[at : at + 1] == "?":
            choices = [*choices, ""]
            at += 1
        found = [one + choice for one in found for choice in choices]
        if not found or len(found) > MAX_ALTERNATIVES:
            return []
    return found


def _posix(expression: str) -> str | None:
    """Return the expression as :regex takes it, None if procmail alone knows what is in it."""
    if "\\/" in expression or "^^" in expression or "\n" in expression:
        return None
    found = expression.replace("\\<", r"(^|[^a-zA-Z0-9_])").replace("\\>", r"([^a-zA-Z0-9_]|$)")
    return re.sub(r"\\([^\w\s])|\\ ", lambda sign: _escaped(sign[1] or " "), found)


def _escaped(sign: str) -> str:
    return "\\" + sign if sign in _SPECIAL or sign in "]}" else sign


__all__ = ["TO_FIELDS", "alternatives", "captured", "expanded", "literal", "tests_of"]
