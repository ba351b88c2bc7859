"""Writes what dovecot.toml says into docs/reference/differences.md; `./dev reference` runs it."""

import re
import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs/reference/differences.md"
MADE = re.compile("(?<=<!-- made by ./dev reference -->\n).*?(?=<!-- end -->)", re.DOTALL)

_HEAD = """
Made by `./dev reference` from `tests/dialogues/dovecot.toml`. `tests/dialogues/test_like_dovecot.py` plays those
of `tests/dialogues` to Dovecot, each with mailboxes of its own, and fails if one more command is answered otherwise, or
one less. Compared is what the RFCs fix: not the text for people, quoted or literal, the order of items, of flags and of
untagged responses, `\\Recent`, FLAGS, PERMANENTFLAGS, UNSEEN, HIGHESTMODSEQ, MAILBOXID, CAPABILITY and ID.

In all dialogues:

| what | mailhorn | Dovecot | who is right |
| --- | --- | --- | --- |
"""
_SEEN = """
In single commands; the last column has their tags, `#2` if a tag is used again. In parentheses are those that are not
given to Dovecot, as it could not go on after them.

| what | mailhorn | Dovecot | who is right | seen in |
| --- | --- | --- | --- | --- |
"""


def made(listed: dict[str, Any]) -> str:
    """Return the part of the page that is made."""
    lines = [_HEAD.rstrip("\n")]
    lines += [_row(one) for one in listed["everywhere"]]
    lines.append(_SEEN.rstrip("\n"))
    lines += [f"{_row(one)} {_tags(one)} |" for one in listed["difference"]]
    lines.append("\nNot played, as Dovecot does not offer the capability: ")
    lines[-1] += ", ".join(f"`{name}` ({capability})" for name, capability in listed["lacks"].items()) + "."
    lines.append("Not played for another reason: ")
    lines[-1] += "; ".join(f"`{name}` {why}" for name, why in listed["not_played"].items()) + ".\n"
    return "\n".join(lines) + "\n"


def _row(one: dict[str, str]) -> str:
    return f"| {one['what']} | {one['mailhorn']} | {one['dovecot']} | {one['right']} |"


def _tags(one: dict[str, Any]) -> str:
    seen = [f"`{name}`: {tags}" for name, tags in one.get("seen", {}).items()]
    seen += [f"`{name}`: {tags} in some runs" for name, tags in one.get("perhaps", {}).items()]
    return "; ".join(seen + [f"(`{name}`: {tags})" for name, tags in one.get("not_said", {}).items()])


def page(before: str) -> str:
    """Return the page with its made part as it should be."""
    text = made(tomllib.loads((FOLDER / "dovecot.toml").read_text("utf-8")))
    return MADE.sub(lambda _: text, before)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
