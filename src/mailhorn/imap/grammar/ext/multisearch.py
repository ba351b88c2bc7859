"""MULTISEARCH (RFC 7377).

Changes: `command-auth =/ esearch`, `command-select =/ esearch`. Where to look is said as in NOTIFY (RFC 5465 §6), and
with "subtree-one".
"""

import re
from typing import Final

from ....model.search import Source, SourceKind
from ...commands import MultiSearch
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..mailbox import parse_mailbox, write_mailbox
from ..search import parse_search_program, write_search_program
from .esearch import parse_search_return_opts, write_search_return_opts

MAX_MAILBOXES: Final = 1_000
"""Mailboxes named in one command: more than anybody has looked at one by one, and far from an attack."""

_IN = re.compile(rb" IN \(", re.IGNORECASE)
_WORD = re.compile(rb"[A-Za-z\-]+(?![^ )])")
_KINDS: Final = {kind.value: kind for kind in SourceKind}
_NAMED: Final = (SourceKind.SUBTREE, SourceKind.SUBTREE_ONE, SourceKind.MAILBOXES)


def parse_multi_search(cur: Cursor) -> MultiSearch:
    """
    esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program

    RFC 7377 §4. Reads on behind the word.
    """
    sources: list[Source] = []
    found = _IN.match(cur.data, cur.pos)
    if found is not None:
        cur.pos = found.end()
        sources.append(parse_filter_mailboxes(cur))
        while not cur.closes():
            cur.space()
            sources.append(parse_filter_mailboxes(cur))
    returns = parse_search_return_opts(cur)
    cur.space()
    key, charset = parse_search_program(cur)
    return MultiSearch(key, tuple(sources), returns, charset)


def write_multi_search(out: Writer, value: MultiSearch) -> None:
    """Write the command behind its tag."""
    out.write(b" ESEARCH")
    for number, source in enumerate(value.sources):
        out.write(b" " if number else b" IN (")
        write_filter_mailboxes(out, source)
    if value.sources:
        out.write(b")")
    if value.returns is not None:
        write_search_return_opts(out, value.returns)
    out.write(b" ")
    write_search_program(out, value.key, value.charset)


def parse_filter_mailboxes(cur: Cursor) -> Source:
    """
    filter-mailboxes = "selected" / "inboxes" / "personal" / "subscribed" / ( "subtree" SP one-or-more-mailbox ) / ...

    RFC 5465 §8, RFC 7377 §4: one-or-more-mailbox = mailbox / many-mailboxes.
    """
    start = cur.pos
    kind = _KINDS.get(cur.need(_WORD, "where to look")[0].lower())
    if kind is None:
        raise SyntaxProblem(start, "where to look")
    if kind not in _NAMED:
        return Source(kind)
    cur.space()
    if not cur.skip(b"("):
        return Source(kind, (parse_mailbox(cur),))
    names = [parse_mailbox(cur)]
    while not cur.closes():
        cur.space()
        names.append(parse_mailbox(cur))
        if len(names) > MAX_MAILBOXES:
            raise cur.fails("fewer mailboxes")
    return Source(kind, tuple(names))


def write_filter_mailboxes(out: Writer, value: Source) -> None:
    """Write one source."""
    out.write(value.kind.value)
    if value.kind not in _NAMED:
        if value.mailboxes:
            raise Unwritable("names where none belong")
        return
    if not value.mailboxes:
        raise Unwritable("no mailbox")
    for number, name in enumerate(value.mailboxes):
        out.write(b" " if number else b" (")
        write_mailbox(out, name)
    out.write(b")")
