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
_TEST = re.compile(r'^test "', re.MULTILINE)
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

| extension | specified in | delivery | watcher | suites, and how many tests they have |
| --- | --- | --- | --- | --- |
"""

TAIL = """
The suites are tests of Sieve written in Sieve, in `tests/sieve/suites`; `python -m mailhorn.testing.svtest FILE...`
runs them, and suites written for Pigeonhole's testsuite, unchanged (docs/testing.md).

## What is decided

- `:regex` is POSIX's extended regular expressions on an engine of our own that takes linear time. Back-references,
  and a backslash before a letter other than w, W, s and S, are refused. Of two matches the leftmost counts, then
  the longest.
- `?` in `:matches` is one octet, as both comparators of the base language compare octets.
- `body :text` and `extracttext` read HTML without its markup (RFC 5173 §5.3); `body :content` and `:raw` leave it.
- notify knows mailto and https. A mail that says it was sent by a machine notifies nobody.
- editheader never deletes Received and Auto-Submitted, and never adds those or the fields of MIME; it passes over
  the attempt.
- What a script changes of the message is seen by what comes after it: by all tests and by loops over its parts (RFC
  5703 §5 and §6, RFC 5293 §6). After enclose a loop goes on over the parts of the message that is inside now.
- enclose makes a message from the owner of the script, of today; of the old header it has the subject, if there is no
  `:subject`, and the fields that `:headers` names (RFC 5703 §6). redirect sends what was not enclosed yet.
- The address book, `:addrbook:default`, may always be asked for; where the settings name none it is empty (RFC 6134
  §2.5).
- Examples that are wrong themselves are tested as they are meant: `:text` for `text:`, a missing foreverypart and
  `size :over "100K"` (RFC 5703), `:text` (RFC 6134), `environment :contains "*"` (RFC 8579), tags behind the reason of
  vacation (RFC 8580).
- With vacation, a handle is made of subject, from, mime and reason as they are written, before variables are put
  in.
- A script to include that is missing, or that would include itself, is an error when a message gets there, and a
  warning to who puts the script (RFC 6609 §3.1); `mailhorn sieve check`, the watcher and operators are told at once.
- An included script takes the part that foreverypart is at for the message; what it files or sends is the message (RFC
  6609 §3.6).
- After a mistake the compiler goes on: up to 20 errors come together, one for each mistake.
- The two convert extensions (RFC 6558) are not there: nothing here converts media types.

## Where Pigeonhole does otherwise

Generated scripts over generated messages do the same in both, but for what is listed here:

    MAILHORN_SIEVE_SCRIPTS=500 MAILHORN_SIEVE_MESSAGES=50 pytest tests/end_to_end/test_sieve_like_pigeonhole.py

takes some ten minutes with Pigeonhole 0.5.19 and finds nothing in 25,000 runs (seed 5228; `MAILHORN_SIEVE_SEED` for
another); every run of all tests has 15 scripts over 10 messages. What is listed was found so, and with Pigeonhole's own
suites:

| where | mailhorn | Pigeonhole | who is right |
| --- | --- | --- | --- |
| `:value`, i;ascii-casemap | compares capitals: `_` after all letters | small letters | we: RFC 4790 §9.2.1 |
| `fileinto :copy "A"; fileinto "A";` | cancels the implicit keep | keeps | we: RFC 3894 §3; nothing is lost |
| `header :index 1 :count` | counts the one field, or none | always counts none | we: RFC 5260 §6 |
| `string` without a comparator | i;ascii-casemap | i;octet | we: RFC 5228 §2.7.3, RFC 5229 §5 |
| `set "v" "${v}"` | leaves `v` as it is | makes it empty | we |
| `extracttext :first 10` | ten characters | ten octets, and may cut a character | we: RFC 5703 §7 |
| `body :raw` after editheader | sees the body | sees a body that is cut | we |
| `size` after addheader of what is not ASCII | base64 | quoted-printable: another length | both: RFC 2047 §4 |
| `:mime` after deleteheader | sees the header as it is | still sees what was deleted | we: RFC 5293 §6 |
| the same `duplicate` test twice | says the same again | ends the script | we: RFC 7352 §3 |
| `address :count` of what is no address | counts none | counts one | we: RFC 5231 §4.2 |
| `include :optional` of the same missing script, twice | goes on | dies (SIGSEGV) | we: RFC 6609 §3.2 |
| `set :quoteregex` | known with "regex" | unknown | we: draft-ietf-sieve-regex-01 §6 |
| text/plain/x as a Content-Type | is text/plain | is no text | we: RFC 2045 §5.2 recommends it |
| a wrong regular expression made of variables | the script fails, the mail is kept | no match | both |
| `envelope :all` of no path | compares what is written | is false | both: RFC 5228 §2.7.4 |
| `redirect "a..b@c"`, `".a@b"` | refused | taken | we: RFC 5321 §4.1.2 |
| dots, NUL and control characters in names of mailboxes | an error | sometimes a warning | both |
| keep and fileinto of the same mailbox | two steps, one copy | one step | both: the same happens |
| variables | 65,536 characters | 4,000 octets | both: RFC 5229 §6 wants 4,000 at least |
| nested foreverypart | as deep as blocks, 32 | 4 | both: RFC 5703 §3 |
| reject after the message was filed by another script | an error | passed over | both |
| the sender of reject | the user | the postmaster | both: RFC 5429 §2.2 |
| long subjects, To of vacation | cut at 256; the address | with an ellipsis; name and address | both |
| errors of one mistake | one | now and then two | both |
| `notify` by an unknown method | fails when a message gets there | does not compile | we: RFC 5435 §3.1 |
| a script to include is missing | fails when a message gets there | at once, but when it is put | both: RFC 6609 §3.1 |
| `${101}` and more | a mistake | a mistake from `${32}` on | both: RFC 5229 §6 |

## Limits

A script that goes beyond one fails with a message that names it, and the mail is kept; `mailhorn/sieve/limits.py` has
each with its reason. `tests/sieve/test_hostile.py` counts the steps.
"""


def suites() -> dict[str, list[str]]:
    """Return the suites that require each capability."""
    found: dict[str, list[str]] = {}
    for path in sorted(SUITES.glob("*.svtest")):
        text = path.read_text("utf-8")
        required = {name for group in _REQUIRE.findall(text) for name in _STRING.findall(group)}
        for name in required:
            found.setdefault(name, []).append(f"{path.stem} ({len(_TEST.findall(text))})")
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
        suites_of_it = ", ".join(proofs.get(name, proofs["fileinto"][:1]))
        rows.append(f"| {name} | {extension.rfc} | {_at_delivery(name)} | {_in_a_watcher(name)} | {suites_of_it} |")
    return HEAD + "\n".join(rows) + "\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
