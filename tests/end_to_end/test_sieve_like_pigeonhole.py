"""Generated scripts over generated messages do what Pigeonhole's `sieve-test` does with them.

What is known to differ is not generated; docs/reference/sieve.md lists it. Each script is compiled once by both sides.
`MAILHORN_SIEVE_SCRIPTS=500 MAILHORN_SIEVE_MESSAGES=50` runs as many, `MAILHORN_SIEVE_SEED` others, and what differs
goes to the file `MAILHORN_SIEVE_REPORT`, too.
"""

import os
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from tests.kit.sieve_scripts import INCLUDED, message, script

from mailhorn.mime.decode import decoded_header
from mailhorn.mime.entity import Entity
from mailhorn.sieve import Actions, HeaderFacts, Program, SieveError, compile_script, evaluate
from mailhorn.sieve.actions import Notify, Vacation
from mailhorn.sieve.errors import SieveRuntimeError
from mailhorn.sieve.questions import Duplicate, Environment, Instant, Now, Question, Structure, Verdict

SCRIPTS = int(os.environ.get("MAILHORN_SIEVE_SCRIPTS", "15"))
MESSAGES = int(os.environ.get("MAILHORN_SIEVE_MESSAGES", "10"))
SEED = int(os.environ.get("MAILHORN_SIEVE_SEED", "5228"))
REPORT = os.environ.get("MAILHORN_SIEVE_REPORT", "")
FAILED = ["the script failed"]


def ours(program: Program, data: bytes) -> list[str]:
    """Return what we do."""
    entity = Entity(data)

    def answer(question: Question[object]) -> object:
        match question:
            case Structure():
                return entity
            case Now():
                return Instant(1_700_000_000)
            case Duplicate():
                return False
            case Environment():
                return ()
            case Verdict():
                return verdict(entity)
        return None

    facts = HeaderFacts(
        entity.fields(),
        size=len(data),
        envelope={"from": ["s@example.org"], "to": ["me@example.com"]},
        mailboxes=(),
        decode=lambda value: decoded_header(value.encode("utf-8", "surrogateescape")),
        answers=answer,
    )
    try:
        decided = evaluate(program, facts)
    except SieveRuntimeError:
        return FAILED
    assert isinstance(decided, Actions), decided
    found = [f"store {one.mailbox} {' '.join(sorted(one.flags or ())).lower()}".strip() for one in decided.filings()]
    found += [f"redirect {one.address}" for one in decided.redirects]
    found += ["vacation" for step in decided.steps if isinstance(step, Vacation)]
    found += ["notify" for step in decided.steps if isinstance(step, Notify)]
    return sorted(found)


def verdict(entity: Entity) -> int:
    """Return the score of X-Spam as the configuration of the other side reads it: 10 is all."""
    found = re.fullmatch(r"(-?[0-9.]+)", (entity.header("x-spam") or ["x"])[0])
    if found is None:
        return 0
    return 1 + round(min(max(float(found[1]) / 10, 0), 1) * 100)


_FOLDER = re.compile(r" \* store message in folder: (.*)")
_FLAGS = re.compile(r"\s+\+ add IMAP flags: (.*)")
_REDIRECT = re.compile(r" \* redirect message to: <(.*)>")


def settings(folder: Path) -> dict[str, str]:
    """Return the environment in which Dovecot's programs find their settings, so that not each one looks for them."""
    command = [
        "doveconf",
        "-f",
        "service=sieve-test",
        "-c",
        str(folder / "conf"),
        "-m",
        "mail",
        "-e",
        "/usr/bin/env",
        "-0",
    ]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)


def theirs(folder: Path, data: bytes, environment: dict[str, str]) -> list[str]:
    """Return what Pigeonhole does."""
    (folder / "m.eml").write_bytes(data)
    command = ["sieve-test", "-c", str(folder / "conf"), "-f", "s@example.org", "-a", "me@example.com"]
    done = subprocess.run(
        [*command, str(folder / "s.sieve"), str(folder / "m.eml")],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=60,
        check=False,
        env=environment,
    )
    if "final result: success" not in done.stderr + done.stdout:
        return FAILED
    found: list[str] = []
    for line in done.stdout.splitlines():
        if stored := _FOLDER.match(line):
            found.append(f"store {stored[1]}")
        elif flags := _FLAGS.match(line):
            found[-1] += " " + " ".join(sorted(flags[1].lower().split()))
        elif redirected := _REDIRECT.match(line):
            found.append(f"redirect {redirected[1]}")
        elif line.startswith(" * send vacation message"):
            found.append("vacation")
        elif line.startswith(" * send notification"):
            found.append("notify")
    return sorted(found)


def prepare(folder: Path) -> None:
    """Write the configuration, and the scripts that are included."""
    folder.chmod(0o777)
    user = os.getuid() or 65534
    (folder / "conf").write_text(
        f"mail_uid={user}\nmail_gid={user}\nmail_location=maildir:{folder}/Maildir\nmail_home={folder}\nssl=no\n"
        "log_path=/dev/stderr\nfirst_valid_uid=1\npostmaster_address=postmaster@example.com\nhostname=example.com\n"
        f"plugin {{\n sieve = file:{folder}/included;active={folder}/none.sieve\n"
        " sieve_extensions = +editheader +spamtest +spamtestplus +virustest\n"
        " sieve_spamtest_status_type = score\n sieve_spamtest_status_header = X-Spam: (-?[0-9.]+)\n"
        " sieve_spamtest_max_value = 10\n sieve_max_redirects = 32\n}\n"
    )
    (folder / "included").mkdir()
    for name, text in INCLUDED.items():
        (folder / "included" / f"{name}.sieve").write_text(text, "utf-8")
        (folder / "included" / f"{name}.sieve").chmod(0o644)
    (folder / "included").chmod(0o755)


def compiled(folder: Path, text: str) -> str:
    """Have Pigeonhole compile a script; return what it says, "" if that is nothing."""
    (folder / "s.sieve").write_text(text, "utf-8")
    (folder / "s.svbin").unlink(missing_ok=True)
    command = ["sievec", "-c", str(folder / "conf"), str(folder / "s.sieve"), str(folder / "s.svbin")]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    if (folder / "s.svbin").exists():
        (folder / "s.svbin").chmod(0o644)
        return ""
    return done.stderr


@pytest.mark.skipif(shutil.which("sieve-test") is None, reason="Pigeonhole's sieve-test is not installed")
@pytest.mark.timeout(7200)
def test_the_same_actions() -> None:
    """Same mailboxes, same flags, same mails."""
    rng = random.Random(SEED)
    messages = [message(rng) for _ in range(MESSAGES)]
    different: list[str] = []

    def differs(text: str) -> None:
        different.append(text)
        if REPORT:  # as it is found: a long run can be looked at
            with Path(REPORT).open("a", encoding="utf-8", errors="surrogateescape") as report:
                report.write(f"{text}\n=====\n")

    with tempfile.TemporaryDirectory() as name:  # pytest's own is closed to the user that sieve-test becomes
        folder = Path(name)
        prepare(folder)
        environment = settings(folder)
        for number in range(SCRIPTS):
            text = script(rng)
            try:
                program = compile_script(text, scripts=lambda place, name: INCLUDED.get(name))
            except SieveError as error:
                differs(f"script {number}: ours does not compile: {error}")
                continue
            if problem := compiled(folder, text):
                differs(f"script {number}: Pigeonhole's does not compile: {problem}\n{text}")
                continue
            for data in messages:
                mine, other = ours(program, data), theirs(folder, data, environment)
                if mine != other:
                    differs(f"script {number}: ours {mine}, Pigeonhole's {other}:\n{text}\n{data.decode()}")
    assert different == [], f"{len(different)} differ\n" + "\n\n".join(different[:3])
