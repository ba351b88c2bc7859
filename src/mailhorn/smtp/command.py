"""Command lines (RFC 5321 §4.1.1 and the extensions we offer): one struct and one parser for each.

A parser raises CommandProblem with the reply to give. Spaces that RFC 5321 forbids but clients send (after
the colon, at the end) are read over.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from .address import Mailbox, parse_path
from .events import BodyKind
from .limits import MAX_BDAT_DIGITS, MAX_DOMAIN
from .reply import CommandProblem

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_BDAT = re.compile(rf"([0-9]{{1,{MAX_BDAT_DIGITS}}})(?: +(LAST))?", re.IGNORECASE)


class Hello(msgspec.Struct, frozen=True):
    """HELO, EHLO (RFC 5321 §4.1.1.1) or LHLO (RFC 2033 §4.1); `verb` tells which."""

    verb: str
    name: str


class Mail(msgspec.Struct, frozen=True):
    """MAIL (RFC 5321 §4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152) and SMTPUTF8 (RFC 6531); AUTH= is ignored."""

    sender: Mailbox | None
    size: int | None = None
    body: BodyKind | None = None
    smtputf8: bool = False


class Rcpt(msgspec.Struct, frozen=True):
    """RCPT (RFC 5321 §4.1.1.3)."""

    recipient: Mailbox


class Data(msgspec.Struct, frozen=True):
    """DATA (RFC 5321 §4.1.1.4)."""


class Bdat(msgspec.Struct, frozen=True):
    """BDAT (RFC 3030 §2): so many octets follow the line, and whether they are the last ones."""

    size: int
    last: bool


class Rset(msgspec.Struct, frozen=True):
    """RSET (RFC 5321 §4.1.1.5)."""


class Verify(msgspec.Struct, frozen=True):
    """VRFY (RFC 5321 §4.1.1.6)."""


class Expand(msgspec.Struct, frozen=True):
    """EXPN (RFC 5321 §4.1.1.7)."""


class Help(msgspec.Struct, frozen=True):
    """HELP (RFC 5321 §4.1.1.8)."""


class Noop(msgspec.Struct, frozen=True):
    """NOOP (RFC 5321 §4.1.1.9); its argument is ignored."""


class Bye(msgspec.Struct, frozen=True):
    """QUIT (RFC 5321 §4.1.1.10)."""


class Tls(msgspec.Struct, frozen=True):
    """STARTTLS (RFC 3207)."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH (RFC 4954 §4); `initial` is decoded, b"" for `=`, None if not given."""

    mechanism: str
    initial: bytes | None = field(repr=False, default=None)


class Http(msgspec.Struct, frozen=True):
    """A web browser made to talk to us; nothing it says after this is a command (cross-protocol attack)."""


Command = Hello | Mail | Rcpt | Data | Bdat | Rset | Verify | Expand | Help | Noop | Bye | Tls | Auth | Http


def parse_command(line: bytes) -> Command:
    """
    Parse one command line, its CRLF removed.

    Raises:
        CommandProblem: With the reply to give. After a BDAT that raises this the size of its chunk is not
            known, so nothing that follows may be taken for a command; see `is_bdat`.

    """
    if line[:4] in _REPEATED and len(line) <= _REPEATED_LENGTH:
        return _parse_again(line)
    return _parse(line)


def _parse(line: bytes) -> Command:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandProblem(501, "5.5.2", "Command is not UTF-8") from None
    if _CONTROL.search(text):
        raise CommandProblem(501, "5.5.2", "Control character in command")
    verb, _, rest = text.strip().partition(" ")
    parse = _PARSERS.get(verb.upper())
    if parse is None:
        raise CommandProblem(500, "5.5.2", "Command not recognized")
    return parse(verb.upper(), rest.strip())


_parse_again = lru_cache(maxsize=512)(_parse)
"""The commands of a burst of mail are mostly the same. 512 of them are 200 KiB."""
_REPEATED = frozenset({b"MAIL", b"RCPT", b"DATA"})
"""Not AUTH: a secret is kept nowhere."""
_REPEATED_LENGTH = 128
"""Octets; longer ones are rare, or somebody wants to fill the memory."""


def is_bdat(line: bytes) -> bool:
    """The line is a BDAT, well-formed or not."""
    return line.lstrip()[:4].upper() == b"BDAT"


def parse_base64(text: bytes) -> bytes:
    """
    base64 (RFC 4954 §8), `=` alone for no octets.

    Raises:
        CommandProblem: 501, as RFC 4954 §4 asks.

    """
    if text == b"=":
        return b""
    try:
        return a2b_base64(text, strict_mode=True)
    except Base64Error:
        raise CommandProblem(501, "5.5.2", "Cannot decode base64") from None


def _hello(verb: str, rest: str) -> Command:
    """ehlo = "EHLO" SP ( Domain / address-literal ) CRLF; what is not a name is taken as well (RFC 5321 §4.1.4)."""
    name = rest.partition(" ")[0]
    if not name or len(name.encode()) > MAX_DOMAIN:
        raise CommandProblem(501, "5.5.4", f"Syntax: {verb} hostname")
    return Hello(verb, name)


def _path(verb: str, word: str, rest: str) -> tuple[Mailbox | None, str]:
    head, colon, tail = rest.partition(":")
    if not colon or head.strip().upper() != word:
        raise CommandProblem(501, "5.5.4", f"Syntax: {verb} {word}:<address>")
    return parse_path(tail.lstrip())


def _parameters(rest: str) -> dict[str, str | None]:
    """Mail-parameters = esmtp-param *(SP esmtp-param) (RFC 5321 §4.1.2), keywords in capitals."""
    found: dict[str, str | None] = {}
    for word in rest.split():
        name, equals, value = word.partition("=")
        name = name.upper()
        if not _KEYWORD.fullmatch(name) or name in found or (equals and not value):
            raise CommandProblem(501, "5.5.4", "Bad parameter syntax")
        found[name] = value if equals else None
    return found


def _mail(verb: str, rest: str) -> Command:
    """mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF"""
    sender, rest = _path(verb, "FROM", rest)
    size: int | None = None
    body: BodyKind | None = None
    smtputf8 = False
    for name, value in _parameters(rest).items():
        match name, value:
            case "SIZE", str():
                if not (value.isascii() and value.isdigit() and len(value) <= 20):
                    raise CommandProblem(501, "5.5.4", "Bad SIZE")
                size = int(value)
            case "BODY", str():
                try:
                    body = BodyKind(value.upper())
                except ValueError:
                    raise CommandProblem(501, "5.5.4", "BODY must be 7BIT or 8BITMIME") from None
            case "SMTPUTF8", None:
                smtputf8 = True
            case "AUTH", str() if _XTEXT.fullmatch(value):
                pass  # RFC 4954 §5: who relays may vouch for the sender; we relay for nobody
            case "SIZE" | "BODY" | "SMTPUTF8" | "AUTH", _:
                raise CommandProblem(501, "5.5.4", f"Bad {name}")
            case _:
                raise CommandProblem(555, "5.5.4", "MAIL parameter not recognized")
    if sender and not sender.ascii and not smtputf8:
        raise CommandProblem(553, "5.6.7", "Address needs SMTPUTF8")
    return Mail(sender, size, body, smtputf8)


def _rcpt(verb: str, rest: str) -> Command:
    """rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF"""
    recipient, rest = _path(verb, "TO", rest)
    if recipient is None:
        raise CommandProblem(501, "5.1.3", "Recipient is empty")
    if _parameters(rest):
        raise CommandProblem(555, "5.5.4", "RCPT parameter not recognized")
    return Rcpt(recipient)


def _bdat(verb: str, rest: str) -> Command:
    """bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CR LF (RFC 3030 §2)"""
    found = _BDAT.fullmatch(rest)
    if found is None:
        raise CommandProblem(501, "5.5.4", "Syntax: BDAT size [LAST]")
    return Bdat(int(found[1]), found[2] is not None)


def _auth(verb: str, rest: str) -> Command:
    """auth-command = "AUTH" SP sasl-mech [SP initial-response] *(CRLF [base64]) [CRLF cancel-response] CRLF"""
    words = rest.split()
    if not 1 <= len(words) <= 2:
        raise CommandProblem(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
    return Auth(words[0].upper(), parse_base64(words[1].encode()) if words[1:] else None)


def _alone(command: Command) -> Callable[[str, str], Command]:
    def parse(verb: str, rest: str) -> Command:
        if rest:
            raise CommandProblem(501, "5.5.4", f"{verb} takes no argument")
        return command

    return parse


def _with_text(command: Command) -> Callable[[str, str], Command]:
    def parse(verb: str, rest: str) -> Command:
        if not rest:
            raise CommandProblem(501, "5.5.4", f"{verb} needs an argument")
        return command

    return parse


def _whatever(command: Command) -> Callable[[str, str], Command]:
    return lambda verb, rest: command


_PARSERS: dict[str, Callable[[str, str], Command]] = {
    "HELO": _hello,
    "EHLO": _hello,
    "LHLO": _hello,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _alone(Data()),
    "BDAT": _bdat,
    "RSET": _alone(Rset()),
    "VRFY": _with_text(Verify()),
    "EXPN": _with_text(Expand()),
    "HELP": _whatever(Help()),
    "NOOP": _whatever(Noop()),
    "QUIT": _alone(Bye()),
    "STARTTLS": _alone(Tls()),
    "AUTH": _auth,
    **{verb: _whatever(Http()) for verb in ("GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT")},
}
