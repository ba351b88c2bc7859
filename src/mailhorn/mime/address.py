"""Address lists of header fields (RFC 5322 §3.4, obsolete forms §4.4), as ENVELOPE shows them (RFC 9051 §7.5.2).

What is no address is still shown: a word alone is a mailbox at MISSING_DOMAIN, several are the name of
MISSING_MAILBOX. These are Dovecot's words; host NIL would mean a group.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..model.structure import Address
from .header import comment_end, readable, unfold
from .limits import MAX_ADDRESSES

MISSING_MAILBOX = b"MISSING_MAILBOX"
MISSING_DOMAIN = b"MISSING_DOMAIN"

_TOKEN = re.compile(
    rb"""(?P<space>[ \t\r\n]++)
    |(?P<quoted>"(?>(?:[^"\\]++|\\.)*)"?)
    |(?P<literal>\[[^\[\]\\]*+\]?)
    |(?P<special>[<>@,;:])
    |(?P<comment>\()
    |(?P<atom>[^\s"\[<>@,;:()]++)
    |(?P<stray>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_WORD = rb"[^\s\"\[<>@,;:()]+"
_BARE = re.compile(rb"(%b)@(%b)" % (_WORD, _WORD))
_NAMED = re.compile(rb'(?:(%b(?: %b)*) ?|"([^"\\]*)" ?)?<(%b)@(%b)>' % (_WORD, _WORD, _WORD, _WORD))


@dataclass(slots=True)
class _Draft:
    """One address under way."""

    words: list[bytes] = field(default_factory=list)
    """Tokens outside of angle brackets; a space stands for white space between them."""
    angle: list[bytes] | None = None
    """Tokens within angle brackets, None if there were none."""
    comment: bytes | None = None
    """The last comment's text."""


def parse_addresses(value: bytes) -> tuple[Address, ...]:
    """
    address-list = (address *("," address)) / obs-addr-list

    Args:
        value: Raw value of the field.

    Returns:
        Addresses and group markers in their order, at most MAX_ADDRESSES; encoded words are left as they are.

    """
    text = unfold(value)
    usual = _NAMED.fullmatch(text)
    if usual is not None:
        name, quoted, mailbox, host = usual.groups()
        return (Address(name or (quoted and readable(quoted).strip()) or None, None, mailbox, host),)
    usual = _BARE.fullmatch(text)
    if usual is not None:
        return (Address(None, None, usual[1], usual[2]),)
    return tuple(_unusual(text))


def _unusual(text: bytes) -> list[Address]:
    """Read what is more than one address in its usual form, token by token."""
    found: list[Address] = []
    for address in _addresses(text):
        found.append(address)
        if len(found) >= MAX_ADDRESSES:
            break
    return found


def _addresses(text: bytes) -> Iterator[Address]:
    draft = _Draft()
    in_angle = in_route = in_group = False
    at = 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        assert token is not None  # the last alternative takes anything
        at = token.end()
        kind, value = token.lastgroup, token[0]
        if kind == "comment":
            at = comment_end(text, token.start())
            draft.comment = (
                readable(_unquoted(text[token.start() + 1 : at].removesuffix(b")"))).strip() or draft.comment
            )
        elif in_angle and draft.angle is not None:
            if value in (b">", b";") or (value == b"," and not in_route):
                in_angle = False
                if value != b">":
                    at = token.start()
            elif kind != "space":
                in_route = value != b":" if in_route else value == b"@" and not draft.angle
                draft.angle.append(_unquoted(value[1:].removesuffix(b'"')) if kind == "quoted" else value)
        elif kind == "space":
            if draft.words and draft.words[-1] != b" ":
                draft.words.append(b" ")
        elif value == b"<":
            in_angle = True
            draft.angle = []
        elif value in (b",", b";"):
            yield from _finished(draft)
            draft = _Draft()
            if value == b";" and in_group:
                in_group = False
                yield Address(None, None, None, None)
        elif value == b":" and not in_group:
            in_group = True
            yield Address(None, None, b"".join(draft.words).strip(), None)
            draft = _Draft()
        elif value != b">":
            draft.words.append(_unquoted(value[1:].removesuffix(b'"')) if kind == "quoted" else value)
    yield from _finished(draft)
    if in_group:
        yield Address(None, None, None, None)


def _finished(draft: _Draft) -> Iterator[Address]:
    """mailbox = name-addr / addr-spec; nothing at all is no address (RFC 5322 §4.4)."""
    if draft.angle is not None:
        name = readable(b"".join(draft.words)).strip() or draft.comment
        route: bytes | None = None
        tokens = draft.angle
        if tokens[:1] == [b"@"] and b":" in tokens:
            end = tokens.index(b":")
            route, tokens = b"".join(tokens[:end]), tokens[end + 1 :]
        mailbox, host = _addr_spec(tokens)
        if name or mailbox or host:
            yield Address(name, route, mailbox or MISSING_MAILBOX, host or MISSING_DOMAIN)
    elif b"@" in draft.words:
        mailbox, host = _addr_spec([word for word in draft.words if word != b" "])
        yield Address(draft.comment, None, mailbox or MISSING_MAILBOX, host or MISSING_DOMAIN)
    elif draft.words:
        phrase = b"".join(draft.words).strip()
        if b" " in phrase:
            yield Address(phrase, None, MISSING_MAILBOX, MISSING_DOMAIN)
        else:
            yield Address(draft.comment, None, phrase or MISSING_MAILBOX, MISSING_DOMAIN)


def _addr_spec(tokens: list[bytes]) -> tuple[bytes, bytes]:
    """addr-spec = local-part "@" domain; the last "@" divides."""
    if b"@" not in tokens:
        return b"".join(tokens), b""
    last = len(tokens) - 1 - tokens[::-1].index(b"@")
    return b"".join(tokens[:last]), b"".join(tokens[last + 1 :])


def _unquoted(text: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", text) if b"\\" in text else text
