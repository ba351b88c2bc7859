"""The machine in dialogues: what the server says, what it says then, and when it is content to wait."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.stage import RULES
from tests.kit.stage import mail as fetched

from mailhorn.imap.client import ClientConnection
from mailhorn.watch import (
    account,
    act,
    conversation,
    events,
    facts,
    filing,
    idling,
    ledger,
    login,
    machine,
    mailbox,
    providers,
    rounds,
    trouble,
)
from mailhorn.watch.account import Security, WatchAccount
from mailhorn.watch.events import (
    Answered,
    Ask,
    Connect,
    DeadlineReached,
    Disconnect,
    Event,
    Filed,
    Heard,
    Lost,
    Output,
    Started,
    State,
    StateChanged,
    StopRequested,
    Upgrade,
    Upgraded,
    Warned,
)
from mailhorn.watch.facts import install
from mailhorn.watch.journal import Journal
from mailhorn.watch.ledger import JournalFailed, Record, Settle
from mailhorn.watch.machine import Machine

ITEMS = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (from message-id subject)])"
READY = "* OK [CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS] ready"


class Dialogue:
    """A machine whose connection is this test, with a real journal that answers at once."""

    def __init__(self, directory: Path, rules: str = RULES, **more: object) -> None:
        self.journal = Journal(directory / "journal")
        self.answers = True
        self.account = WatchAccount("a", "imap.example.com", 993, "u", "secret", install(rules), **more)
        self.now = 1000.0
        self.outputs: list[Output] = []
        self.begin()

    def begin(self) -> None:
        """A new process: a new machine over the same journal."""
        self.machine = Machine(self.account, "INBOX")
        self.connection: ClientConnection | None = None
        self.tag = ""
        self._sent = b""
        self.deliver(Started())

    def deliver(self, event: Event, roll: float = 0.5) -> list[Output]:
        """Let the machine take a step, and the journal answer."""
        outputs = self.machine.step(event, self.now, roll)
        self.outputs += outputs
        for output in outputs:
            match output:
                case Connect(connection):
                    self.connection = connection
                case Disconnect():
                    self._sent = b""
                    self.connection = None
                case Ask(number, request) if self.answers:
                    outputs = outputs + self.deliver(Answered(number, self.journal.carry_out([request])[0]))
                case _:
                    pass
        if self.connection is not None:
            self._sent += self.connection.data_to_send()
        return outputs

    def s(self, *lines: str) -> None:
        """The server says these lines in one segment; `$` is the tag of the last command."""
        assert self.connection is not None, "there is no connection"
        text = "".join(line.replace("$", self.tag) + "\r\n" for line in lines)
        self.connection.receive_data(text.encode("latin-1"))
        self.deliver(Heard(tuple(self.connection.events_received())))

    def c(self, *commands: str) -> None:
        """The client has said this line, and nothing is left behind the last one; a tag in front is understood."""
        for command in commands:
            line, _, self._sent = self._sent.partition(b"\r\n")
            said = line.decode("latin-1")
            if command != "DONE":
                self.tag, _, said = said.partition(" ")
            assert said == command
        assert self._sent == b""

    def silent(self) -> None:
        """The client has said nothing."""
        self.c()

    def wait(self, seconds: float | None = None, roll: float = 0.5) -> list[Output]:
        """Time passes: until the deadline, or so many seconds."""
        if seconds is None:
            assert self.machine.deadline is not None
            self.now = max(self.now, self.machine.deadline)
        else:
            self.now += seconds
        return self.deliver(DeadlineReached(), roll)

    def left(self) -> float:
        """Return the seconds to the deadline."""
        assert self.machine.deadline is not None
        return self.machine.deadline - self.now

    def warnings(self) -> list[str]:
        """Return what the user was told."""
        return [output.text for output in self.outputs if isinstance(output, Warned)]

    def changes(self) -> list[StateChanged]:
        """Return where the machine stood."""
        return [output for output in self.outputs if isinstance(output, StateChanged)]

    def asked(self) -> list[type]:
        """Return what kinds of requests the journal got; each is a transaction."""
        return [type(output.request) for output in self.outputs if isinstance(output, Ask)]

    def filed(self) -> list[Filed]:
        """Return what was filed."""
        return [output for output in self.outputs if isinstance(output, Filed)]

    # parts that most dialogues begin with

    def log_in(self, capabilities: str = "IMAP4rev1 IDLE MOVE UIDPLUS") -> None:
        """From the greeting to SELECT."""
        self.s(READY)
        self.c("LOGIN u secret")
        self.s(f"$ OK [CAPABILITY {capabilities}] in")
        self.c("SELECT INBOX")

    def select(self, uid_next: int = 5, uid_validity: int = 7) -> None:
        """The answer to SELECT."""
        self.s(f"* {uid_next - 1} EXISTS", f"* OK [UIDVALIDITY {uid_validity}] v", f"* OK [UIDNEXT {uid_next}] n")
        self.s("$ OK [READ-WRITE] selected")

    def idle(self, capabilities: str = "IMAP4rev1 IDLE MOVE UIDPLUS", uid_next: int = 5) -> None:
        """From the greeting to IDLE."""
        self.log_in(capabilities)
        self.select(uid_next)
        self.c(f"UID FETCH {uid_next}:* {ITEMS}")
        self.s("$ OK nothing")
        self.c("IDLE")
        self.s("+ idling")
        assert self.machine.state is State.IDLE

    def mail(self, uid: int, subject: str, flags: str = "") -> str:
        """Return the FETCH response for a message."""
        return fetched(uid, subject, flags)


@pytest.fixture
def d(tmp_path: Path) -> Iterator[Dialogue]:
    """A dialogue with the usual account."""
    dialogue = Dialogue(tmp_path)
    yield dialogue
    dialogue.journal.close()


def test_life_of_a_message(d: Dialogue) -> None:
    """EXISTS, DONE with the FETCH right behind it, MOVE with COPYUID, IDLE again: two round trips, a flush between."""
    d.idle()
    idle = d.tag
    d.now += 10
    before = len(d.asked())
    d.s("* 5 EXISTS", "* 1 RECENT")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK idled", d.mail(5, "a list"), "$ OK fetched")
    d.c("UID MOVE 5 Lists")
    assert d.asked()[before:] == [Record]
    d.now += 0.25
    d.s("* OK [COPYUID 70 5 31] moved", "* 5 EXPUNGE", "$ OK done")
    d.c("IDLE")
    (filed,) = d.filed()
    assert d.asked()[before:] == [Record, Settle]
    assert (filed.uid, filed.message_id, filed.target) == (5, "<5@x>", (70, 31))
    assert filed.heard_at is not None and filed.filed_at - filed.heard_at == pytest.approx(0.25)
    assert [change.state for change in d.changes()] == [State.SYNCING, State.IDLE]


def test_fetch_of_the_last_message_is_not_new_mail(d: Dialogue) -> None:
    """`n:*` always brings the last message (RFC 9051 §9 seq-range); it is older than the cursor."""
    d.log_in()
    d.select(5)
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s(d.mail(4, "a list"), "$ OK fetched")
    d.c("IDLE")


def test_never_idle_while_dirty(d: Dialogue) -> None:
    """Fault F27: what is announced within another answer is looked at before IDLE; the server will not repeat it."""
    d.log_in()
    d.select(5)
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("* 5 EXISTS", "$ OK fetched")
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s(d.mail(5, "a list"), "$ OK fetched")
    d.c("UID MOVE 5 Lists")
    d.s("* OK [COPYUID 70 5 31] m", "* 6 EXISTS", "$ OK done")
    d.c(f"UID FETCH 6:* {ITEMS}")
    d.s("$ OK nothing")
    d.c("IDLE")
    d.s("* 7 EXISTS", "+ idling")
    d.c("DONE", f"UID FETCH 6:* {ITEMS}")


def test_equal_and_lower_counts_are_hints_too(d: Dialogue) -> None:
    """Faults F21, F22: counts are never compared."""
    d.idle()
    idle = d.tag
    d.s("* 1 EXPUNGE")
    d.silent()
    d.s("* 4 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", "$ OK")
    d.c("IDLE")


def test_keepalive_is_only_proof_of_life(d: Dialogue) -> None:
    """Fault F15: it postpones the silence deadline, never the renewal, and causes no work."""
    d.idle()
    assert d.left() == pytest.approx(idling.SILENCE)
    for _ in range(4):
        d.now += 120
        d.s("* OK Still here")
        d.silent()
    assert d.left() == pytest.approx(540 - 480)
    d.wait(30)
    d.silent()
    d.wait()
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")


def test_renewal_looks_for_what_was_not_announced(d: Dialogue) -> None:
    """Faults F28, F54: mail that a renewal finds unannounced counts; twice, and renewals come more often."""
    d.idle()
    for uid in (5, 6):
        idle = d.tag
        d.now += 200
        d.s("* OK Still here")
        d.now += 340
        d.wait(0)
        d.c("DONE", f"UID FETCH {uid}:* {ITEMS}")
        d.s(f"{idle} OK", d.mail(uid, "plain"), "$ OK")
        d.c("IDLE")
        d.s("+ idling")
    assert "does not announce" in d.warnings()[0]
    assert d.left() == pytest.approx(idling.HYBRID_RENEWAL)


def test_silent_server_is_dead_after_done(d: Dialogue) -> None:
    """Faults F05, F06: DONE must be answered within 15 s; the reconnect is prompt, since the server was there."""
    d.idle()
    d.wait()
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    assert d.left() == pytest.approx(conversation.DONE_PATIENCE)
    assert Disconnect() in d.wait()
    assert d.machine.state is State.BACKOFF
    assert d.left() <= 0.5
    assert any(isinstance(output, Connect) for output in d.wait())


def test_plus_must_come(d: Dialogue) -> None:
    """Fault F12."""
    d.log_in()
    d.select()
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("$ OK nothing")
    d.c("IDLE")
    assert d.left() == pytest.approx(login.CONTINUATION_PATIENCE)
    assert Disconnect() in d.wait()


def test_a_command_has_a_limit_however_the_server_drips(d: Dialogue) -> None:
    """Bytes postpone a command's deadline, but not for ever."""
    d.log_in()
    for _ in range(11):
        d.now += 55
        d.s("* OK wait")
    assert d.machine.state is State.BACKOFF


@pytest.mark.parametrize(
    "line, reason",
    [
        ("* BYE Autologout; idle for too long", "good-bye: Autologout"),
        ("* BYE Too many simultaneous connections", "busy: the server said good-bye"),
    ],
)
def test_bye(d: Dialogue, line: str, reason: str) -> None:
    """Fault F37: BYE ends the connection now, and its text says what kind of trouble it is."""
    d.idle()
    d.s(line)
    assert d.machine.state is State.BACKOFF
    assert reason in d.changes()[-1].reason
    assert (d.left() >= 150) == reason.startswith("busy")


def test_login_is_refused_three_times_then_parked(d: Dialogue) -> None:
    """Fault F57: minutes between the tries, then nothing until the settings change."""
    for attempt in range(3):
        d.s(READY)
        d.c("LOGIN u secret")
        d.s("$ NO [AUTHENTICATIONFAILED] who are you?")
        if attempt < 2:
            assert d.left() >= 150
            d.wait()
    assert d.machine.state is State.PARKED
    assert d.machine.deadline is None
    assert "who are you?" in d.changes()[-1].reason
    d.deliver(StopRequested())
    assert d.machine.state is State.STOPPED


def test_a_server_that_cannot_ask_its_password_database_is_no_wrong_password(d: Dialogue) -> None:
    """RFC 5530 §3 UNAVAILABLE."""
    for _ in range(4):
        d.s(READY)
        d.c("LOGIN u secret")
        d.s("$ NO [UNAVAILABLE] Temporary authentication failure")
        assert d.machine.state is State.BACKOFF and d.left() <= 10
        d.wait()


def test_backoff_grows_with_failures_and_has_full_jitter(d: Dialogue) -> None:
    """Half a second at most at first, a minute at most at last, and anything between nothing and that."""
    longest = []
    for _ in range(14):
        d.deliver(Lost("refused"), roll=0.999)
        longest.append(d.left())
        d.wait()
    assert longest[0] <= 0.5 and longest[1] <= 1 < longest[2] and 59 < longest[-1] <= 60
    assert any(isinstance(output, Connect) for output in d.deliver(Lost("refused"), roll=0.0))


def test_restarts_are_met_promptly_but_not_for_ever(d: Dialogue) -> None:
    """A server that comes and goes is caught up with at once; one that hangs up each time is not hammered (F56)."""
    for _ in range(trouble.FREE_RESTARTS):
        d.idle()
        d.deliver(Lost("reset"), roll=0.999)
        assert d.left() <= 0.5
        d.wait()
    for _ in range(12):
        d.idle()
        d.deliver(Lost("reset"), roll=0.999)
        d.wait()
    d.idle()
    d.deliver(Lost("reset"), roll=0.999)
    assert d.left() > 50
    d.wait()
    d.idle()
    d.now += trouble.SURVIVAL
    d.s("* OK Still here")
    d.deliver(Lost("reset"), roll=0.999)
    assert d.left() <= 0.5


def test_hung_up_on_while_idling_idles_shorter(d: Dialogue) -> None:
    """Fault F41: half as long as what was too long, but not because of a moment."""
    d.idle()
    d.deliver(Lost("reset"))
    d.wait()
    d.idle()
    assert d.left() == pytest.approx(300)
    d.now += 100
    d.deliver(Lost("reset"))
    d.wait()
    d.idle()
    assert d.left() == pytest.approx(50)


def test_capabilities_are_asked_for_when_not_told(d: Dialogue) -> None:
    """Fault F39: before the login and after it; ID where it is offered (fault F50)."""
    d.s("* OK hello")
    d.c("CAPABILITY")
    d.s("* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR", "$ OK")
    d.c("AUTHENTICATE PLAIN AHUAc2VjcmV0")
    d.s("$ OK in")
    d.c("CAPABILITY")
    d.s("* CAPABILITY IMAP4rev1 IDLE ID", "$ OK")
    line = d._sent.decode()
    assert line.partition(" ")[2].startswith('ID ("name" "mailhorn" "version" ')
    d._sent = b""
    d.tag = line.split(" ")[0]
    d.s('* ID ("name" "x")', "$ OK")
    d.c("SELECT INBOX")


def test_authenticate_without_initial_response(d: Dialogue) -> None:
    """LOGINDISABLED and no SASL-IR: the password goes after the `+`."""
    d.s("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=PLAIN] hi")
    d.c("AUTHENTICATE PLAIN")
    tag = d.tag
    d.s("+ ")
    assert d._sent == b"AHUAc2VjcmV0\r\n"
    d._sent = b""
    d.s(f"{tag} OK [CAPABILITY IMAP4rev1] in")
    d.c("SELECT INBOX")


def test_no_password_where_none_is_taken(d: Dialogue) -> None:
    """LOGINDISABLED, no STARTTLS, no PLAIN: that is for the user to change."""
    d.s("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi")
    d.silent()
    assert d.machine.state is State.PARKED


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.NONE])
def test_starttls(tmp_path: Path, security: Security) -> None:
    """Asked for, or needed because logins in the clear are refused: TLS first, then everything is asked anew."""
    d = Dialogue(tmp_path, tls=security)
    d.s("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi")
    d.c("STARTTLS")
    d.s("$ OK begin", "* CAPABILITY IMAP4rev1 AUTH=EVIL")
    assert Upgrade() in d.outputs
    d.silent()
    d.deliver(Upgraded())
    d.c("CAPABILITY")
    d.s("* CAPABILITY IMAP4rev1 AUTH=PLAIN", "$ OK")
    d.c("LOGIN u secret")
    d.journal.close()


@pytest.mark.parametrize("greeting", ["* OK [CAPABILITY IMAP4rev1] hi", "* PREAUTH [CAPABILITY IMAP4rev1] welcome"])
def test_no_starttls_no_password(tmp_path: Path, greeting: str) -> None:
    """Fault F91: where TLS was asked for, nothing goes on without it."""
    d = Dialogue(tmp_path, tls=Security.STARTTLS)
    d.s(greeting)
    d.silent()
    assert d.machine.state is State.PARKED
    d.journal.close()


def test_idle_ended_by_the_server(d: Dialogue) -> None:
    """Fault F38: begun again after a while, and after three times there is polling."""
    d.log_in()
    d.select()
    for attempt in range(3):
        d.c(f"UID FETCH 5:* {ITEMS}")
        d.s("$ OK nothing")
        d.c("IDLE")
        d.s("$ NO [UNAVAILABLE] later")
        if attempt < 2:
            d.silent()
            d.wait()
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("$ OK nothing")
    assert d.machine.state is State.POLLING
    assert "ending IDLE" in d.warnings()[0]


def test_polling(d: Dialogue) -> None:
    """Fault F40: NOOP and a look now and then, less often when nothing comes; a hint is taken at once."""
    d.log_in("IMAP4rev1")
    d.select()
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("$ OK nothing")
    assert d.machine.state is State.POLLING
    assert d.left() == pytest.approx(idling.POLL_SHORTEST)
    d.wait()
    d.c("NOOP")
    d.s("$ OK")
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("$ OK nothing")
    d.s("* 5 EXISTS")
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("$ OK nothing")
    d.now += 10_000
    d.wait(0)
    d.c("NOOP")
    d.s("$ OK")
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("$ OK nothing")
    assert d.left() == pytest.approx(idling.POLL_LONGEST)


def test_numbered_anew(d: Dialogue) -> None:
    """Fault F61: another UIDVALIDITY; what is there is left alone, what comes is filed, and the user is told."""
    d.idle()
    d.deliver(Lost("reset"))
    d.wait()
    d.log_in()
    d.select(uid_next=90, uid_validity=8)
    d.c(f"UID FETCH 90:* {ITEMS}")
    assert "numbered INBOX anew" in d.warnings()[0]


def test_a_mailbox_without_uidnext(d: Dialogue) -> None:
    """Fault F32: then the last message says where the end is."""
    d.log_in()
    d.s("* 2 EXISTS", "* OK [UIDVALIDITY 7] v", "$ OK selected")
    d.c("UID FETCH * (UID)")
    d.s("* 2 FETCH (UID 41)", "$ OK")
    d.c(f"UID FETCH 42:* {ITEMS}")


@pytest.mark.parametrize(
    "answer",
    [("* OK [UIDNEXT 4] n", "$ OK"), ("$ NO [NONEXISTENT] no"), ("* OK [UIDVALIDITY 4] v", "$ OK [READ-ONLY]")],
)
def test_a_mailbox_that_cannot_be_watched(d: Dialogue, answer: tuple[str, ...] | str) -> None:
    """Faults F63, F65: no UIDVALIDITY, not there, read-only: tried again after minutes, with the reason."""
    d.log_in()
    d.s(*([answer] if isinstance(answer, str) else answer))
    assert d.machine.state is State.BACKOFF
    assert d.changes()[-1].reason.startswith("mailbox: ") and d.left() >= 30


def test_a_message_that_is_not_readable_yet(d: Dialogue) -> None:
    """Fault F36: fetched again three times, the cursor stays; then it is left alone, and what follows is filed."""
    d.idle()
    idle = d.tag
    nil = "* 5 FETCH (UID 5 FLAGS () RFC822.SIZE 0 BODY[HEADER.FIELDS (MESSAGE-ID SUBJECT)] NIL)"
    d.s("* 6 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", nil, d.mail(6, "a list"), "$ OK")
    for pause in mailbox.RETRY_PAUSES:
        d.silent()
        assert d.left() == pytest.approx(pause)
        d.wait()
        d.c(f"UID FETCH 5:* {ITEMS}")
        d.s(nil, d.mail(6, "a list"), "$ OK")
    d.c("UID MOVE 6 Lists")
    assert "cannot be read" in d.warnings()[0]


def test_a_lower_uid_that_becomes_visible_later(d: Dialogue) -> None:
    """Several machines may keep one mailbox: what was left out is looked for as well, for a while, and filed once."""
    d.idle()
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(7, "a list"), "$ OK")
    d.c("UID MOVE 7 Lists")
    d.s("* OK [COPYUID 70 7 31] m", "* 5 EXPUNGE", "$ OK")
    d.c("IDLE")
    idle = d.tag
    d.s("+ idling", "* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:6,8:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(6, "a list"), "$ OK")
    d.c("UID MOVE 6 Lists")
    d.s("* OK [COPYUID 70 6 32] m", "* 5 EXPUNGE", "$ OK")
    d.c("IDLE")
    idle = d.tag
    d.s("+ idling")
    d.now += mailbox.HOLES_FOR + 1
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 8:* {ITEMS}")
    assert [filed.uid for filed in d.filed()] == [7, 6] and not d.warnings()


def test_a_missing_target_is_made(d: Dialogue) -> None:
    """TRYCREATE: make it, subscribe it, do it again (RFC 9051 §6.4.7)."""
    d.idle()
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), "$ OK")
    d.c("UID MOVE 5 Lists")
    d.s("$ NO [TRYCREATE] no such mailbox")
    d.c("CREATE Lists")
    d.s("$ OK")
    d.c("SUBSCRIBE Lists")
    d.s("$ NO whatever")
    d.c("UID MOVE 5 Lists")
    d.s("* OK [COPYUID 70 5 1] m", "$ OK")
    d.c("IDLE")
    assert len(d.filed()) == 1


def test_a_refused_action_is_tried_again_later_and_then_given_up(tmp_path: Path) -> None:
    """Three times, once with each renewal; the message stays where it is, and each time it is said."""
    d = Dialogue(tmp_path, create_mailboxes=False)
    d.idle()
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), "$ OK")
    for attempt in range(3):
        d.c("UID MOVE 5 Lists")
        d.s("$ NO [TRYCREATE] no such mailbox")
        d.c("IDLE")
        if attempt == 0:  # news do not count
            idle = d.tag
            d.s("+ idling", "* 5 EXISTS")
            d.c("DONE", f"UID FETCH 6:* {ITEMS}")
            d.s(f"{idle} OK", "$ OK")
            d.c("IDLE")
        idle = d.tag
        d.s("+ idling")
        d.wait()
        d.c("DONE", f"UID FETCH 6:* {ITEMS}")
        d.s(f"{idle} OK", "$ OK")
        assert len(d.warnings()) == attempt + 1
    d.c("IDLE")
    assert not d.filed()
    d.journal.close()


def test_one_bad_message_does_not_keep_the_others(d: Dialogue) -> None:
    """A NO for several messages: each is tried alone."""
    d.idle()
    idle = d.tag
    d.s("* 6 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), d.mail(6, "a list"), "$ OK")
    d.c("UID MOVE 5:6 Lists")
    d.s("$ NO something")
    d.c("UID MOVE 5 Lists")
    d.s("$ NO something")
    d.c("UID MOVE 6 Lists")
    d.s("* OK [COPYUID 70 6 1] m", "$ OK")
    assert [filed.uid for filed in d.filed()] == [6]


def test_without_move(d: Dialogue) -> None:
    """COPY, and only when that was done the flag, and an EXPUNGE of these and no others (faults F66, F68)."""
    d.idle("IMAP4rev1 IDLE UIDPLUS")
    idle = d.tag
    d.s("* 6 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), d.mail(6, "a list"), "$ OK")
    d.c("UID COPY 5:6 Lists")
    d.s("$ OK [COPYUID 70 5 31] copied")
    d.c("UID STORE 5 +FLAGS.SILENT (\\Deleted)")
    d.s("$ OK")
    d.c("UID EXPUNGE 5")
    d.s("* 5 EXPUNGE", "$ OK")
    d.c("IDLE")
    assert [filed.uid for filed in d.filed()] == [5]  # 6 was gone before: somebody else was first (fault F71)


def test_without_move_and_uidplus(d: Dialogue) -> None:
    """No bare EXPUNGE, ever: the message stays marked, and the user is told (fault F68)."""
    d.idle("IMAP4rev1 IDLE")
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), "$ OK")
    d.c("UID COPY 5 Lists")
    d.s("$ OK copied")
    look_for_the_copy(d, 5)
    d.c("UID STORE 5 +FLAGS.SILENT (\\Deleted)")
    d.s("$ OK")
    d.c(f"UID FETCH 6:* {ITEMS}")
    d.s("$ OK")
    d.c("IDLE")
    assert "no UIDPLUS" in d.warnings()[0] and len(d.filed()) == 1


def look_for_the_copy(d: Dialogue, uid: int, size: int = 99) -> None:
    """The client looks into Lists for the copy of a message; the size of what is there may be another."""
    d.c("EXAMINE Lists")
    d.s("* 9 EXISTS", "* OK [UIDVALIDITY 70] v", "$ OK [READ-ONLY] examined")
    d.c(f"UID SEARCH HEADER Message-ID <{uid}@x>")
    d.s("* SEARCH 31", "$ OK")
    d.c("UID FETCH 31 (UID INTERNALDATE RFC822.SIZE)")
    d.s(f'* 9 FETCH (UID 31 INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE {size})', "$ OK")
    d.c("SELECT INBOX")
    d.s("* 5 EXISTS", "* OK [UIDVALIDITY 7] v", "* OK [UIDNEXT 6] n", "$ OK [READ-WRITE] selected")


def test_a_copy_that_is_not_found_deletes_nothing(d: Dialogue) -> None:
    """COPY said OK and told no COPYUID: what is in the target has another size, so the message stays here too."""
    d.idle("IMAP4rev1 IDLE")
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), "$ OK")
    d.c("UID COPY 5 Lists")
    d.s("$ OK copied")
    look_for_the_copy(d, 5, size=98)
    d.c(f"UID FETCH 6:* {ITEMS}")
    assert "was not found" in d.warnings()[0] and not d.filed()


def test_a_copy_that_failed_deletes_nothing(d: Dialogue) -> None:
    """Fault F66."""
    d.idle("IMAP4rev1 IDLE UIDPLUS")
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), "$ OK")
    d.c("UID COPY 5 Lists")
    d.s("$ NO [OVERQUOTA] full")
    d.c("IDLE")


def test_discard_asks_where_the_trash_is(d: Dialogue) -> None:
    """RFC 6154; asked once, and only when it is wanted."""
    d.idle()
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "spam"), d.mail(6, "spam"), "$ OK")
    d.c('LIST "" *')
    d.s('* LIST (\\HasNoChildren \\Trash) "/" "Deleted Items"', "$ OK")
    d.c('UID MOVE 5:6 "Deleted Items"')


def test_after_a_cut_what_was_moved_is_not_moved_again(d: Dialogue) -> None:
    """The connection ends before the answer to MOVE: 5 is gone from here, 6 is here and there, 7 only here."""
    d.idle()
    idle = d.tag
    d.s("* 7 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", *(d.mail(uid, "a list") for uid in (5, 6, 7)), "$ OK")
    d.c("UID MOVE 5:7 Lists")
    d.deliver(Lost("reset"))
    d.wait()
    d.log_in()
    d.select(8)
    d.c("UID FETCH 5:7 (UID)")
    d.s("* 1 FETCH (UID 6)", "* 2 FETCH (UID 7)", "$ OK")
    d.c("EXAMINE Lists")
    d.s("* OK [UIDVALIDITY 70] v", "$ OK [READ-ONLY]")
    d.c("UID SEARCH HEADER Message-ID <6@x>")
    d.s("* SEARCH 31", "$ OK")
    d.c("UID FETCH 31 (UID INTERNALDATE RFC822.SIZE)")
    d.s('* 1 FETCH (UID 31 INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE 99)', "$ OK")
    d.c("UID SEARCH HEADER Message-ID <7@x>")
    d.s("* SEARCH 32", "$ OK")
    d.c("UID FETCH 32 (UID INTERNALDATE RFC822.SIZE)")
    d.s('* 1 FETCH (UID 32 INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE 98)', "$ OK")
    d.c("SELECT INBOX")
    d.select(8)
    d.c("UID STORE 6 +FLAGS.SILENT (\\Deleted)")
    d.s("$ OK")
    d.c("UID EXPUNGE 6")
    d.s("$ OK")
    d.c("UID MOVE 7 Lists")
    d.s("* OK [COPYUID 70 7 33] m", "$ OK")
    d.c(f"UID FETCH 8:* {ITEMS}")
    assert [filed.uid for filed in d.filed()] == [5, 6, 7]


def test_many_are_moved_by_the_hundred(d: Dialogue) -> None:
    """After a cut only those of the command that was not answered are looked for in the target."""
    d.idle()
    idle = d.tag
    d.s("* 2500 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", *(d.mail(uid, "a list") for uid in range(5, 255)), "$ OK")
    d.c("UID MOVE 5:104 Lists")
    d.s("* OK [COPYUID 70 5:104 1:100] m", "$ OK")
    d.c("UID MOVE 105:204 Lists")
    d.deliver(Lost("reset"))
    d.wait()
    d.log_in()
    d.select(255)
    d.c("UID FETCH 105:254 (UID)")
    d.s("* 1 FETCH (UID 204)", "* 2 FETCH (UID 205)", "$ OK")
    d.c("EXAMINE Lists")
    d.s("$ OK [READ-ONLY]")
    d.c("UID SEARCH HEADER Message-ID <204@x>")
    d.s("* SEARCH", "$ OK")
    d.c("SELECT INBOX")
    d.select(255)
    d.c("UID MOVE 204:205 Lists")


def test_throttled(d: Dialogue) -> None:
    """Fault F45: Exchange says for how long."""
    d.idle()
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", "$ NO Request is throttled. Suggested Backoff Time: 924150 milliseconds")
    assert d.machine.state is State.BACKOFF and d.left() == pytest.approx(924.15)


def test_a_server_that_wants_idle_to_end_in_peace(d: Dialogue) -> None:
    """BAD for a command right behind DONE: from then on the end of IDLE is waited for."""
    d.idle()
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s("$ BAD expected DONE", f"{idle} OK")
    d.c(f"UID FETCH 5:* {ITEMS}")
    d.s("$ OK")
    d.c("IDLE")
    d.s("+ idling", "* 6 EXISTS")
    d.c("DONE")
    d.s("$ OK")
    d.c(f"UID FETCH 5:* {ITEMS}")


def test_a_server_that_always_announces_does_not_keep_us_running(d: Dialogue) -> None:
    """Hints that lead to nothing are followed a few times at once, then once a second."""
    d.log_in()
    d.select()
    for _ in range(mailbox.EMPTY_ROUNDS):
        d.c(f"UID FETCH 5:* {ITEMS}")
        d.s("* 9 EXISTS", "$ OK nothing")
    d.silent()
    assert d.left() == pytest.approx(mailbox.EMPTY_PAUSE)
    d.wait()
    d.c(f"UID FETCH 5:* {ITEMS}")


def test_a_journal_that_fails_stops_everything_until_it_works(d: Dialogue) -> None:
    """Disk full: nothing is done that is not written down."""
    d.idle()
    idle = d.tag
    d.s("* 5 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.answers = False
    d.s(f"{idle} OK", d.mail(5, "a list"), "$ OK")
    d.silent()
    asked = next(output for output in reversed(d.outputs) if isinstance(output, Ask))
    d.deliver(Answered(asked.number, JournalFailed("journal: disk full")))
    assert d.machine.state is State.BACKOFF and "disk full" in d.changes()[-1].reason
    d.answers = True
    d.wait()
    d.log_in()
    d.select(6)
    d.c(f"UID FETCH 5:* {ITEMS}")


def test_stop_while_idling(d: Dialogue) -> None:
    """DONE and LOGOUT in one go; the answer is waited for, but not for long."""
    d.idle()
    d.deliver(StopRequested())
    d.c("DONE", "LOGOUT")
    assert d.left() <= machine.LOGOUT_PATIENCE
    assert Disconnect() in d.wait()
    assert d.machine.state is State.STOPPED and d.machine.deadline is None


def test_stop_during_a_move_waits_for_its_answer(d: Dialogue) -> None:
    """What was begun is finished, if that is soon; nothing else is begun."""
    d.idle()
    idle = d.tag
    d.s("* 6 EXISTS")
    d.c("DONE", f"UID FETCH 5:* {ITEMS}")
    d.s(f"{idle} OK", d.mail(5, "a list"), d.mail(6, "both"), "$ OK")
    d.c("UID MOVE 5 Lists")
    d.deliver(StopRequested())
    d.silent()
    assert d.left() == pytest.approx(conversation.STOP_PATIENCE)
    d.s("* OK [COPYUID 70 5 31] m", "$ OK")
    d.c("LOGOUT")
    d.s("* BYE", "$ OK")
    assert d.machine.state is State.STOPPED and [filed.uid for filed in d.filed()] == [5]


def test_stop_without_a_connection(d: Dialogue) -> None:
    """While it connects, and while it waits to connect."""
    d.deliver(Lost("refused"))
    assert d.machine.state is State.BACKOFF
    d.deliver(StopRequested())
    assert d.machine.state is State.STOPPED
    d.begin()
    assert Disconnect() in d.deliver(StopRequested())
    assert d.machine.state is State.STOPPED


def test_a_long_backlog_comes_in_windows(tmp_path: Path) -> None:
    """UIDs are searched first, and fetched in pieces; a gap of a million UIDs costs a few searches."""
    d = Dialogue(tmp_path, backlog=True)
    d.log_in()
    d.select(1_000_000)
    d.c("UID SEARCH UID 1:50000")
    d.s("* SEARCH", "$ OK")
    d.c("UID SEARCH UID 50001:150000")
    d.s("* SEARCH " + " ".join(str(uid) for uid in range(60_000, 60_600)), "$ OK")
    d.c(f"UID FETCH 60000:60499 {ITEMS}")
    d.s(d.mail(60_000, "plain"), d.mail(60_499, "plain"), "$ OK")
    d.c("UID SEARCH UID 60500:160499")
    d.s("* SEARCH", "$ OK")
    d.c("UID SEARCH UID 160500:360499")
    d.journal.close()


def test_a_server_that_answers_esearch(tmp_path: Path) -> None:
    """IMAP4rev2 alone has nothing else; of a range without an end the smallest UIDs are taken."""
    d = Dialogue(tmp_path, backlog=True)
    d.log_in()
    d.select(1_000_000)
    d.c("UID SEARCH UID 1:50000")
    d.s('* ESEARCH (TAG "m4") UID', "$ OK")
    d.c("UID SEARCH UID 50001:150000")
    d.s('* ESEARCH (TAG "m5") UID ALL 4294967295:100000,60000:60599', "$ OK")
    d.c(f"UID FETCH 60000:60499 {ITEMS}")
    d.journal.close()


def test_a_deadline_that_is_not_reached_changes_nothing(d: Dialogue) -> None:
    """A wake-up too early, or a connection's bytes without a whole line: no command, the same deadline."""
    d.idle()
    before = d.machine.deadline
    assert d.wait(1) == []
    d.silent()
    assert d.machine.deadline == before


@pytest.mark.parametrize(
    "module",
    [
        machine,
        account,
        events,
        act,
        facts,
        ledger,
        providers,
        conversation,
        filing,
        idling,
        login,
        mailbox,
        rounds,
        trouble,
    ],
)
def test_pure(module: object) -> None:
    """The machine and what it thinks with import nothing that could read, wait, or know what time it is."""
    forbidden = {"asyncio", "socket", "ssl", "threading", "selectors", "time", "random", "structlog", "os", "net"}
    tree = ast.parse(Path(str(module.__file__)).read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    assert not imported & forbidden
