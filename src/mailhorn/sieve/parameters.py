"""Content-Type and Content-Disposition as scripts see them (RFC 2045 §5, RFC 2183, RFC 2231). One pass, never fails."""

import re

from .limits import MAX_PARAMETERS

_PARAMETER = re.compile(r";[ \t]*+([^\s=;\"]++)[ \t]*+=[ \t]*+(\"(?>(?:[^\"\\]++|\\.)*)\"?|[^;]*+)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PERCENT = re.compile(r"%([0-9a-fA-F]{2})")


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
        if name.endswith("*") and text.count("'") >= 2:
            charset, _, encoded = text.split("'", 2)
            octets = _PERCENT.sub(lambda pair: chr(int(pair[1], 16)), encoded).encode("latin-1", "replace")
            name, text = name[:-1], octets.decode("utf-8" if charset.lower() == "utf-8" else "latin-1", "replace")
        found.append((name, text))
        if len(found) >= MAX_PARAMETERS:
            break
    return tuple(found)
