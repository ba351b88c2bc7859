"""Of a large message only what rules look at is fetched: its headers and its texts, not what is attached. Pure.

Rule 1: rules that look at more (`body :raw`, `extracttext`, other types) get the message as it is. Rule 2: what is put
together here is the same message to a rule, with other parts empty; where anything is odd it is fetched as it is.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ..imap.commands import Section, SectionText
from ..mime.header import content_fields, parse_content_type
from ..model.structure import BodyStructure, MultiPart
from ..sieve.errors import Source
from ..sieve.parser import Command, Strings, Tag, parse
from .facts import LARGEST, MAX_SECTIONS

SMALL = 64 * 1024
"""Octets of a message that is fetched as it is: asking for its structure first would take longer."""

_HEAD: Final = Section(text=SectionText.HEADER)


def looks_beyond_texts(script: str) -> bool:
    """Say whether a script, which compiles, may look at more of a message than headers and texts."""
    waiting = list(parse(Source(script)))
    while waiting:
        command = waiting.pop()
        waiting += [*command.tests, *(command.block or ())]
        if command.name == "extracttext" or (command.name == "body" and not _is_content_with_text(command)):
            return True
    return False


def _is_content_with_text(body: Command) -> bool:
    wanted: tuple[str, ...] = ("text",)
    for argument, following in zip(body.arguments, body.arguments[1:], strict=False):
        if isinstance(argument, Tag) and argument.name == "content" and isinstance(following, Strings):
            wanted = following.values
    raw = any(isinstance(argument, Tag) and argument.name == "raw" for argument in body.arguments)
    return not raw and all(one.lower().partition("/")[0] == "text" for one in wanted)


def sections_of(structure: BodyStructure) -> tuple[Section, ...] | None:
    """Return what is to be fetched of a message; None if it is better fetched as it is."""
    if not isinstance(structure, MultiPart):
        return None
    found: list[Section] = [_HEAD]
    for path, part in _below(structure, ()):
        found.append(Section(path, SectionText.MIME))
        if not isinstance(part, MultiPart) and part.type.lower() in (b"text", b"message"):
            if part.octets > LARGEST:
                return None
            found.append(Section(path))
        if len(found) > MAX_SECTIONS:
            return None
    return tuple(found)


def _below(whole: MultiPart, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], BodyStructure]]:
    for number, part in enumerate(whole.parts, 1):
        yield (*path, number), part
        if isinstance(part, MultiPart):
            yield from _below(part, (*path, number))


def put_together(structure: BodyStructure, sections: Mapping[Section, bytes]) -> bytes | None:
    """Return the message of which these sections are; None if one is missing, or its parts cannot be told apart."""
    head = sections.get(_HEAD)
    if head is None or not isinstance(structure, MultiPart):
        return None
    body = _multipart(structure, (), head, sections)
    return None if body is None else _ended(head) + body


def _multipart(whole: MultiPart, path: tuple[int, ...], head: bytes, sections: Mapping[Section, bytes]) -> bytes | None:
    kind = parse_content_type(content_fields(head).get(b"type", b""))
    boundary = next((value for name, value in kind[2] if name.lower() == b"boundary"), b"") if kind else b""
    if not boundary.strip():
        return None
    found: list[bytes] = []
    for number, part in enumerate(whole.parts, 1):
        here = (*path, number)
        mime = sections.get(Section(here, SectionText.MIME))
        if mime is None:
            return None
        content: bytes | None = b""
        if isinstance(part, MultiPart):
            content = _multipart(part, here, mime, sections)
        elif part.type.lower() in (b"text", b"message"):
            content = sections.get(Section(here))
        if content is None:
            return None
        found.append(b"--" + boundary + b"\r\n" + _ended(mime) + content + b"\r\n")
    return b"".join(found) + b"--" + boundary + b"--\r\n"


def _ended(head: bytes) -> bytes:
    """Return a header with its empty line; not all servers tell that."""
    fields = head.rstrip(b"\r\n")
    return fields + b"\r\n\r\n" if fields else b"\r\n"


__all__ = ["SMALL", "looks_beyond_texts", "put_together", "sections_of"]
