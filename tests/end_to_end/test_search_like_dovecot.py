"""SEARCH, SORT and THREAD find what Dovecot finds; what differs is told in docs/reference/differences.md."""

import asyncio
import imaplib
import random
from pathlib import Path

from tests.kit.dovecot import Dovecot, running_dovecot
from tests.kit.mailserver import PASSWORD, running_server
from tests.kit.process import HOST, PATIENCE

MESSAGES = 120
WORDS = ["apple", "Plum", "pear", "Straße", "Grüße", "café", "fig", "melon", "kiwi", "台北"]
PEOPLE = [
    "Ann Lee <ann@example.org>",
    '"Lee, Bob" <bob@example.net>',
    "carl@example.com",
    "=?utf-8?q?J=C3=BCrgen?= <j@example.de>",
    "friends: ann@example.org, Zoe <zoe@example.org>;",
    "<dora@example.org> (Dora)",
]


def letters() -> list[tuple[bytes, str, str]]:
    """Messages with their flags and dates, always the same."""
    dice = random.Random(5)
    made = []
    for number in range(MESSAGES):
        subject = " ".join(dice.sample(WORDS, dice.randint(1, 3)))
        if not subject.isascii():
            subject = "=?utf-8?q?" + "".join(f"={octet:02X}" for octet in subject.encode()) + "?="
        subject = dice.choice(["", "", "", "Re: ", "Fwd: ", "[list] ", "Re: [list] ", "re:RE: "]) + subject
        subject += dice.choice(["", "", "", " (fwd)"])
        header = [
            f"From: {dice.choice(PEOPLE)}",
            f"To: {dice.choice(PEOPLE)}, {dice.choice(PEOPLE)}",
            f"Message-ID: <{number}@example.org>",
        ]
        if dice.random() < 0.9:
            header.append(f"Subject: {subject}")
        if dice.random() < 0.9:
            zone = dice.choice(["+0000", "-1100", "+1300", "EST"])
            header.append(f"Date: {dice.randint(1, 28)} Feb 2001 {dice.randint(0, 23):02}:30:{number % 60:02} {zone}")
        if dice.random() < 0.3:
            header.append(f"Cc: {dice.choice(PEOPLE)}")
        if dice.random() < 0.5 and number:
            parents = dice.sample(range(number + 3), min(number, dice.randint(1, 3)))
            field = dice.choice(["References", "References", "In-Reply-To"])
            header.append(f"{field}: " + " ".join(f"<{parent}@example.org>" for parent in sorted(parents)))
        if dice.random() < 0.3:
            header.append("X-Note: " + dice.choice(["", "plum", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="]))
        text = " ".join(dice.choices(WORDS, k=8))
        header.append("Content-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0")
        body = "\r\n".join(header) + "\r\n\r\n" + text + "\r\n" + "x" * dice.randint(0, 500) + "\r\n"
        flags = " ".join(dice.sample(["\\Seen", "\\Flagged", "\\Answered", "work"], dice.randint(0, 2)))
        made.append((body.encode(), flags, f"{dice.randint(1, 28):02}-Mar-2001 {dice.randint(0, 23):02}:00:00 +0000"))
    return made


SEARCHES = [
    *("ALL", "SEEN", "UNSEEN", "KEYWORD work", "UNKEYWORD WORK", "FLAGGED ANSWERED", "NOT (SEEN FLAGGED)", "DELETED"),
    *("5:7", "*", "200:*", "UID 3,5:9", "NOT 1:100", "OR 1 UID 2", "OR (SEEN 1:50) (UNSEEN 100:*)", "NOT NOT SEEN"),
    *("LARGER 700", "SMALLER 600", "BEFORE 10-Mar-2001", "ON 10-Mar-2001", "SINCE 10-Mar-2001"),
    *("SENTBEFORE 10-Feb-2001", "SENTON 10-Feb-2001", "SENTSINCE 10-Feb-2001", "NOT SENTSINCE 1-Jan-1990"),
    *("SUBJECT apple", "SUBJECT APPLE", "SUBJECT plum", "SUBJECT re:", 'SUBJECT ""', 'SUBJECT "plum pear"'),
    *("FROM ann", "FROM lee", 'FROM "lee, bob"', "FROM example.org", "FROM <ann@example.org>", "FROM friends"),
    *("TO zoe", "TO dora", "CC j@example.de", 'CC ""', "BCC ann", 'FROM ""', 'TO "ann lee <ann"', "FROM nobody"),
    *("HEADER Message-ID <7@example.org>", 'HEADER X-Note ""', "HEADER X-Note plum", 'HEADER X-None ""'),
    *("HEADER In-Reply-To example", "HEADER From lee", "HEADER Content-Type utf-8", 'HEADER Subject ""'),
    *("TEXT apple", "BODY apple", "BODY x-note", "TEXT x-note", "TEXT example.net", "BODY xxxx", "BODY kiwi"),
    *("OLDER 100", "YOUNGER 100", "OR OR SUBJECT apple BODY fig NOT FROM ann", "SUBJECT apple FROM ann UNSEEN"),
]
CHARSET = ["SUBJECT grüße", "SUBJECT GRÜSSE", "SUBJECT straße", "FROM jürgen", "BODY café", "TEXT grüße", "BODY 台北"]
SORTS = ["ARRIVAL", "DATE", "SIZE", "SUBJECT", "FROM", "TO", "CC", "REVERSE DATE", "SUBJECT REVERSE DATE"]
SORTS += ["REVERSE SIZE", "DISPLAYFROM", "DISPLAYTO", "FROM SUBJECT DATE"]
THREADS = ["REFERENCES UTF-8 ALL", "REFERENCES UTF-8 SEEN", "REFERENCES UTF-8 1:40"]


def commands() -> list[str]:
    """All that both are asked."""
    asked = [f"SEARCH {key}" for key in SEARCHES]
    asked += [f"SEARCH RETURN ({options}) FLAGGED" for options in ("", "MIN MAX", "COUNT", "ALL COUNT", "PARTIAL 2:5")]
    for key in CHARSET:
        word, text = key.split()
        asked.append(f"SEARCH CHARSET UTF-8 {word} {{{len(text.encode())}+}}\r\n{text}")
    asked += [f"SORT ({order}) UTF-8 ALL" for order in SORTS]
    asked += [f"SORT RETURN (MIN MAX COUNT) ({order}) UTF-8 UNSEEN" for order in SORTS[:3]]
    asked += [f"THREAD {what}" for what in THREADS]
    return asked


def answers(port: int) -> dict[str, str]:
    """Fill a mailbox, ask everything, and return what was answered but for tags."""
    found = {}
    with imaplib.IMAP4(HOST, port, timeout=PATIENCE) as session:
        session.login("ann", PASSWORD)
        for body, flags, moment in letters():
            assert session.append("INBOX", f"({flags})", f'"{moment}"', body)[0] == "OK"
        session.select("INBOX")
        for command in commands():
            session.send(b"tag " + command.encode() + b"\r\n")
            lines = []
            while not (line := session.readline()).startswith(b"tag "):
                lines.append(line.decode().rstrip())
            found[command] = "\n".join(lines) if line.startswith(b"tag OK") else line.decode().split()[1]
    return found


DIFFERENCES = Path(__file__).parents[2] / "docs/reference/differences.md"
DIFFERENT = (
    "SEARCH 200:*",
    "SEARCH SENTBEFORE 10-Feb-2001",
    'SEARCH TO "ann lee <ann"',
    "SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nGRÜSSE",
)
"""Commands answered otherwise; docs/reference/differences.md says who is right."""


async def test_the_same_is_found(tmp_path: Path) -> None:
    """Of what both know, all answers are equal but those in the list."""
    async with running_server(tmp_path, ("ann",)) as server:
        ours = await asyncio.to_thread(answers, server.ports["imap"])

    def theirs_too() -> dict[str, str]:
        with running_dovecot() as dovecot:
            assert isinstance(dovecot, Dovecot)
            return answers(dovecot.imap_port)

    theirs = await asyncio.to_thread(theirs_too)
    different = {command: (ours[command], theirs[command]) for command in ours if ours[command] != theirs[command]}
    page = DIFFERENCES.read_text("utf-8")
    assert all(f"`{command.split(' ', 1)[1].split(chr(10))[-1]}`" in page for command in DIFFERENT)
    assert different.keys() == set(DIFFERENT), "\n".join(
        f"{command}\n  ours   {pair[0]}\n  theirs {pair[1]}"
        for command, pair in different.items()
        if command not in DIFFERENT
    )
