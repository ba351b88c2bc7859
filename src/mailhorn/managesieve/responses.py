"""What a server says (RFC 5804 §1.3, §4), as data and as bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from .limits import MAX_QUOTED


class Condition(Enum):
    """What became of a command."""

    OK = "OK"
    NO = "NO"
    BYE = "BYE"


class Code(Enum):
    """Response codes (§1.3) that are given here. REFERRAL is for more than one server; the others would tell strangers
    which accounts there are."""

    ACTIVE = "ACTIVE"
    ALREADYEXISTS = "ALREADYEXISTS"
    ENCRYPT_NEEDED = "ENCRYPT-NEEDED"
    MAXSCRIPTS = "QUOTA/MAXSCRIPTS"
    MAXSIZE = "QUOTA/MAXSIZE"
    NONEXISTENT = "NONEXISTENT"
    SASL = "SASL"
    TAG = "TAG"
    TRYLATER = "TRYLATER"
    WARNINGS = "WARNINGS"


@dataclass(frozen=True, slots=True)
class Response:
    """
    The end of an answer.

    Attributes:
        condition: What became of it.
        text: For people; may have several lines.
        code: For programs, None for none.
        argument: The string that belongs to TAG and SASL.

    """

    condition: Condition
    text: str = ""
    code: Code | None = None
    argument: bytes | None = None


DONE: Final = Response(Condition.OK)


def no(text: str, code: Code | None = None) -> Response:
    """Return a refusal."""
    return Response(Condition.NO, text, code)


def write_string(value: bytes) -> bytes:
    """
    string = quoted / literal-s2c

    Quoted wherever it can be, with escapes: clients are known that lose their place in a list with a literal in it
    (Net_Sieve, which is Roundcube's).
    """
    quoted = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if len(quoted) <= MAX_QUOTED and not any(octet in value for octet in b"\r\n\0") and _is_utf8(value):
        return b'"' + quoted + b'"'
    return b"{%d}\r\n%s" % (len(value), value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def write_response(response: Response) -> bytes:
    """
    response-ok = "OK" [SP "(" resp-code ")"] [SP string] CRLF

    response-nobye = ("NO" / "BYE") [SP "(" resp-code ")"] [SP string] CRLF
    """
    parts = [response.condition.value.encode()]
    if response.code is not None:
        argument = b"" if response.argument is None else b" " + write_string(response.argument)
        parts.append(b"(" + response.code.value.encode() + argument + b")")
    if response.text:
        parts.append(write_string("\r\n".join(response.text.splitlines()).encode("utf-8", "replace")))
    return b" ".join(parts) + b"\r\n"


def write_capabilities(capabilities: Iterable[tuple[str, str | None]]) -> bytes:
    """
    response-capability = *(single-capability) response-oknobye

    single-capability = capability-name [SP string] CRLF
    """
    lines = []
    for name, value in capabilities:
        line = write_string(name.encode())
        lines.append(line if value is None else line + b" " + write_string(value.encode("utf-8", "replace")))
    return b"".join(line + b"\r\n" for line in lines)


def write_scripts(scripts: Iterable[tuple[str, bool]]) -> bytes:
    """
    response-listscripts = *(sieve-name [SP "ACTIVE"] CRLF) response-oknobye
    """
    return b"".join(write_string(name.encode()) + (b" ACTIVE\r\n" if active else b"\r\n") for name, active in scripts)


def write_script(script: bytes) -> bytes:
    """
    response-getscript = (sieve-script CRLF response-ok) / response-nobye

    Always as a literal: a script is lines.
    """
    return b"{%d}\r\n%s\r\n" % (len(script), script)


__all__ = [
    "DONE",
    "Code",
    "Condition",
    "Response",
    "no",
    "write_capabilities",
    "write_response",
    "write_script",
    "write_scripts",
    "write_string",
]
