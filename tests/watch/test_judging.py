"""What scripts ask for beyond a few header fields, and what they send: in virtual time, against a server in memory."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.kit.simulated_imap import Mailboxes
from tests.kit.watched import World

from mailhorn.model.ids import UID, UIDValidity
from mailhorn.sieve.verdicts import Verdicts
from mailhorn.watch.account import WatchAccount
from mailhorn.watch.facts import LARGEST, install
from mailhorn.watch.history import Wanted, entries
from mailhorn.watch.journal import Journal
from mailhorn.watch.ledger import (
    ActionState,
    Answer,
    Baseline,
    Memo,
    Place,
    Recall,
    Recalled,
    Record,
    Request,
    Row,
)
from mailhorn.watch.post import Due, PostBook

REQUIRE = (
    'require ["fileinto", "imap4flags", "copy", "mailbox", "variables", "body", "date", "relational", "envelope",'
    ' "mailboxid", "environment", "include", "special-use", "extlists", "foreverypart", "mime", "extracttext",'
    ' "duplicate", "ihave", "spamtestplus", "virustest", "regex", "vacation", "vacation-seconds", "enotify", "reject",'
    ' "mboxmetadata", "servermetadata", "index", "subaddress", "comparator-i;ascii-numeric"];'
)
MORE = ("SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "OBJECTID", "METADATA")
CHECKERS = Verdicts("X-Spam-Score", 10.0, "X-Virus")
TWO_PARTS = (
    b"Subject: two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    b'--b\r\nContent-Type: application/pdf; name="bill.pdf"\r\nContent-Disposition: attachment\r\n\r\nPDF\r\n--b--\r\n'
)


def account(script: str, **more: object) -> WatchAccount:
    """Return an account with these rules, which may send."""
    scripts = {"spam": 'require "fileinto"; fileinto "Hit";'}
    program = install(REQUIRE + script, True, CHECKERS.kinds, lambda place, name: scripts.get(name))
    made = WatchAccount(
        "a",
        "imap.example.com",
        993,
        "u",
        "secret",
        program,
        sends=True,
        addresses=("ann@example.org",),
        lists=(("friends", frozenset({"bob@example.net"})),),
        checkers=CHECKERS,
        source=REQUIRE + script,
    )
    return replace(made, **more)  # type: ignore[arg-type]  # whatever a test wants


class Rules:
    """A watcher with some rules."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = Journal(path)
        self.mailboxes = Mailboxes("IDLE", "MOVE", "UIDPLUS", *MORE, "LITERAL+")
        self.mailboxes.create("Hit")
        self.mailboxes.notes = {("INBOX", "/private/vacation"): b"on", ("", "/shared/admin"): b"mailto:a@example.org"}
        self.account: WatchAccount | None = None

    def say(self, script: str, *mails: bytes, **more: object) -> World:
        """Let the rules see mails that come one after the other."""
        world = World(self.mailboxes, self.journal, 7, account=account(script, **more))
        world.settle()
        for mail in mails:
            self.mailboxes.put(mail, date=int(time.time()))
            world.settle()
        return world

    def count(self, mailbox: str) -> int:
        """Return how many messages are in a mailbox."""
        return len(self.mailboxes.boxes[mailbox].messages)

    def letters(self) -> list[Due]:
        """Return what is to leave."""
        book = PostBook(self.path)
        try:
            return book.take(math.inf, set())[0]
        finally:
            book.close()


@pytest.fixture
def rules(tmp_path: Path) -> Iterator[Rules]:
    """A journal and a server."""
    made = Rules(tmp_path / "journal")
    yield made
    made.journal.close()


def mail(*fields: str, body: str = "hello") -> bytes:
    """Return a message."""
    head = ("Return-Path: <bob@example.net>", "From: bob@example.net", "To: ann@example.org", "Message-ID: <1@x>")
    return "\r\n".join((*head, *fields, "", body, "")).encode()


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ('body :contains "hello"', mail()),
        ('not body :contains "bye"', mail()),
        ('body :raw :contains "hello"', mail()),
        ('header :mime :anychild :param "name" :is "content-type" "bill.pdf"', TWO_PARTS),
        ('currentdate :value "ge" "year" "2026"', mail()),
        ('date :is "date" "year" "1999"', mail("Date: Fri, 1 Oct 1999 12:00:00 +0000")),
        ('envelope :is "from" "bob@example.net"', mail()),
        ('envelope :is "to" "ann+lists@example.org"', mail("Delivered-To: ann+lists@example.org")),
        ('environment :is "location" "MUA"', mail()),
        ('specialuse_exists "\\\\Trash"', mail()),
        ('not specialuse_exists "Hit" "\\\\Trash"', mail()),
        ('mailboxexists "Hit"', mail()),
        ('header :list "from" "friends"', mail()),
        ('not header :list "subject" "friends"', mail("Subject: carl@example.net")),
        ('spamtest :percent :value "ge" :comparator "i;ascii-numeric" "80"', mail("X-Spam-Score: 8.1")),
        ('virustest :is "5"', mail("X-Virus: infected")),
        ('valid_notify_method "mailto:a@example.org"', mail()),
        ('header :index 2 :is "x-a" "2"', mail("X-A: 1", "X-A: 2")),
        ('mailboxidexists "id1001"', mail()),
        ('metadata :is "INBOX" "/private/vacation" "on"', mail()),
        ('not metadataexists "INBOX" ["/private/vacation", "/private/none", "no entry"]', mail()),
        ('servermetadata :contains "/shared/admin" "example.org"', mail()),
        ('not mailboxidexists "id7"', mail()),
        ('address :user :is "to" "ann"', mail()),
    ],
)
def test_what_can_be_asked(rules: Rules, test: str, message: bytes) -> None:
    """Each is asked for when the rules get there; what is true is filed."""
    rules.say(f'if {test} {{ fileinto "Hit"; }}', message, mail("Subject: another", "X-Spam-Score: 0"))
    assert rules.count("Hit") >= 1
    assert rules.count("INBOX") + rules.count("Hit") == 2


def test_a_header_that_is_computed(rules: Rules) -> None:
    """The whole header is fetched then."""
    script = 'set "n" "x-b"; if header :is "${n}" "yes" { fileinto "Hit"; }'
    rules.say(script, mail("X-B: yes"), mail("X-B: no"))
    assert (rules.count("Hit"), rules.count("INBOX")) == (1, 1)


def test_parts_one_by_one(rules: Rules) -> None:
    """foreverypart sees all of them, and extracttext reads one."""
    script = (
        'foreverypart { if header :mime :is "content-type" "text/plain" {'
        ' extracttext "t"; if string :contains "${t}" "hello" { fileinto "Hit"; stop; } } }'
    )
    rules.say(script, TWO_PARTS)
    assert rules.count("Hit") == 1


def test_nothing_is_fetched_for_nothing(rules: Rules) -> None:
    """A rule that needs the body, behind one that decides without it, costs no message."""
    world = rules.say(
        'if header :is "x-a" "1" { fileinto "Hit"; stop; } if body :contains "hello" { fileinto "Hit"; }',
        mail("X-A: 1"),
    )
    assert world.server is not None
    asked = [str(command) for command in world.server.commands]
    assert not any(str(LARGEST) in command for command in asked)
    rules.say('if body :contains "hello" { fileinto "Hit"; }', mail())
    assert rules.count("Hit") == 2


def test_included_scripts_and_special_uses(rules: Rules) -> None:
    """The mailbox that has the use is taken, however it is called."""
    script = 'if header :is "x-a" "1" { include "spam"; } else { fileinto :specialuse "\\\\Trash" "Junk"; }'
    rules.say(script, mail("X-A: 1"), mail("X-A: 2"))
    assert (rules.count("Hit"), rules.count("Bin")) == (1, 1)


def test_a_mailbox_by_its_identity(rules: Rules) -> None:
    """However it is called; if there is none of it, by its name."""
    assert rules.mailboxes.boxes["Hit"].uid_validity == 1001
    script = 'fileinto :mailboxid "id1001" "Old name"; fileinto :copy :mailboxid "id7" "Bin";'
    rules.say(script, mail())
    assert (rules.count("Hit"), rules.count("Bin"), rules.count("INBOX")) == (1, 1, 0)


@pytest.mark.parametrize("name", ["Lists/Python", "INBOX/Lists/Python", "INBOX.Lists.Python", "Lists.Python"])
def test_names_are_spelled_as_the_server_does(rules: Rules, name: str) -> None:
    """One rule file, whatever separator and prefix a server has (RFC 2342)."""
    rules.mailboxes = Mailboxes("IDLE", "MOVE", "UIDPLUS", "NAMESPACE", *MORE)
    rules.mailboxes.prefix, rules.mailboxes.separator = "INBOX.", "."
    rules.say(f'if not mailboxexists "{name}" {{ fileinto "{name}"; }}', mail())
    assert rules.count("INBOX.Lists.Python") == 1
    rules.say(f'if mailboxexists "{name}" {{ fileinto "Sub/Found"; }}', mail())
    assert rules.count("INBOX.Sub.Found") == 1


def test_the_trash_is_spelled_as_the_server_does(rules: Rules) -> None:
    """Also where the server does not say which mailbox it is; and INBOX is INBOX everywhere."""
    rules.mailboxes = Mailboxes("IDLE", "MOVE", "UIDPLUS", "NAMESPACE")
    rules.mailboxes.prefix, rules.mailboxes.separator = "INBOX.", "."
    world = rules.say('if header :is "x-a" "1" { discard; } else { fileinto "inbox"; }')
    del rules.mailboxes.boxes["Bin"]
    for one in ("1", "2"):
        rules.mailboxes.put(mail(f"X-A: {one}"), date=int(time.time()))
        world.settle()
    assert (rules.count("INBOX.Trash"), rules.count("INBOX")) == (1, 1)


def test_duplicates_are_known_for_as_long_as_is_said(rules: Rules) -> None:
    """Also after a restart; and two that come at once."""
    script = 'if duplicate :seconds 1000 { fileinto "Hit"; }'
    rules.mailboxes.create("Bin")
    world = rules.say(script, mail(), mail())
    assert (rules.count("INBOX"), rules.count("Hit")) == (1, 1)
    world.kill()
    rules.mailboxes.put(mail())
    rules.mailboxes.put(mail("Message-ID: <2@x>").replace(b"Message-ID: <1@x>\r\n", b""))
    rules.mailboxes.put(mail("Message-ID: <2@x>").replace(b"Message-ID: <1@x>\r\n", b""))
    world.settle()
    assert (rules.count("INBOX"), rules.count("Hit")) == (2, 3)


def test_memory_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over is not remembered, what is said again goes on; of too much, what would end first goes."""
    monkeypatch.setattr("mailhorn.watch.journal.MAX_REMEMBERED", 2)
    journal = Journal(tmp_path / "journal")
    place, epoch = Place("a", "INBOX"), UIDValidity(1)

    def remember(uid: int, *memos: Memo) -> None:
        journal.carry_out([Record(place, epoch, uid + 1, (Row(UID(uid), f"<{uid}@x>", 0, 1, (), memos=memos),))])

    def known(*keys: bytes) -> set[bytes]:
        recalled = journal.carry_out([Recall("a", frozenset(keys))])[0]
        assert isinstance(recalled, Recalled) and abs(recalled.now - time.time()) < 60
        return set(recalled.known)

    journal.carry_out([Baseline(place, epoch, 1)])
    remember(1, Memo(b"over", -1, False), Memo(b"short", 1000, False))
    assert known(b"over", b"short", b"none") == {b"short"}
    remember(2, Memo(b"short", 5000, False), Memo(b"long", 2000, False))
    remember(3, Memo(b"longest", 3000, False))
    assert known(b"short", b"long", b"longest") == {b"long", b"longest"}
    remember(4, Memo(b"long", 9000, True))
    remember(5, Memo(b"new", 8000, False))
    assert known(b"long", b"longest", b"new") == {b"long", b"new"}
    journal.close()


def test_a_message_is_sent_on(rules: Rules) -> None:
    """With the owner as its sender, without what delivery put in front; and it says who has done that."""
    rules.say('redirect "carl@example.com";', mail("Subject: on"))
    (letter,) = rules.letters()
    assert (letter.sender, letter.recipients) == ("ann@example.org", ("carl@example.com",))
    assert letter.content.startswith(b"X-Sieve-Redirected-From: <ann@example.org>\r\nFrom: bob@example.net\r\n")
    assert letter.content.endswith(b"Subject: on\r\n\r\nhello\r\n")
    assert (rules.count("INBOX"), rules.count("Bin")) == (0, 1)


def test_what_goes_round_stays(rules: Rules) -> None:
    """A message that we have sent on before is left alone, and the journal says why."""
    world = rules.say('redirect "carl@example.com";', mail("X-Sieve-Redirected-From: <Ann@example.org>"))
    assert not rules.letters()
    assert rules.count("INBOX") == 1
    assert any("go round" in warning for warning in world.warnings)


def test_the_null_path_stays_the_null_path(rules: Rules) -> None:
    """A report that is sent on does not come back as another one."""
    rules.say('redirect :copy "carl@example.com";', mail().replace(b"<bob@example.net>", b"<>", 1))
    assert [letter.sender for letter in rules.letters()] == [""]


def test_somebody_is_answered_once(rules: Rules) -> None:
    """Until the time is over; somebody else is answered, too; a list is not."""
    script = 'vacation :days 3 :subject "away" "I am away.";'
    other = mail("Subject: c").replace(b"bob@", b"carl@")
    rules.say(script, mail("Subject: a"), mail("Subject: b"), other, mail("List-Id: <l.example.net>"))
    letters = rules.letters()
    assert [letter.recipients for letter in letters] == [("bob@example.net",), ("carl@example.net",)]
    assert all(letter.sender == "" and b"I am away." in letter.content for letter in letters)
    assert b"Auto-Submitted: auto-replied" in letters[0].content
    assert rules.count("INBOX") == 4


def test_a_notice_instead_of_a_refusal(rules: Rules) -> None:
    """RFC 5429 §2.2: reject is a disposition notification here; the message goes where discarded ones go."""
    rules.say('reject "Go away.";', mail())
    (letter,) = rules.letters()
    assert letter.recipients == ("bob@example.net",)
    assert b"disposition-notification" in letter.content and b"Go away." in letter.content
    assert rules.count("Bin") == 1


def test_somebody_is_told(rules: Rules) -> None:
    """By mail, or at a web address."""
    rules.say('notify :message "new" "mailto:a@example.org"; notify "https://example.org/hook";', mail("Subject: s"))
    by_mail, by_web = rules.letters()
    assert by_mail.recipients == ("a@example.org",) and not by_mail.is_web
    assert by_web.is_web and json.loads(by_web.content)["subject"] == "s"


def test_old_mail_causes_no_mail(rules: Rules) -> None:
    """Neither what was there before the watcher, nor what is days old."""
    rules.mailboxes.put(mail(), date=int(time.time()))
    world = rules.say('redirect "carl@example.com";', backlog=True)
    assert any("new mail only" in warning for warning in world.warnings)
    rules.mailboxes.put(mail(), date=1_700_000_000)
    world.settle()
    assert any("old news" in warning for warning in world.warnings)
    assert not rules.letters() and rules.count("INBOX") == 2


def test_a_rule_that_sends_too_much_is_held(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the brake holds does not leave, and stays where it is."""
    monkeypatch.setattr("mailhorn.watch.journal.MAX_SENT", 2)
    mails = [mail(f"Subject: {number}") for number in range(4)]
    world = rules.say('# rule:[all]\nredirect "carl@example.com";', *mails)
    assert len(rules.letters()) == 2
    assert (rules.count("INBOX"), rules.count("Bin")) == (2, 2)
    assert any("sends too much" in warning for warning in world.warnings)
    held = entries(rules.path, Wanted(state=ActionState.HELD))
    assert len(held) == 2


def test_a_letter_is_done_when_the_queue_has_it(rules: Rules) -> None:
    """Then the journal forgets it, and knows that it has left."""
    rules.say('redirect :copy "carl@example.com";', mail())
    book = PostBook(rules.path)
    try:
        (letter,) = book.take(math.inf, set())[0]
        again = book.take(math.inf, set())[0]
        assert letter.key == again[0].key
        book.later(letter.id, 1, 5e9)
        assert book.take(time.time(), set()) == ([], 5e9)
        book.done([letter.id])
        assert book.take(math.inf, set()) == ([], None)
    finally:
        book.close()
    (entry,) = entries(rules.path, Wanted())
    assert [(doing.step.kind.value, doing.state) for doing in entry.doings] == [("redirect", ActionState.DONE)]


def test_what_was_judged_is_recorded_before_too_much_is_in_memory(
    rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many large messages at once are sent on one after the other, each once."""
    monkeypatch.setattr("mailhorn.watch.mailbox.PACKED", 1_000)
    world = rules.say("keep;")
    world.stop()
    for number in range(7):
        one = mail(body="x" * 600).replace(b"<1@x>", b"<n%d@x>" % number)
        rules.mailboxes.put(one, date=int(time.time()))
    most = 0

    def counted(request: Record) -> int:
        return sum(len(parcel.content) for row in request.rows for parcel in row.parcels)

    carry_out = rules.journal.carry_out

    def noted(requests: list[Request]) -> list[Answer]:
        nonlocal most
        most = max([most, *(counted(request) for request in requests if isinstance(request, Record))])
        return carry_out(requests)

    monkeypatch.setattr(rules.journal, "carry_out", noted)
    rules.say('redirect "carl@example.com";')
    assert sorted(letter.uid for letter in rules.letters()) == list(range(1, 8))
    assert rules.count("Bin") == 7 and 1_000 < most < 3_000


def test_a_large_message_is_not_fetched_for_its_text(rules: Rules) -> None:
    """What is attached stays where it is; if the message is sent on it is fetched after all."""
    large = (
        b"Return-Path: <bob@example.net>\r\nMessage-ID: <l@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b"--b\r\nContent-Type: image/png\r\n\r\n" + b"A" * 100_000 + b"\r\n--b--\r\n"
    )
    world = rules.say('if body :contains "hello" { fileinto "Hit"; }', large, reads_all=False)
    assert rules.count("Hit") == 1
    assert world.passed["to client"] < 20_000
    rules.say(
        'if body :contains "hello" { redirect "carl@example.com"; }', large.replace(b"<l@", b"<m@"), reads_all=False
    )
    (letter,) = rules.letters()
    assert letter.content.endswith(large.split(b"\r\n\r\n", 1)[1])
