"""Mailboxes as SMTP writes them (RFC 5321 §4.1.2, RFC 6531 §3.3): `parse_path` beside `write_path`.

More is read than RFC 5321 allows, where real mail needs it: dots in odd places of a local part, no angle
brackets, no domain. What is written is always legal. A source route is read and forgotten (RFC 5321 §4.1.1.3).
"""

import re
from ipaddress import IPv4Address, IPv6Address

import msgspec

from .limits import MAX_DOMAIN, MAX_LOCAL_PART, MAX_PATH
from .reply import CommandProblem

# These classes name the ASCII that may not stand there, as all the rest of Unicode may (RFC 6531 §3.3): to compile
# one that names the rest takes 5 ms.
_ATEXT = r'[^\x00-\x20"(),.:;<>@\[\\\]\x7f]'
_DOTTED = r'[^\x00-\x20"(),:;<>@\[\\\]\x7f]+'
_QUOTED = r'"(?:[^\x00-\x1f"\\\x7f]|\\[ -~])*"'
_LABEL = r"[^\x00-,./:-@\[-^`{-\x7f]{1,63}"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_LITERAL = r"\[[!-Z^-~]+\]"
_MAILBOX = re.compile(rf"({_DOTTED}|{_QUOTED})(?:@({_DOMAIN}|{_LITERAL}))?")
_ROUTE = re.compile(rf"@{_DOMAIN}(?:,@{_DOMAIN})*:")
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_DOMAIN_ONLY = re.compile(_DOMAIN)
_LITERAL_TAG = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:")


class Mailbox(msgspec.Struct, frozen=True):
    """
    `Mailbox` (RFC 5321 §4.1.2), quoting undone.

    Attributes:
        local: Local part as it is meant: `"a b"@x` has the local part `a b`. Case is kept.
        domain: Domain or address literal (with its brackets) as it was written; "" if there was none.

    """

    local: str
    domain: str

    @property
    def ascii(self) -> bool:
        """It can be written without SMTPUTF8."""
        return self.local.isascii() and self.domain.isascii()

    def __str__(self) -> str:
        local = self.local
        if not (local.isalnum() or _DOT_STRING.fullmatch(local)):
            local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
        return f"{local}@{self.domain}" if self.domain else local


def parse_path(text: str) -> tuple[Mailbox | None, str]:
    """
    Path = "<" [ A-d-l ":" ] Mailbox ">"; Reverse-path = Path / "<>"

    RFC 5321 §4.1.2. Also reads a mailbox without angle brackets up to the next space.

    Args:
        text: What follows `FROM:` or `TO:`, leading spaces removed.

    Returns:
        The mailbox, None for `<>`, and the rest of the text (parameters, with their leading space).

    Raises:
        CommandProblem: 501 with 5.1.3 (bad mailbox) or 5.1.2 (bad domain).

    """
    bracketed = text.startswith("<")
    start = 1 if bracketed else 0
    if text.startswith(">", start) and bracketed:
        return None, text[2:]
    route = _ROUTE.match(text, start)
    found = _MAILBOX.match(text, route.end() if route else start)
    if found is None:
        raise CommandProblem(501, "5.1.3", "Bad address syntax")
    end = found.end()
    if bracketed:
        if not text.startswith(">", end):
            raise CommandProblem(501, "5.1.3", "Bad address syntax")
        end += 1
    if text[end : end + 1] not in ("", " ") or end - start > MAX_PATH:
        raise CommandProblem(501, "5.1.3", "Bad address syntax")
    local, domain = found[1], found[2] or ""
    if local.startswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    if len(local.encode()) > MAX_LOCAL_PART:
        raise CommandProblem(501, "5.1.3", "Local part too long")
    if len(domain.encode()) > MAX_DOMAIN or (domain.startswith("[") and not _is_literal(domain[1:-1])):
        raise CommandProblem(501, "5.1.2", "Bad domain or address literal")
    return Mailbox(local, domain), text[end:]


def write_path(mailbox: Mailbox | None) -> str:
    """Path = "<" Mailbox ">", or "<>" for None (RFC 5321 §4.1.2)."""
    return f"<{mailbox or ''}>"


def is_domain(text: str) -> bool:
    """Domain / address-literal, as EHLO ought to be given (RFC 5321 §4.1.1.1)."""
    if text.startswith("[") and text.endswith("]"):
        return _is_literal(text[1:-1])
    return len(text.encode()) <= MAX_DOMAIN and _DOMAIN_ONLY.fullmatch(text) is not None


def _is_literal(text: str) -> bool:
    """IPv4-address-literal / IPv6-address-literal / General-address-literal (RFC 5321 §4.1.3)."""
    try:
        if text[:5].lower() == "ipv6:":
            IPv6Address(text[5:])
        elif not _LITERAL_TAG.match(text):
            IPv4Address(text)
    except ValueError:
        return False
    return True
