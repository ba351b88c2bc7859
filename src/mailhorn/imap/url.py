"""IMAP URLs that name a message, or a part of one, of the same server (RFC 5092 §7, RFC 2192 §5).

Only relative ones are read, as CATENATE wants them (RFC 4469 §3): what has a scheme or a server is somebody else's.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ..model.ids import MAX_UID, UID
from ..model.mailbox import DELIMITER, canonical_name
from .commands import Section
from .grammar.cursor import STRICT, Cursor, SyntaxProblem
from .grammar.section import parse_section

_URL = re.compile(
    rb"(?:(?P<mailbox>[^;]+)(?:;UIDVALIDITY=(?P<validity>[1-9][0-9]{0,9}))?/)?;UID=(?P<uid>[1-9][0-9]{0,9})"
    rb"(?:/;SECTION=(?P<section>[^;]+?))?(?:/;PARTIAL=(?P<origin>[0-9]{1,10})(?:\.(?P<count>[1-9][0-9]{0,9}))?)?",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(rb"//|[^/;]*:")
"""A server, or a scheme: a relative path has no colon in its first segment (RFC 3986 §4.2)."""
_STRAY = re.compile(rb"[^A-Za-z0-9\-._~!$'(,;=)*:+@&/%]|%(?![0-9A-Fa-f]{2})")
"""What may not stand in a URL: it is percent-encoded there (RFC 3986 §2)."""


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """
    A message or a part of it.

    Attributes:
        mailbox: Where it is, None: in the selected one.
        uid_validity: Of that mailbox, None if it was not said.
        uid: Which message.
        section: Which part of it.
        partial: From which octet on, and how many at most, None for all.

    """

    mailbox: str | None
    uid_validity: int | None
    uid: UID
    section: Section
    partial: tuple[int, int | None] | None


def parse_message_url(url: bytes, selected: str | None) -> MessageUrl:
    """
    imessagepart = imailbox-ref iuid [isection] [ipartial]

    RFC 5092 §11, as a path that begins with `/`, or relative to the selected mailbox.

    Args:
        url: As it was given.
        selected: The mailbox that is selected, if one is (RFC 4469 §3).

    Raises:
        ValueError: It is no such URL.

    """
    found = _URL.fullmatch(url)
    if found is None or _ELSEWHERE.match(url) or _STRAY.search(url):
        raise ValueError("not the URL of a message of this server")
    uid = int(found["uid"])
    if uid > MAX_UID:
        raise ValueError("not a UID")
    return MessageUrl(
        _mailbox(found["mailbox"], selected),
        None if found["validity"] is None else int(found["validity"]),
        UID(uid),
        Section() if found["section"] is None else _section(unquote_to_bytes(found["section"])),
        None
        if found["origin"] is None
        else (int(found["origin"]), None if not found["count"] else int(found["count"])),
    )


def _mailbox(written: bytes | None, selected: str | None) -> str | None:
    """Return the mailbox that is meant by a path (RFC 3986 §5.2.3), None for the selected one."""
    if written is None:
        if selected is None:
            raise ValueError("no mailbox is selected that it could be of")
        return None
    name = unquote_to_bytes(written).decode("utf-8")  # UnicodeDecodeError is a ValueError
    if name.startswith("/"):
        name = name[1:]
    elif selected is not None and DELIMITER in selected:
        name = selected.rpartition(DELIMITER)[0] + DELIMITER + name
    if not name:
        raise ValueError("no mailbox")
    return canonical_name(name)


def _section(spec: bytes) -> Section:
    cur = Cursor(b"[" + spec + b"]", STRICT)
    try:
        section = parse_section(cur)
        cur.end()
    except SyntaxProblem as problem:
        raise ValueError(f"not a section: {problem}") from None
    return section


__all__ = ["MessageUrl", "parse_message_url"]
