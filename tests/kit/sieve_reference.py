"""docs/reference/sieve.md, made of the list of extensions and of the suites that require them: `./dev reference`."""

import re
from pathlib import Path

from mailhorn.server.filtering.abilities import Abilities
from mailhorn.sieve.ext import EXTENSIONS
from mailhorn.watch.facts import offers

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "sieve.md"
SUITES = ROOT / "tests" / "sieve" / "suites"

_REQUIRE = re.compile(r'require\s+(\[[^\]]*\]|"[^"]*")\s*;')
_STRING = re.compile(r'"([^"]*)"')

HEAD = """# Sieve: what is spoken

Made by `./dev reference` of the list of extensions (`mailhorn/sieve/ext/__init__.py`) and of the suites that
require each of them; a test keeps it true. The interpreter knows all of these. What an assembly offers is less
where it cannot tell or do what an extension needs: a script that requires more is refused when it is installed,
with line and column, and told what to do. The base language, RFC 5228, is in every script; redirect needs a
smarthost.

What the settings must say first: (a) a smarthost, `host` in `[relay]`; (b) where a checker notes its verdict,
`spam_header` or `virus_header`; (c) lists of addresses, `lists`; (d) which programs may be run, `programs` in
`[sieve]`.

| extension | specified in | delivery | watcher | suites |
| --- | --- | --- | --- | --- |
"""

TAIL = """
The suites are tests of Sieve written in Sieve, in `tests/sieve/suites`; `python -m mailhorn.testing.svtest FILE...`
runs them, and suites written for Pigeonhole's testsuite (but where they compare its error messages word for word).

## What is decided

- `:regex` is POSIX's extended regular expressions on an engine of our own that takes linear time. Back-references,
  and a backslash before a letter other than w, W, s and S, are refused. Of two matches the leftmost counts, then
  the longest.
- `?` in `:matches` is one octet, as both comparators of the base language compare octets.
- notify knows mailto and https. A mail that says it was sent by a machine notifies nobody.
- editheader never deletes Received and Auto-Submitted, and never adds those or the fields of MIME; it passes over
  the attempt.
- Tests see the message as it came, also after replace and enclose; they see what editheader did.
- With vacation, a handle is made of subject, from, mime and reason as they are written, before variables are put
  in.
- The two convert extensions (RFC 6558) are not there: nothing here converts media types.

## Where Pigeonhole does otherwise

Generated scripts over generated messages (`tests/end_to_end/test_sieve_like_pigeonhole.py`) do the same, but for:

- `:value` with i;ascii-casemap: RFC 4790 §9.2.1 compares capitals, so `[` and `_` come after all letters. Pigeonhole
  compares small letters. We are right.
- `fileinto :copy "A"; fileinto "A";`: the second one cancels the implicit keep (RFC 3894 §3). Pigeonhole still keeps
  the message. We are right; nothing is lost either way.

## Limits

A script that goes beyond one fails with a message that names it, and the mail is kept; `mailhorn/sieve/limits.py` has
each with its reason.
"""


def suites() -> dict[str, list[str]]:
    """Return the suites that require each capability."""
    found: dict[str, list[str]] = {}
    for path in sorted(SUITES.glob("*.svtest")):
        required = {name for group in _REQUIRE.findall(path.read_text("utf-8")) for name in _STRING.findall(group)}
        for name in required:
            found.setdefault(name, []).append(path.stem)
    return found


_CHECKERS = frozenset({"spam", "virus"})


def _at_delivery(name: str) -> str:
    """Return what it takes to have an extension at delivery."""
    ways = {
        "yes": Abilities(memory=True, events=True),
        "yes (a)": Abilities(memory=True, queue=True),
        "yes (b)": Abilities(spam=True, virus=True),
        "yes (c)": Abilities(lists=True),
        "yes (d)": Abilities(programs=True),
    }
    return next((way for way, abilities in ways.items() if name in abilities.offers()), "no")


def _in_a_watcher(name: str) -> str:
    """Return what it takes to have an extension in a watcher."""
    ways = {"yes": offers(), "yes (a)": offers(sends=True), "yes (b)": offers(verdicts=_CHECKERS)}
    return next((way for way, offered in ways.items() if name in offered), "no")


def page() -> str:
    """Return the page."""
    proofs = suites()
    rows = []
    for extension in EXTENSIONS:
        name = extension.capability
        suites_of_it = ", ".join(proofs.get(name, ["base"]))
        rows.append(f"| {name} | {extension.rfc} | {_at_delivery(name)} | {_in_a_watcher(name)} | {suites_of_it} |")
    return HEAD + "\n".join(rows) + "\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
