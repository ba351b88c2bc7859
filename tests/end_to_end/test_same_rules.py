"""One rule file means one thing: at delivery in our server, and through the watcher on our server and on a Dovecot.

The same script and the same thousand messages; then the same messages are in the same mailboxes, with the same flags.
"""

import asyncio
import random
import smtplib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from imapclient import IMAPClient
from tests.kit.clients import need
from tests.kit.dovecot import PASSWORD as DOVECOT_PASSWORD
from tests.kit.dovecot import Dovecot, running_dovecot
from tests.kit.mailserver import PASSWORD, running_server
from tests.kit.process import HOST

from mailhorn.config.settings import Sieve
from mailhorn.sieve.verdicts import Verdicts
from mailhorn.watch import judging
from mailhorn.watch.account import Security, WatchAccount
from mailhorn.watch.events import State, StateChanged
from mailhorn.watch.facts import install
from mailhorn.watch.ledger import Place
from mailhorn.watch.parts import looks_beyond_texts
from mailhorn.watch.supervisor import Watcher

MESSAGES = 1_000
IN_DOVECOT = 200
"""It sees fewer of them: its part is to show that another server makes no difference."""
PATIENCE = 120.0

RULES = r"""
require ["fileinto", "imap4flags", "copy", "mailbox", "variables", "regex", "body", "date", "relational", "envelope",
         "subaddress", "index", "duplicate", "foreverypart", "mime", "special-use", "spamtestplus", "virustest",
         "extlists", "comparator-i;ascii-numeric", "encoded-character", "ihave"];

# rule:[Twice]
if duplicate :header "X-Twin" { addflag "twin"; fileinto :create "Twins"; stop; }
# rule:[Spam]
if spamtest :percent :value "ge" :comparator "i;ascii-numeric" "80" { discard; stop; }
if virustest :value "ge" :comparator "i;ascii-numeric" "4" { addflag "\\Deleted"; fileinto :create "Sick"; stop; }
# rule:[Lists]
if header :regex "List-Id" "<([a-z]+)\\.lists\\.example" {
    set :lower "list" "${1}";
    fileinto :create "Lists/${list}";
    if header :contains "Subject" "[urgent]" { addflag "\\Flagged"; keep; }
    stop;
}
# rule:[Friends]
if address :list "From" "friends" { addflag ["friend", "\\Flagged"]; }
# rule:[Old]
if date :value "lt" :originalzone "Date" "year" "2000" { fileinto :copy :create "Old"; }
# rule:[Bills]
foreverypart {
    if header :mime :param "filename" :matches "Content-Disposition" "*.pdf" {
        fileinto :create :flags ["bill", "\\Seen"] "Bills";
        stop;
    }
}
# rule:[Big]
if size :over 8K { addflag "big"; }
# rule:[Greetings]
if header :is "Subject" "Grüße ${hex: 00 }" { keep; }
elsif header :contains "Subject" "Grüße" {
    setflag "\\Answered";
    fileinto :copy :create "Grüße";
    removeflag "\\Answered";
}
# rule:[Words]
if allof (body :contains "needle", not body :contains "haystack") { fileinto :create "Needles"; }
elsif envelope :domain "from" "bounces.example.org" { fileinto :create :flags "bounce" "Bounces"; }
elsif header :index 2 :is "Received" "nobody" { discard; }
elsif address :detail "To" "shop" { fileinto :create :specialuse "\\Junk" "Shop"; }
elsif mailboxexists "Nowhere" { discard; }
elsif header :count "gt" :comparator "i;ascii-numeric" "X-Tag" "2" { fileinto :create "Tags"; keep; }
elsif header :contains "Subject" "hello" { addflag "lost"; fileinto "There is no such mailbox"; }
"""
CHECKERS = Verdicts("X-Spam-Score", 10.0, "X-Virus")
AUTHORS = ("ann@example.com", "Carl <carl@example.com>", "=?utf-8?b?RG9yYQ==?= <dora@example.com>")
FRIENDS = ("carl@example.com", "Dora@Example.com")


def messages(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield senders and messages that reach every rule, alone and together."""
    pick = random.Random(seed)

    def chance(share: float, text: str) -> list[str]:
        return [text] if pick.random() < share else []

    for number in range(count):
        subject = pick.choice(["hello", "[urgent] now", "=?utf-8?q?Gr=C3=BC=C3=9Fe?= aus K", "a needle", ""])
        head = [
            f"X-Number: {number}",
            f"Message-ID: <{number}@example.org>",
            f"From: {pick.choice(AUTHORS)}",
            f"To: {pick.choice(['me@example.org', 'me+shop@example.org', 'undisclosed-recipients:;'])}",
            f"Subject: {subject}",
            f"Date: Fri, {1 + number % 28} Oct {pick.choice([1998, 1999, 2020, 2026])} 23:30:00 -0500",
            *chance(0.1, f"X-Twin: {pick.randrange(20)}"),
            *chance(0.3, f"X-Spam-Score: {pick.uniform(-5, 12):.1f}"),
            *chance(0.1, f"X-Virus: {pick.choice(['clean', 'infected', 'no'])}"),
            *chance(0.15, f"List-Id: The list <{pick.choice(['Python', 'rust', 'c'])}.lists.example>"),
            *["X-Tag: a"] * pick.randrange(4),
        ]
        text = " ".join(pick.choice(["needle", "haystack", "word", "straw"]) for _ in range(pick.choice([2, 20, 2000])))
        body = ["", text]
        if pick.random() < 0.15:
            head += ["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"']
            name = pick.choice(["bill.pdf", "photo.jpg"])
            attached = ["Content-Type: application/octet-stream", f'Content-Disposition: attachment; filename="{name}"']
            body = ["", "--b", "Content-Type: text/plain", "", text, "--b", *attached, "", "AAAA", "--b--"]
        sender = pick.choice(["ann@example.com", "list@bounces.example.org", ""])
        yield sender, "\r\n".join([*head, *body, ""]).encode()


def deliver(port: int, recipient: str, mails: Sequence[tuple[str, bytes]]) -> None:
    """Deliver by LMTP, one after the other."""
    with smtplib.LMTP(HOST, port, timeout=PATIENCE) as client:
        for sender, mail in mails:
            assert client.sendmail(sender, [recipient], mail) == {}


Picture = dict[str, list[tuple[int, frozenset[str]]]]
"""Of each mailbox that is not empty: numbers and flags of its messages, sorted."""


def pictured(port: int, user: str, password: str) -> Picture:
    """Return what is where."""
    found: Picture = {}
    with IMAPClient(HOST, port, ssl=False, timeout=PATIENCE) as session:
        session.login(user, password)
        for attributes, _, name in session.list_folders():
            if b"\\noselect" in map(bytes.lower, attributes):  # a parent that is no mailbox
                continue
            session.select_folder(name, readonly=True)
            fetched = session.fetch(session.search(), ["FLAGS", "BODY.PEEK[HEADER.FIELDS (X-NUMBER)]"])
            there = [
                (
                    int(data[b"BODY[HEADER.FIELDS (X-NUMBER)]"].split(b":")[1]),
                    frozenset(flag.decode() for flag in data[b"FLAGS"]) - {"\\Recent"},
                )
                for data in fetched.values()
            ]
            if there:
                found[name] = sorted(there, key=lambda one: (one[0], sorted(one[1])))
    return found


async def watched(port: int, user: str, password: str, folder: Path) -> None:
    """Let a watcher file what is in INBOX, until it idles."""
    friends = frozenset(address.lower() for address in FRIENDS)
    account = WatchAccount(
        user,
        HOST,
        port,
        user,
        password,
        install(RULES, verdicts=CHECKERS.kinds),
        Security.NONE,
        backlog=True,
        discard_deletes=True,
        lists=(("friends", friends),),
        checkers=CHECKERS,
        source=RULES,
        reads_all=looks_beyond_texts(RULES),
    )
    idle = asyncio.Event()

    def changed(_: Place, change: StateChanged) -> None:
        if change.state is State.IDLE:
            idle.set()

    watcher = Watcher([account], folder / "journal", on_state=changed)
    running = asyncio.create_task(watcher.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await idle.wait()
    finally:
        watcher.stop()
        await running


def ours(folder: Path) -> Sieve:
    """Return the settings for rules in our server."""
    (folder / "friends").write_text("\n".join(FRIENDS) + "\n# nobody else\n")
    (folder / "sieve").mkdir()
    (folder / "sieve" / "ann.sieve").write_text(RULES)
    return Sieve(
        directory=folder / "sieve",
        lists=(f"friends={folder / 'friends'}",),
        spam_header=CHECKERS.spam_header,
        virus_header=CHECKERS.virus_header,
    )


def differences(one: Picture, other: Picture) -> list[str]:
    """Return what is not the same, by mailbox."""
    return [
        f"{name}: {sorted(set(one.get(name, [])) ^ set(other.get(name, [])), key=str)[:5]}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def check_every_rule_was_reached(picture: Picture) -> None:
    """A picture of one mailbox would prove nothing."""
    wanted = {"INBOX", "Twins", "Sick", "Lists/python", "Lists/rust", "Old", "Bills", "Grüße", "Needles", "Bounces"}
    assert wanted | {"Shop", "Tags"} <= picture.keys()
    flags = frozenset[str]().union(*(flags for there in picture.values() for _, flags in there))
    assert {
        "twin",
        "friend",
        "bill",
        "bounce",
        "big",
        "lost",
        "\\Flagged",
        "\\Seen",
        "\\Deleted",
        "\\Answered",
    } <= flags


@pytest.mark.timeout(300)
async def test_at_delivery_and_through_the_watcher(tmp_path: Path) -> None:
    """A thousand messages for somebody with the script, and for somebody whose watcher has it."""
    mails = list(messages(MESSAGES, 6))
    async with running_server(tmp_path / "data", ["ann", "bob"], sieve=ours(tmp_path)) as server:
        ports = server.ports
        for login in ("ann", "bob"):
            await asyncio.to_thread(deliver, ports["lmtp"], f"{login}@localhost", mails)
        delivered = await asyncio.to_thread(pictured, ports["imap"], "ann", PASSWORD)
        check_every_rule_was_reached(delivered)
        await watched(ports["imap"], "bob", PASSWORD, tmp_path)
        assert differences(delivered, await asyncio.to_thread(pictured, ports["imap"], "bob", PASSWORD)) == []


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    """A Dovecot with no mail."""
    need("dovecot")
    with running_dovecot() as server:
        yield server


@pytest.mark.timeout(300)
async def test_through_the_watcher_on_dovecot(
    tmp_path: Path, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on a server that is not ours; of messages only headers and texts are fetched."""
    monkeypatch.setattr(judging, "SMALL", 0)
    assert not looks_beyond_texts(RULES)
    mails = list(messages(IN_DOVECOT, 7))
    async with running_server(tmp_path / "data", ["ann"], sieve=ours(tmp_path)) as server:
        await asyncio.to_thread(deliver, server.ports["lmtp"], "ann@localhost", mails)
        delivered = await asyncio.to_thread(pictured, server.ports["imap"], "ann", PASSWORD)
    await asyncio.to_thread(deliver, dovecot.lmtp_port, "bob@localhost", mails)
    await watched(dovecot.imap_port, "bob", DOVECOT_PASSWORD, tmp_path)
    seen = await asyncio.to_thread(pictured, dovecot.imap_port, "bob", DOVECOT_PASSWORD)
    assert differences(delivered, seen) == []
