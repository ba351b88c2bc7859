"""`mailhorn sieve`: check, test, format and convert, as people type them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.kit.commands import SOURCE

from mailhorn.cli.commands import app
from mailhorn.cli.failure import explain

RULES = """require ["fileinto", "mailbox", "imap4flags", "envelope"];
# rule:[Lists]
if header :contains "subject" "list" { fileinto "Lists"; }
elsif allof (header :contains "subject" "boss", mailboxexists "Lists") { addflag "\\\\Flagged"; }
elsif envelope "to" "ann+x@example.org" { discard; }
"""
WRONG = """require "fileinto";
if header :contans "subject" "list" { fileinto "Lists"; }
fileintoo "x";
"""
LETTER = "Return-Path: <bob@example.org>\nFrom: Bob <bob@example.org>\nTo: ann@example.org\nSubject: {}\n\nHi\n"


def said(*args: str | Path, text: str | bytes = "") -> tuple[int, str, str]:
    """Run a command in this process: exit code, standard output, standard error."""
    result = CliRunner().invoke(app, ["sieve", *map(str, args)], input=text)
    failure = explain(result.exception) if isinstance(result.exception, Exception) else None
    if failure is not None:
        return failure.code, result.stdout, f"{result.stderr}mailhorn: {failure}\n"
    if isinstance(result.exception, Exception):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A script in a file."""
    path = tmp_path / "rules.sieve"
    path.write_text(RULES)
    return path


def letter(folder: Path, subject: str) -> Path:
    """A message in a file."""
    path = folder / f"{subject}.eml"
    path.write_text(LETTER.format(subject))
    return path


@pytest.mark.parametrize("command", [[], ["check"], ["test"], ["format"], ["convert"]])
def test_help(command: list[str]) -> None:
    """What it is for, and a line to copy."""
    code, out, _ = said(*command, "--help")
    assert code == 0 and ("Examples:" in out or not command)


def test_completion(tmp_path: Path) -> None:
    """The shell is told the commands, and what can be converted."""
    env = {"PYTHONPATH": str(SOURCE), "HOME": str(tmp_path), "_MAILHORN_COMPLETE": "bash_complete"}

    def completed(words: str, number: int) -> set[str]:
        more = {"COMP_WORDS": words, "COMP_CWORD": str(number), "PATH": os.environ["PATH"]}
        asked = subprocess.run([sys.executable, "-m", "mailhorn"], env=env | more, capture_output=True, text=True)
        return set(asked.stdout.split())

    assert completed("mailhorn sieve ", 2) == {f"plain,{name}" for name in ("check", "test", "format", "convert")}
    assert completed("mailhorn sieve convert ", 3) == {"plain,gmail", "plain,thunderbird", "plain,procmail"}


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    """As a compiler does, all of it at once; exit code 1; the same for programs."""
    path = tmp_path / "wrong.sieve"
    path.write_text(WRONG)
    code, out, _ = said("check", path)
    assert code == 1
    assert out == (
        f'{path}:2:11: error: header has no argument :contans; did you mean ":contains"?\n'
        '    if header :contans "subject" "list" { fileinto "Lists"; }\n'
        "              ^\n"
        f'{path}:3:1: error: unknown command "fileintoo"; did you mean "fileinto"?\n'
        '    fileintoo "x";\n'
        "    ^\n"
    )
    told = json.loads(said("check", "--json", path)[1])
    assert [(one["line"], one["column"]) for one in told["errors"]] == [(2, 11), (3, 1)] and not told["right"]
    code, out, _ = said("check", "-", text=WRONG)
    assert code == 1 and out.startswith("standard input:2:11: error: ")


def test_check_says_where_it_runs(tmp_path: Path, rules: Path) -> None:
    """What it requires, where it can run, and why not."""
    code, out, _ = said("check", rules)
    assert code == 0 and out.startswith(
        f"{rules}: is right; requires envelope, fileinto, imap4flags, mailbox; runs at "
    )
    told = json.loads(said("check", "--json", rules)[1])
    assert told["right"] and told["runs"]["delivery"] is True and told["headers"] == ["subject"]
    some = tmp_path / "some.sieve"
    some.write_text('require ["editheader", "reject"];\nif true { reject "no"; stop; keep; }\naddheader "a" "b";\n')
    code, out, _ = said("check", some)
    assert code == 0 and "; runs at delivery\n" in out and "  not in the watcher: line 1: " in out
    assert '  at delivery, as long as it is not set up: the extension "reject" needs a way out' in out
    assert "  warning: line 2: this is never reached" in out
    told = json.loads(said("check", "--json", some)[1])
    assert told["runs"] == {"delivery": True, "watcher": False} and told["warnings"] and told["needs"]["delivery"]


def test_an_included_script_is_beside(tmp_path: Path) -> None:
    """And an error in it is shown there."""
    (tmp_path / "main.sieve").write_text('require "include";\ninclude "other";\n')
    (tmp_path / "other.sieve").write_text("keep;\nkep;\n")
    code, out, _ = said("check", tmp_path / "main.sieve")
    assert code == 1 and out.startswith(f"{tmp_path / 'other.sieve'}:2:1: error: unknown command")
    (tmp_path / "other.sieve").write_text("keep;\n")
    assert said("check", tmp_path / "main.sieve")[0] == 0


def test_a_message_and_the_path_it_takes(tmp_path: Path, rules: Path) -> None:
    """Every test that was asked with its line and answer, and what is done."""
    code, out, _ = said("test", rules, letter(tmp_path, "a list"))
    assert code == 0
    assert out.endswith(
        "  Bob <bob@example.org>  a list\n"
        "line       test\n"
        '   3  yes  header :contains "subject" "list"\n'
        "  -> file into Lists  (Lists, line 3)\n"
    )
    _, out, _ = said("test", rules, letter(tmp_path, "the boss"), "--mailbox-exists", "Lists")
    assert '   4  yes  mailboxexists "Lists"\n' in out and "keep in INBOX, flagged \\Flagged" in out
    _, out, _ = said("test", rules, letter(tmp_path, "the boss"))
    assert '   4  no   mailboxexists "Lists"\n' in out and "flagged" not in out


def test_the_envelope_and_the_time(tmp_path: Path, rules: Path) -> None:
    """They are what one says, or else what the message says."""
    path = letter(tmp_path, "nothing")
    assert "discard" in said("test", rules, path, "--envelope-to", "ann+x@example.org")[1]
    assert "discard" not in said("test", rules, path)[1]
    script = tmp_path / "more.sieve"
    script.write_text(
        'require ["envelope", "date", "fileinto"];\nif currentdate :is "date" "2026-11-22" { fileinto "Today"; }\n'
        'if envelope "from" "bob@example.org" { fileinto "Bob"; }\nif envelope "from" "eve@x" { fileinto "Eve"; }\n'
    )
    _, out, _ = said("test", script, path, "--now", "2026-11-22", "--json")
    assert json.loads(out)["mailboxes"] == ["Today", "Bob"]
    _, out, _ = said("test", script, path, "--now", "2026-11-23", "--envelope-from", "eve@x", "--json")
    assert json.loads(out)["mailboxes"] == ["Eve"]


def test_many_messages(tmp_path: Path, rules: Path) -> None:
    """An mbox on standard input, and a Maildir; for programs, an object a line."""
    mbox = f"From a@b Mon\n{LETTER.format('list 1')}\nFrom c@d Mon\n{LETTER.format('no 2')}\n>From x\n"
    code, out, _ = said("test", rules, "-", "--json", text=mbox)
    told = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [one["subject"] for one in told] == ["list 1", "no 2"]
    assert told[0]["mailboxes"] == ["Lists"] and told[0]["actions"] == [
        {"action": "fileinto", "mailbox": "Lists", "line": 3, "rule": "Lists"}
    ]
    assert told[1]["actions"] == [{"action": "keep", "flags": [], "line": None}]
    for folder in ("cur", "new"):
        (tmp_path / "box" / folder).mkdir(parents=True)
    (tmp_path / "box/cur/1:2,S").write_text(LETTER.format("one list"))
    (tmp_path / "box/new/2").write_text(LETTER.format("two"))
    _, out, _ = said("test", rules, tmp_path / "box", "--json")
    assert [json.loads(line)["message"] for line in out.splitlines()] == ["cur/1:2,S", "new/2"]
    code, _, err = said("test", rules, tmp_path)
    assert code == 1 and err == f"mailhorn: {tmp_path}: is no Maildir: there is no cur in it\n"


def test_what_only_some_scripts_ask(tmp_path: Path) -> None:
    """The body, duplicates, flags, header fields that change, answers: the whole engine, and nothing is done."""
    script = tmp_path / "all.sieve"
    script.write_text(
        'require ["body", "duplicate", "vacation", "editheader", "fileinto", "reject", "enotify", "copy", "mailbox"];\n'
        'if duplicate { discard; stop; }\nif body :contains "hi" { addheader "X-Seen" "yes"; }\n'
        'fileinto :copy :create "A";\nredirect "bob@example.net";\nvacation :days 3 "I am away";\n'
        'notify "mailto:ann@example.org";\n'
    )
    path = tmp_path / "once.eml"
    path.write_text("Message-ID: <1@example.org>\n" + LETTER.format("once"))
    code, out, err = said("test", script, path, path)
    assert code == 0, err
    first, second = out.split("\n\n")
    assert [line for line in first.splitlines() if line.startswith("  ->")] == [
        "  -> add the header field X-Seen: yes",
        "  -> remember it, to know a duplicate  (line 2)",
        "  -> file into A, made if it is missing, and go on as if it had not been  (line 4)",
        "  -> send on to bob@example.net  (line 5)",
        "  -> answer, once in 3 days: I am away  (line 6)",
        "  -> notify mailto:ann@example.org  (line 7)",
    ]
    assert "-> discard" in second
    (tmp_path / "no.sieve").write_text('require "reject";\nreject "not here";')
    assert "-> refuse: not here" in said("test", tmp_path / "no.sieve", path)[1]


def test_a_script_that_fails(tmp_path: Path) -> None:
    """The message is kept; exit code 1; one that does not compile is shown as check shows it."""
    (tmp_path / "fails.sieve").write_text('require ["variables", "fileinto"];\nfileinto "${nothing}";\n')
    path = letter(tmp_path, "x")
    code, out, _ = said("test", tmp_path / "fails.sieve", path)
    assert code == 1 and "The script fails, and the message is kept: line 2" in out and "-> keep in INBOX" in out
    (tmp_path / "wrong.sieve").write_text(WRONG)
    code, out, err = said("test", tmp_path / "wrong.sieve", path)
    assert code == 1 and not out and err.endswith(f"mailhorn: {tmp_path / 'wrong.sieve'}: does not compile\n")
    code, _, err = said("test", tmp_path / "nowhere.sieve", path)
    assert code == 1 and err.count("\n") == 1
    assert said("test", tmp_path / "fails.sieve")[0] == 2


def test_format(tmp_path: Path, rules: Path) -> None:
    """Printed, checked, or written with the mode of the file; what is right is left alone."""
    code, out, _ = said("format", rules)
    assert code == 0 and '# rule:[Lists]\nif header :contains "subject" "list" {\n    fileinto "Lists";\n' in out
    code, told, _ = said("format", "--check", rules)
    assert code == 1 and told == f"would change: {rules}\n" and rules.read_text() == RULES
    rules.chmod(0o640)
    code, told, _ = said("format", "--write", rules)
    assert code == 0 and told == f"changed: {rules}\n" and rules.read_text() == out
    assert rules.stat().st_mode & 0o777 == 0o640 and [path.name for path in tmp_path.iterdir()] == ["rules.sieve"]
    assert said("format", "--check", rules) == (0, "", "")
    (tmp_path / "wrong.sieve").write_text("keep")
    code, _, err = said("format", "--write", tmp_path / "wrong.sieve")
    assert code == 1 and err.startswith(f"{tmp_path / 'wrong.sieve'}:1:5: error: ")
    assert said("format", "-", text="keep;stop;")[1] == "keep;\nstop;\n"


def test_format_keeps_octets_that_are_no_text(tmp_path: Path) -> None:
    """A script in Latin-1 comes back as it was."""
    path = tmp_path / "old.sieve"
    path.write_bytes(b'if header "subject" "\xfc" {keep;}')
    assert said("format", "-w", path)[0] == 0
    assert b'"\xfc"' in path.read_bytes()


GMAIL = """<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns='http://www.w3.org/2005/Atom' xmlns:apps='http://schemas.google.com/apps/2006'>
<entry><apps:property name='from' value='bob@example.org'/><apps:property name='label' value='Bob'/>
<apps:property name='shouldNeverSpam' value='true'/></entry></feed>
"""


def test_convert(tmp_path: Path) -> None:
    """The script on standard output, what could not be said on standard error; what comes out compiles."""
    path = tmp_path / "mailFilters.xml"
    path.write_text(GMAIL)
    code, out, err = said("convert", "gmail", path)
    assert code == 0 and 'if address "from" "bob@example.org" {\n    fileinto :copy :create "Bob";\n}\n' in out
    first, last = err.splitlines()
    assert first.startswith("from bob@example.org: not in Sieve: never send it to spam")
    assert last.startswith("mailhorn: 1 rule of ")
    assert said("check", "-", text=out)[0] == 0
    code, none, _ = said("convert", "gmail", path, "-o", tmp_path / "out.sieve")
    assert code == 0 and not none and (tmp_path / "out.sieve").read_text() == out
    told = json.loads(said("convert", "gmail", path, "--json")[1])
    assert told["script"] == out and told["rules"] == 1 and len(told["unsaid"]) == 1
    for kind in ("gmail", "thunderbird", "procmail"):
        code, _, err = said("convert", kind, "-", text="\0 no such thing\n:\n")
        assert code == 1 and err.count("\n") == 1 and err.startswith("mailhorn: standard input: "), err
