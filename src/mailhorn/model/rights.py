"""Rights on mailboxes as letters (RFC 4314 §2.1), and what an access control list gives somebody.

Rule: of a list, what is granted to somebody and to anyone is added up, and what is taken away from either (`-name`)
is taken from that. The owner has all rights on what is his, whatever the list says.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from .flags import DELETED, SEEN, Flag, canonical

Rights = frozenset[str]
"""Letters of ALL."""

ALL = "lrswipkxtea"
"""All rights, in the order in which they are told."""

EVERY: Rights = frozenset(ALL)
NO_RIGHTS: Rights = frozenset()

ANYONE = "anyone"
"""Everybody who can log in (RFC 4314 §2)."""

VIRTUAL: Mapping[str, str] = {"c": "kx", "d": "et"}
"""Rights of RFC 2086 and what they stand for: the first of the two readings of RFC 4314 §2.1.1, as its examples do."""

Acl = Mapping[str, str]
"""Identifiers and the letters they have, `-` before those whose rights are taken away."""


NO_ACL: Acl = MappingProxyType({})


def parse_rights(text: str) -> Rights:
    """
    Return the rights that letters stand for.

    Raises ValueError with the first letter that is no right (RFC 4314 §3.1).
    """
    rights: set[str] = set()
    for letter in text:
        if letter not in VIRTUAL and letter not in EVERY:
            raise ValueError(letter)
        rights.update(VIRTUAL.get(letter, letter))
    return frozenset(rights)


def spelled(rights: Iterable[str]) -> str:
    """Return the letters as they are kept."""
    have = frozenset(rights)
    return "".join([letter for letter in ALL if letter in have])


def told(rights: Iterable[str]) -> str:
    """Return the letters as clients are told them: with those of RFC 2086 of which there is a part (§2.1.1)."""
    have = frozenset(rights)
    old = [letter for letter, members in VIRTUAL.items() if not have.isdisjoint(members)]
    return spelled(have) + "".join(old)


def granted(acl: Acl, login: str) -> Rights:
    """Return what a list gives somebody who is not the owner."""
    given: set[str] = set()
    taken: set[str] = set()
    for name in _names(login):
        given.update(acl.get(name, ""))
        taken.update(acl.get(f"-{name}", ""))
    return frozenset(given - taken)


def identifiers(login: str) -> tuple[str, ...]:
    """Return the identifiers of a list that say something about somebody."""
    names = _names(login)
    return (*names, *(f"-{name}" for name in names))


def _names(login: str) -> tuple[str, ...]:
    """Return what somebody is called in lists; a login that looks like negative rights is not named in any."""
    return (ANYONE,) if login.startswith("-") else (login, ANYONE)


RIGHT_OF_FLAG = {DELETED: "t", SEEN: "s"}
"""Which right it takes to change a flag; `w` for all others (RFC 4314 §4)."""


def flags_allowed(rights: Rights) -> Callable[[Flag], bool] | None:
    """Return what says whether a flag may be changed; None: every one may."""
    if rights.issuperset("swt"):
        return None
    return lambda flag: RIGHT_OF_FLAG.get(canonical(flag), "w") in rights


__all__ = [
    "ALL",
    "ANYONE",
    "EVERY",
    "NO_ACL",
    "NO_RIGHTS",
    "VIRTUAL",
    "RIGHT_OF_FLAG",
    "Acl",
    "Rights",
    "flags_allowed",
    "granted",
    "identifiers",
    "parse_rights",
    "spelled",
    "told",
]
