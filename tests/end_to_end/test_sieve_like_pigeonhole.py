"""Generated scripts over generated messages do what Pigeonhole's `sieve-test` does with them.

What is known to differ is not generated; docs/reference/sieve.md lists it.
`MAILHORN_SIEVE_SCRIPTS=500` runs as many scripts; each is run over ten messages.
"""

import os
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from mailhorn.mime.entity import Entity
from mailhorn.sieve import Actions, HeaderFacts, compile_script, evaluate
from mailhorn.sieve.questions import Structure

SCRIPTS = int(os.environ.get("MAILHORN_SIEVE_SCRIPTS", "15"))
MESSAGES = 10
REQUIRE = (
    'require ["fileinto", "copy", "imap4flags", "variables", "relational", "subaddress", "regex", "date", "index",'
    ' "body", "envelope", "comparator-i;ascii-numeric"];\n'
)
WORDS = ("list", "Re: list", "[dev] hello", "urgent", "a*b", "x?y", "grüße", "42", "7", "", "HELLO there", "f.o+o")
PEOPLE = ("ann@example.org", "bob+tag@example.com", "carl+a+b@lists.example.net", "dora@Example.ORG", "x@y")
FIELDS = ("Subject", "X-One", "X-Two", "List-Id")


def message(rng: random.Random) -> bytes:
    """A message."""
    lines = [f"From: Ann <{rng.choice(PEOPLE)}>", f"To: {', '.join(rng.sample(PEOPLE, rng.randint(1, 3)))}"]
    for name in FIELDS:
        lines += [f"{name}: {rng.choice(WORDS)}" for _ in range(rng.randint(0, 2))]
    day, hour = rng.randint(1, 28), rng.randint(0, 23)
    lines.append(
        f"Date: {day} {rng.choice(['Jan', 'Jun'])} 2020 {hour:02}:30:00 {rng.choice(['+0000', '-0500', '+0530'])}"
    )
    return ("\r\n".join(lines) + f"\r\n\r\n{rng.choice(WORDS)} in the body\r\n").encode()


def pattern(rng: random.Random) -> str:
    """What :matches takes."""
    return rng.choice(["*", "*list*", "?*", "[*] *", "*\\\\**", "re:*", "*o", "4?"])


def matching(rng: random.Random) -> tuple[str, str]:
    """A match type and a key."""
    kind = rng.choice(["is", "contains", "matches", "regex", "value", "numeric", "count"])
    if kind == "matches":
        return ":matches", f'"{pattern(rng)}"'
    if kind == "regex":
        return ":regex", rng.choice(['"^(re: )?list"', '"[0-9]+"', '"(a|b).*o"', '"^$"', '"\\\\[([a-z]+)\\\\]"'])
    if kind == "value":
        operator = rng.choice(["gt", "ge", "lt", "le", "eq", "ne"])
        return f':value "{operator}" :comparator "i;octet"', f'"{rng.choice(["list", "m", "42"])}"'
    if kind in ("numeric", "count"):
        operator = rng.choice(["gt", "ge", "lt", "le", "eq", "ne"])
        tag = "value" if kind == "numeric" else "count"
        return f':{tag} "{operator}" :comparator "i;ascii-numeric"', f'"{rng.choice(["0", "1", "2", "42"])}"'
    comparator = rng.choice(["", ' :comparator "i;octet"'])
    keys = ", ".join(f'"{word}"' for word in rng.sample(WORDS, rng.randint(1, 3)))
    return f":{kind}{comparator}", f"[{keys}]"


def a_test(rng: random.Random, depth: int = 0) -> str:
    """A test."""
    kind = rng.randint(0, 9 if depth < 2 else 6)
    how, keys = matching(rng)
    if kind <= 1:
        index = rng.choice(["", "", ":index 1 ", ":index 2 ", ":index 1 :last "])
        return f'header {index}{how} ["{rng.choice(FIELDS)}"] {keys}'
    if kind == 2:
        part = rng.choice([":all", ":localpart", ":domain", ":user", ":detail"])
        people = f'["{rng.choice(PEOPLE)}", "{rng.choice(["ann", "tag", "a+b", "example.org", ""])}"]'
        return f'address {part} {rng.choice([":is", ":contains", ":matches"])} ["from", "to"] {people}'
    if kind == 3:
        return f'exists ["{rng.choice(FIELDS)}", "{rng.choice(FIELDS)}"]'
    if kind == 4:
        part, key = rng.choice(
            [("hour", "09"), ("date", "2020-01-10"), ("weekday", "3"), ("zone", "+0000"), ("month", "06")]
        )
        zone = rng.choice([":originalzone", ':zone "+0200"'])
        return f'date :value "{rng.choice(["ge", "lt", "eq"])}" {zone} "date" "{part}" "{key}"'
    if kind == 5:
        return f'body :raw :contains ["{rng.choice([word for word in WORDS if word])}"]'
    if kind == 6:
        return rng.choice([f"size :over {rng.randint(100, 400)}", 'string "${v}" "1"', 'hasflag ["one", "two"]'])
    if kind == 7:
        return f"not {a_test(rng, depth + 1)}"
    inner = ", ".join(a_test(rng, depth + 1) for _ in range(rng.randint(1, 3)))
    return f"{rng.choice(['allof', 'anyof'])} ({inner})"


def action_of(rng: random.Random) -> str:
    """An action."""
    return rng.choice(
        [
            f'fileinto "{rng.choice("ABCD")}";',
            f'fileinto :copy "{rng.choice("EG")}";',
            'fileinto :flags ["one", "\\\\Seen"] "F";',
            'fileinto "${v}x";',
            "keep;",
            "discard;",
            "stop;",
            f'redirect "{rng.choice(PEOPLE[:2])}";',
            f'addflag "{rng.choice(["one", "two", "one three"])}";',
            'removeflag "one";',
            'set :upper "v" "${1}z";',
            'set :length "v" "${0}";',
            'set "v" "1";',
        ]
    )


def script(rng: random.Random) -> str:
    """A script."""
    parts = [REQUIRE, 'set "v" "n";\n']
    for _ in range(rng.randint(1, 6)):
        block = " ".join(action_of(rng) for _ in range(rng.randint(1, 2)))
        parts.append(f"if {a_test(rng)} {{ {block} }}\n")
        if rng.random() < 0.3:
            parts.append(f"else {{ {action_of(rng)} }}\n")
    return "".join(parts)


def ours(text: str, data: bytes) -> list[str]:
    """What we do."""
    entity = Entity(data)
    facts = HeaderFacts(
        entity.fields(),
        size=len(data),
        envelope={"from": ["s@example.org"], "to": ["me@example.com"]},
        mailboxes=(),
        answers=lambda question: entity if isinstance(question, Structure) else None,
    )
    decided = evaluate(compile_script(text), facts)
    assert isinstance(decided, Actions)
    stored = [f"store {one.mailbox} {' '.join(sorted(one.flags or ())).lower()}".strip() for one in decided.filings()]
    return sorted(stored + [f"redirect {one.address}" for one in decided.redirects])


_FOLDER = re.compile(r" \* store message in folder: (.*)")
_FLAGS = re.compile(r"\s+\+ add IMAP flags: (.*)")
_REDIRECT = re.compile(r" \* redirect message to: <(.*)>")


def theirs(folder: Path, text: str, data: bytes) -> list[str]:
    """What Pigeonhole does."""
    (folder / "s.sieve").write_text(text, "utf-8")
    (folder / "m.eml").write_bytes(data)
    command = ["sieve-test", "-C", "-c", str(folder / "conf"), "-f", "s@example.org", "-a", "me@example.com"]
    done = subprocess.run(
        [*command, str(folder / "s.sieve"), str(folder / "m.eml")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "final result: success" in done.stderr + done.stdout, done.stderr + done.stdout + text
    found: list[str] = []
    for line in done.stdout.splitlines():
        if stored := _FOLDER.match(line):
            found.append(f"store {stored[1]}")
        elif flags := _FLAGS.match(line):
            found[-1] += " " + " ".join(sorted(flags[1].lower().split()))
        elif redirected := _REDIRECT.match(line):
            found.append(f"redirect {redirected[1]}")
    return sorted(found)


@pytest.mark.skipif(shutil.which("sieve-test") is None, reason="Pigeonhole's sieve-test is not installed")
@pytest.mark.timeout(3600)
def test_the_same_actions() -> None:
    """Same mailboxes, same flags, same redirects."""
    rng = random.Random(5228)
    messages = [message(rng) for _ in range(MESSAGES)]
    different: list[str] = []
    with tempfile.TemporaryDirectory() as name:  # pytest's own is closed to the user that sieve-test becomes
        folder = Path(name)
        folder.chmod(0o777)
        user = os.getuid() or 65534
        (folder / "conf").write_text(
            f"mail_uid={user}\nmail_gid={user}\nmail_location=maildir:{folder}/Maildir\nmail_home={folder}\nssl=no\n"
            "log_path=/dev/stderr\nfirst_valid_uid=1\npostmaster_address=postmaster@example.com\nhostname=example.com\n"
        )
        for _ in range(SCRIPTS):
            text = script(rng)
            for data in messages:
                mine, other = ours(text, data), theirs(folder, text, data)
                if mine != other:
                    different.append(f"ours {mine}, Pigeonhole's {other}:\n{text}\n{data.decode()}")
    assert different == [], "\n\n".join(different[:3])
