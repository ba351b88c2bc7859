"""Mailbox names in scripts (RFC 5228 §4.1: "Implementations MAY place restrictions on mailbox names")."""

import re
import unicodedata
from collections.abc import Callable

from .actions import mailbox_key
from .errors import SieveRuntimeError
from .language import Call
from .limits import MAX_MAILBOX_NAME
from .run import Run
from .text import Text

_NEVER = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Control characters, octets that are no UTF-8, line and paragraph separators: RFC 5198 §2, RFC 9051 §5.1."""


def problem(name: str) -> str | None:
    """Return what is wrong with the name, None if it is a name a mailbox can have."""
    if not name:
        return "the name of a mailbox is missing"
    if len(name) > MAX_MAILBOX_NAME:
        return f"the name of this mailbox is longer than {MAX_MAILBOX_NAME} characters"
    if name.isascii() and name.isprintable():
        return None
    if any(unicodedata.category(character) in _NEVER for character in name):
        return "the name of a mailbox must be UTF-8 text without control characters"
    return None


def named(text: Text) -> str | None:
    """Return the name in a constant argument, None if it is known only when the script runs."""
    return None if text.constant is None else mailbox_key(text.constant)


def mailbox_source(call: Call, text: Text, index: int | None) -> Callable[[Run], str]:
    """
    Return what says the name of a mailbox, INBOX in capitals.

    Args:
        call: For its line.
        text: The name.
        index: The argument it is in, for the error; None: a tag's.

    Raises:
        SieveError: It is constant and no mailbox can have it; else SieveRuntimeError when it is asked for.

    """
    constant = text.constant
    if constant is not None:
        wrong = problem(constant)
        if wrong:
            raise call.error(wrong, index)
        name = mailbox_key(constant)
        return lambda run: name
    call.inventory.any_mailbox = True
    line = call.line

    def now(run: Run) -> str:
        name = text.value(run)
        wrong = problem(name)
        if wrong:
            raise SieveRuntimeError(line, wrong)
        return mailbox_key(name)

    return now


def tested_mailbox(call: Call, text: Text) -> Callable[[Run], str | None]:
    """
    Return what says the name of a mailbox that a test asks about; None: no mailbox can have it, so none exists.

    Raises:
        SieveError: It is constant and no mailbox can have it.

    """
    if text.constant is not None:
        return mailbox_source(call, text, None)
    call.inventory.any_mailbox = True

    def now(run: Run) -> str | None:
        name = text.value(run)
        return mailbox_key(name) if problem(name) is None else None

    return now


_SPECIAL_USE = re.compile(r"\\[A-Za-z][A-Za-z0-9-]*")


def special_use(call: Call, text: Text, index: int | None) -> Callable[[Run], str]:
    """
    Return what says a special-use attribute (RFC 6154 §2).

    Args:
        call: For its line.
        text: The attribute.
        index: The argument it is in, for the error; None: that of `:specialuse`.

    Raises:
        SieveError: It is constant and is none; else SieveRuntimeError when it is asked for (RFC 8579 §4).

    """
    line = call.line
    constant = text.constant
    if constant is not None:
        if not _SPECIAL_USE.fullmatch(constant):
            raise call.tag_error("specialuse", _NO_USE) if index is None else call.error(_NO_USE, index)
        return lambda run: constant
    return lambda run: checked_use(text.value(run), line)


_NO_USE = 'expected a special use such as "\\\\Junk"'


def checked_use(text: str, line: int) -> str:
    """Return a special-use attribute. Raises SieveRuntimeError if it is none."""
    if not _SPECIAL_USE.fullmatch(text):
        raise SieveRuntimeError(line, _NO_USE)
    return text


def other_name(call: Call) -> tuple[Callable[[Run], str], Callable[[Run], str]]:
    """
    Return what says the MAILBOXID and the special use that a mailbox may be found by instead, "" for neither.

    Raises SieveError if both are given: "it is an error" (RFC 9042 §4.2, §5).
    """
    if not call.has("mailboxid") and not call.has("specialuse"):
        return _nothing, _nothing
    id, use = call.tag_text("mailboxid"), call.tag_text("specialuse")
    if id is not None and use is not None:
        raise call.tag_error("specialuse", ":specialuse cannot be given with :mailboxid")
    return (_nothing if id is None else id.value), (_nothing if use is None else special_use(call, use, None))


def _nothing(run: Run) -> str:
    return ""
