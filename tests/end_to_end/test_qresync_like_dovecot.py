"""CONDSTORE and QRESYNC answer as Dovecot's; what differs is told in docs/reference/differences.md.

The dialogues themselves are played to both. Of each command its condition, its code and what it is told are compared,
without text for people, the order of what is fetched, and what only one of them tells of keywords and \\Recent.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.dialogues.test_dialogues import FOLDER, LINE, NAMED, PATIENCE
from tests.kit.dovecot import running_dovecot
from tests.kit.mailserver import running_server

Answers = dict[str, tuple[str, ...]]
Deliver = Callable[[str, str], Awaitable[None]]

UNCOMPARED = re.compile(
    r"\* (FLAGS|\d+ RECENT|OK \[(PERMANENTFLAGS|UNSEEN|UIDVALIDITY|COPYUID|HIGHESTMODSEQ|MAILBOXID)).*"
)
CODE = re.compile(r"\S+ (OK|NO|BAD)(?: \[(MODIFIED [\d,:]+|READ-WRITE|READ-ONLY)\])?.*")
ITEM = re.compile(r"[A-Z.]+ \([^)]*\)|[A-Z.]+ \d+")

DIFFERENT = {
    "condstore": {
        "a4 a6": "the UID of a FETCH that nobody asked for",
        "a7": "the UID; and what failed the test is told as it is",
        "a8 a9": "what failed the test is told as it is",
        "b1 b2": "STORE of what is so already",
        "c5": "a message that is marked \\Seen by FETCH is told in one FETCH or in two",
        "g2 g3 g4": "what the grammar does not have",
        "g6": "a SELECT that does not parse",
    },
    "condstore-enabling": {
        "a2 g1 g2 g3 g4 g5 h2": "the UID of a FETCH that nobody asked for",
        "c1": "NOT MODSEQ",
        "h1": "a flag that nobody may set",
    },
    "qresync": {"d1 d4": "a SELECT that does not parse", "d3 d5 d6": "what the grammar does not have"},
    "qresync-select": {
        "c4": "message numbers and their UIDs",
        "c6": "mod-sequences from before somebody asked for them",
        "c7": "a mod-sequence that was never given",
    },
}
"""By dialogue, the tags of the commands that are answered differently, and why."""


def essence(line: str) -> str:
    """Return what of a line is compared."""
    if " FETCH (" in line:
        head, _, rest = line.partition("(")
        items = [item.replace("\\Recent", "").replace(")", "").replace("(", "( ") for item in ITEM.findall(rest)]
        return head + " ".join(sorted(" ".join(sorted(item.split())) for item in items))
    if line.startswith("* STATUS"):
        return " ".join(sorted(re.findall(r"[A-Z]+ \d+", line)))
    if line.startswith("* ENABLED"):
        return " ".join(sorted(line.split()))
    if line.startswith("* OK [CLOSED]"):
        return "* OK [CLOSED]"
    found = CODE.fullmatch(line)
    return f"{found[1]} {found[2]}" if found else line


async def played(script: str, port: int, password: str, deliver: Deliver) -> Answers:
    """Return what each command is answered."""
    lines: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
    answers: Answers = {}
    validity = {"v": "1"}

    async def command(client: str, text: str) -> tuple[str, ...]:
        if client not in lines:
            lines[client] = await asyncio.open_connection("127.0.0.1", port)
            await lines[client][0].readline()
        reader, writer = lines[client]
        writer.write(text.encode() + b"\r\n")
        heard = []
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await reader.readline()).decode().removesuffix("\r\n")
                found = re.match(r"\* OK \[UIDVALIDITY (\d+)\]", line)
                if found:
                    validity["v"] = found[1]
                if not UNCOMPARED.fullmatch(line):
                    heard.append(essence(line))
                if line.startswith(text.split(" ")[0] + " "):
                    return tuple(heard)

    for line in script.splitlines():
        found = LINE.fullmatch(line)
        if found is None or found["who"] == "S":
            continue
        if found["macro"] == "deliver":
            await deliver(*found["args"].split(" ", 1))
        elif found["macro"]:
            client, what = found["args"].split()
            verb = f"LOGIN {what} {password}" if found["macro"] == "login" else f"SELECT {what}"
            assert (await command(client, f"macro {verb}"))[-1].startswith("OK")
        else:
            text = NAMED.sub(lambda name: validity[name[1]], found["text"])
            answers[text.split(" ")[0]] = await command(found["client"], text)
    for _, writer in lines.values():
        writer.close()
    return answers


@pytest.mark.parametrize("name", DIFFERENT)
async def test_the_same_answers(name: str, tmp_path: Path) -> None:
    """All but those that are listed are equal, and those that are listed are not."""
    script = (FOLDER / f"{name}.txt").read_text("utf-8")
    async with running_server(tmp_path, ("ann",)) as server:
        ours = await played(script, server.ports["imap"], server.password, server.deliver)
    with running_dovecot() as dovecot:

        def send(login: str, subject: str) -> None:
            text = f"From: sender@example.org\r\nSubject: {subject}\r\n\r\nThe text of the message.\r\n"
            with dovecot.lmtp() as client:
                client.sendmail("sender@example.org", [f"{login}@localhost"], text)

        async def deliver(login: str, subject: str) -> None:
            await asyncio.to_thread(send, login, subject)

        theirs = await played(script, dovecot.imap_port, dovecot.password, deliver)
    assert ours.keys() == theirs.keys()
    different = {tag: (ours[tag], theirs[tag]) for tag in ours if ours[tag] != theirs[tag]}
    listed = {tag for tags in DIFFERENT[name] for tag in tags.split()}
    assert different.keys() == listed, {tag: different.get(tag) for tag in different.keys() ^ listed}
