"""Content-Type and Content-Disposition as scripts see them (RFC 2045 §5, RFC 2183, RFC 2231). One pass, never fails."""

import re

from .limits import MAX_PARAMETERS

_PARAMETER = re.compile(r";[ \t]*+([^\s=;\"]++)[ \t]*+=[ \t]*+(\"(?>(?:[^\"\\]++|\\.)*)\"?|[^;]*+)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9a-fA-F]{2})")
_PIECE = re.compile(r"([^*]+)\*(?:([0-9]{1,3})(\*)?)?")
"""attribute "*" [section ["*"]]; without a section it is one piece with a charset (RFC 2231 §7)."""
_LATIN = frozenset(("iso-8859-1", "latin1", "windows-1252"))


def content_type(value: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return type "/" subtype in lower case, and the parameters; ("", ()) if it is none."""
    kind = "".join(value.partition(";")[0].split()).lower()
    first, slash, second = kind.partition("/")
    return (kind, parameters(value)) if first and slash and second else ("", ())


def disposition(value: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the disposition in lower case, and the parameters."""
    return value.partition(";")[0].strip().lower(), parameters(value)


def parameters(value: str) -> tuple[tuple[str, str], ...]:
    """Return the parameters of a field, names in lower case; of one with a charset (RFC 2231 §4) the text."""
    found: list[tuple[str, str]] = []
    for match in _PARAMETER.finditer(value):
        name, text = match[1].lower(), match[2]
        if text.startswith('"'):
            text = _ESCAPED.sub(r"\1", text[1:].removesuffix('"'))
        else:
            text = text.strip()
        found.append((name, text))
        if len(found) >= MAX_PARAMETERS:
            break
    if not any("*" in name for name, _ in found):
        return tuple(found)
    return _joined(found)


def _joined(found: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the parameters with those of several pieces put together, and charsets undone (RFC 2231 §3, §4)."""
    whole: dict[str, dict[int, tuple[str, bool]]] = {}
    for written, text in found:
        piece = _PIECE.fullmatch(written)
        if piece is None:
            whole.setdefault(written, {}).setdefault(0, (text, False))
        else:
            whole.setdefault(piece[1], {})[int(piece[2] or 0)] = (text, not piece[2] or bool(piece[3]))
    return tuple([(name, _text(pieces)) for name, pieces in whole.items()])


def _text(pieces: dict[int, tuple[str, bool]]) -> str:
    """Return the text of the pieces from the first on, as far as none is missing."""
    charset = ""
    octets = b""
    for number in range(len(pieces)):
        if number not in pieces:
            break
        text, encoded = pieces[number]
        if encoded:
            if not number and text.count("'") >= 2:
                charset, _, text = text.split("'", 2)
            octets += _PERCENT.sub(lambda pair: bytes((int(pair[1], 16),)), text.encode("utf-8", "surrogateescape"))
        else:
            octets += text.encode("utf-8", "surrogateescape")
    return octets.decode("latin-1" if charset.lower() in _LATIN else "utf-8", "replace")
