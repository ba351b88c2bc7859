"""CATENATE (RFC 4469): a message put together of texts and of parts of messages that are there already.

Changes: `append-data =/ "CATENATE" SP "(" cat-part *(SP cat-part) ")"`, `cat-part =/ "UTF8" SP "(" literal8 ")"`
(RFC 6855 §4), `resp-text-code =/ "BADURL" SP url-resp-text` (a code with a text).
"""

import re

from ...commands import Append, AppendStep
from ..append import (
    LiteralHead,
    parse_append_opts,
    parse_literal_head,
    write_append_opts,
    write_literal_head,
)
from ..atoms import parse_astring, write_astring
from ..cursor import Cursor, SyntaxProblem, Writer

MAX_URLS = 1_000
"""Between two texts: each is looked up and read. A digest of a busy list has some hundred messages."""

_CATENATE = re.compile(rb"CATENATE \(", re.IGNORECASE)
_PART = re.compile(rb"(URL|TEXT|UTF8)(?= )", re.IGNORECASE)


def parse_append_step(cur: Cursor, mailbox: str, inside: bool) -> AppendStep:
    """
    *(SP cat-part) ")" *(SP append-message)

    RFC 4469 §5, RFC 3502 §6.3.11: up to the end of the line, where a literal may be announced.

    Args:
        cur: Behind the literal before, or behind the mailbox.
        mailbox: Where to.
        inside: The message under way is a CATENATE that goes on; else it is complete, or there is none.

    """
    urls: tuple[bytes, ...] = ()
    literal: LiteralHead | None = None
    if inside:
        urls, literal = _parse_parts(cur, began=True)
        if literal is not None:
            return AppendStep(urls, False, (), None, *literal)
    whole: list[Append] = []
    while cur.pos < len(cur.data):
        cur.space()
        flags, internal_date = parse_append_opts(cur)
        message = Append(mailbox, flags, internal_date, 0)
        found = _CATENATE.match(cur.data, cur.pos)
        if found is not None:
            cur.pos = found.end()
            before, literal = _parse_parts(cur, began=False)
            message = Append(mailbox, flags, internal_date, 0, urls=before)
        else:
            literal = parse_literal_head(cur)
            cur.end()
        if literal is not None:
            message = Append(
                mailbox, flags, internal_date, literal.size, literal.binary, utf8=literal.utf8, urls=message.urls
            )
            return AppendStep(urls, inside, tuple(whole), message, *literal)
        whole.append(message)
    return AppendStep(urls, inside, tuple(whole))


def _parse_parts(cur: Cursor, began: bool) -> tuple[tuple[bytes, ...], LiteralHead | None]:
    """
    cat-part *(SP cat-part) ")"

    RFC 4469 §5. The URLs up to a text, and its literal's header at the end of the line, or None: the end was reached.
    """
    urls: list[bytes] = []
    while True:
        if began:
            if cur.closes():
                return tuple(urls), None
            cur.space()
        began = True
        start = cur.pos
        word = cur.need(_PART, "URL or TEXT")[0].upper()
        if word == b"URL":
            cur.space()
            if len(urls) == MAX_URLS:
                raise SyntaxProblem(start, "fewer URLs")
            urls.append(parse_astring(cur))
            continue
        if word == b"TEXT":
            cur.space()
        else:
            cur.pos = start
        literal = parse_literal_head(cur)
        cur.end()
        if literal.utf8 is not (word == b"UTF8"):
            raise SyntaxProblem(start, "TEXT with a literal")
        return tuple(urls), literal


def write_append_step(out: Writer, step: AppendStep) -> None:
    """Write it up to the end of the line, without that."""
    _write_urls(out, step.urls, first=False)
    if step.goes_on:
        _write_text(out, step)
        return
    if step.closes:
        out.write(b")")
    for message in step.whole:
        write_append_opts(out, message)
        out.write(b" CATENATE (")
        _write_urls(out, message.urls or (), first=True)
        out.write(b")")
    if step.message is not None:
        write_append_opts(out, step.message)
        literal = LiteralHead(step.message.size, step.message.binary, step.message.utf8)
        if step.message.urls is None:
            write_literal_head(out, literal)
            return
        out.write(b" CATENATE (")
        _write_urls(out, step.message.urls, first=True)
        _write_text(out, step, first=not step.message.urls)


def _write_urls(out: Writer, urls: tuple[bytes, ...], first: bool) -> None:
    for url in urls:
        out.write(b"URL " if first else b" URL ")
        write_astring(out, url)
        first = False


def _write_text(out: Writer, step: AppendStep, first: bool = False) -> None:
    if not first:
        out.write(b" ")
    out.write(b"UTF8 (~" if step.utf8 else b"TEXT ~" if step.binary else b"TEXT ")
    out.literal_head(step.size or 0)
