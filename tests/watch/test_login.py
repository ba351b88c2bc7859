"""Logging in by SCRAM, as dialogues without a socket; the rest of the login is in test_machine.py."""

from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from tests.watch.test_machine import Dialogue

from mailhorn.sasl.scram import PLUS, KeysWanted, ScramServer, derive
from mailhorn.watch.account import Security, TokenSource
from mailhorn.watch.events import Authorize, Authorized, Bind, Bound, Derive, Derived, State, Upgraded

BINDING = ("tls-server-end-point", b"\1\2\3")
KEYS = derive("secret", bytes(16), 4096)


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def offered(d: Dialogue, capabilities: str, binding: tuple[str, bytes] | None = None) -> str:
    """From the greeting to AUTHENTICATE; returns its line without the tag."""
    d.s(f"* OK [CAPABILITY IMAP4rev1 {capabilities}] hi")
    d.silent()
    assert d.outputs[-1] == Bind()
    d.deliver(Bound("nonce", binding))
    line, _, d._sent = d._sent.partition(b"\r\n")
    tag, _, said = line.decode().partition(" ")
    d.tag = tag
    return said


def derived(d: Dialogue) -> bytes | None:
    """Have the mechanism answer, as the supervisor does."""
    work = d.outputs[-1]
    assert isinstance(work, Derive)
    answer = work.mechanism.answer(work.challenge)
    d.deliver(Derived(answer))
    return answer


def first_of(server: ScramServer, message: bytes) -> bytes:
    step = server.step(message)
    assert isinstance(step, KeysWanted)
    return server.keys_found(KEYS).data


@pytest.mark.parametrize("binding", [BINDING, None])
@pytest.mark.parametrize("initial", [True, False])
def test_scram(tmp_path: Path, binding: tuple[str, bytes] | None, initial: bool) -> None:
    """PLUS where both ends have a channel; both prove that they know the password."""
    d = Dialogue(tmp_path)
    ir = " SASL-IR" if initial else ""
    said = offered(d, f"AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS AUTH=PLAIN{ir}", binding)
    name = PLUS if binding else "SCRAM-SHA-256"
    server = ScramServer("other", dict([BINDING]), plus=bool(binding))
    if initial:
        message = said.removeprefix(f"AUTHENTICATE {name} ")
    else:
        assert said == f"AUTHENTICATE {name}"
        d.s("+ ")
        message = d._sent.decode().removesuffix("\r\n")
        d._sent = b""
    d.s(f"+ {b64(first_of(server, b64decode(message)))}")
    proof = derived(d)
    assert proof is not None
    d._sent = b""
    final = server.step(proof)
    d.s(f"+ {b64(final.data)}")  # type: ignore[union-attr]
    assert derived(d) == b""
    d._sent = b""
    d.s("$ OK [CAPABILITY IMAP4rev1 IDLE] in")
    d.c("SELECT INBOX")


def test_where_scram_is_refused_the_password_is_sent_and_that_is_remembered(tmp_path: Path) -> None:
    """Servers offer it for accounts that cannot use it."""
    d = Dialogue(tmp_path)
    said = offered(d, "AUTH=SCRAM-SHA-256 AUTH=PLAIN SASL-IR")
    assert said.startswith("AUTHENTICATE SCRAM-SHA-256 ")
    d.s("$ NO [AUTHENTICATIONFAILED] no")
    d.c(f"AUTHENTICATE PLAIN {b64(bytes(1) + b'u' + bytes(1) + b'secret')}")
    d.s("$ OK [CAPABILITY IMAP4rev1 IDLE] in")
    d.c("SELECT INBOX")
    d.s("* BYE restarting")
    while d.connection is None:
        d.wait()
    d.s("* OK [CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN SASL-IR] hi")
    d.c(f"AUTHENTICATE PLAIN {b64(bytes(1) + b'u' + bytes(1) + b'secret')}")


def test_what_another_mechanism_does_not_help_against(tmp_path: Path) -> None:
    """A server that is not available is asked later."""
    d = Dialogue(tmp_path)
    offered(d, "AUTH=SCRAM-SHA-256 AUTH=PLAIN SASL-IR")
    d.s("$ NO [UNAVAILABLE] later")
    d.silent()
    assert d.machine.state is State.BACKOFF


@pytest.mark.parametrize("lie", ["OK at once", "wrong proof"])
def test_a_server_that_does_not_know_the_password_gets_nothing(tmp_path: Path, lie: str) -> None:
    """Neither the password nor a command."""
    d = Dialogue(tmp_path)
    said = offered(d, "AUTH=SCRAM-SHA-256 AUTH=PLAIN SASL-IR")
    if lie == "wrong proof":
        server = ScramServer("other")
        d.s(f"+ {b64(first_of(server, b64decode(said.rpartition(' ')[2])))}")
        derived(d)
        d._sent = b""
        d.s(f"+ {b64(b'v=' + b64encode(bytes(32)))}")
        assert derived(d) is None
        assert d._sent == b"*\r\n"
        d._sent = b""
        d.s("$ BAD cancelled")
    else:
        d.s("$ OK in")
    d.silent()
    assert d.machine.state is State.BACKOFF
    assert "has not proved" in d.changes()[-1].reason


def test_a_server_that_asks_for_too_much_is_cancelled(tmp_path: Path) -> None:
    """And for nonsense, and for ever."""
    d = Dialogue(tmp_path)
    offered(d, "AUTH=SCRAM-SHA-256 LOGINDISABLED SASL-IR")
    d.s("+ not base64!")
    assert d._sent == b"*\r\n"
    d._sent = b""
    d.s("$ BAD cancelled")
    d.silent()
    assert d.machine.state is not State.IDLE


def test_after_starttls(tmp_path: Path) -> None:
    """What was offered before TLS does not count."""
    d = Dialogue(tmp_path, tls=Security.STARTTLS)
    d.s("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hi")
    d.c("STARTTLS")
    d.s("$ OK begin")
    d.deliver(Upgraded())
    d.c("CAPABILITY")
    d.s("* CAPABILITY IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=PLAIN", "$ OK")
    assert d.outputs[-1] == Bind()


def tokened(tmp_path: Path, capabilities: str) -> Dialogue:
    """Up to the wish for a token."""
    urls = ("https://a.example/authorize", "https://a.example/token", "")
    source = TokenSource(*urls, "id", "", "mail", tmp_path / "tokens", "mailhorn watch login a")
    d = Dialogue(tmp_path, tokens=source)
    d.s(f"* OK [CAPABILITY IMAP4rev1 {capabilities}] hi")
    d.silent()
    return d


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        ("AUTH=XOAUTH2 AUTH=OAUTHBEARER AUTH=PLAIN", b"n,a=u,\1host=imap.example.com\1port=993\1auth=Bearer t1\1\1"),
        ("AUTH=XOAUTH2 AUTH=PLAIN", b"user=u\1auth=Bearer t1\1\1"),
    ],
)
@pytest.mark.parametrize("initial", [True, False])
def test_a_token(tmp_path: Path, offered: str, said: bytes, initial: bool) -> None:
    """The standard mechanism where it is offered; the connection is made anew before the token expires (F42)."""
    d = tokened(tmp_path, offered + (" SASL-IR" if initial else ""))
    assert d.outputs[-1] == Authorize("")
    d.deliver(Authorized("t1", good_for=1200.0))
    name = "OAUTHBEARER" if "OAUTHBEARER" in offered else "XOAUTH2"
    if initial:
        d.c(f"AUTHENTICATE {name} {b64(said)}")
    else:
        d.c(f"AUTHENTICATE {name}")
        d.s("+ ")
        assert d._sent == b64(said).encode() + b"\r\n"
        d._sent = b""
    d.s("$ OK [CAPABILITY IMAP4rev1 IDLE] in")
    d.c("SELECT INBOX")
    d.select()
    connection, began, idling = d.connection, d.now, ""
    while d.connection is connection:
        lines, d._sent = d._sent.decode().splitlines(), b""
        for line in lines:
            tag = line.partition(" ")[0]
            if line == "DONE":
                d.s(f"{idling} OK ended")
            elif line.endswith(" IDLE"):
                idling = tag
                d.s("+ idling")
            else:
                d.s(f"{tag} OK done")
        if not lines:
            d.wait()
    assert d.now - began == pytest.approx(1200.0)
    assert d.changes()[-1].reason == "expired: the access token is about to expire"
    assert d.left() <= 1.0
    assert "t1" not in repr(d.outputs)


def test_a_refused_token_is_renewed_once(tmp_path: Path) -> None:
    """An old one may have been taken back; a new one that is refused, too, is a refused login (F58)."""
    d = tokened(tmp_path, "AUTH=XOAUTH2 SASL-IR")
    d.deliver(Authorized("t1", good_for=1200.0))
    tag = d._sent.split()[0].decode()
    d._sent = b""
    d.s("+ eyJzdGF0dXMiOiI0MDEifQ==")
    assert d._sent == b"\r\n"
    d._sent = b""
    d.s(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials")
    assert d.machine.state is State.BACKOFF
    assert d.left() <= 1.0
    d.wait()
    d.s("* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR] hi")
    assert d.outputs[-1] == Authorize("t1")
    d.deliver(Authorized("t2", good_for=1200.0, new=True))
    d.tag = d._sent.split()[0].decode()
    d._sent = b""
    d.s("$ NO [AUTHENTICATIONFAILED] Invalid credentials")
    assert d.machine.state is State.BACKOFF
    assert d.left() >= 150


@pytest.mark.parametrize(("final", "state"), [(True, State.PARKED), (False, State.BACKOFF)])
def test_no_token(tmp_path: Path, final: bool, state: State) -> None:
    """Somebody has to log in, or the authority is away: the reason says so."""
    d = tokened(tmp_path, "AUTH=OAUTHBEARER SASL-IR")
    d.deliver(Authorized(problem="nobody has logged in yet", final=final))
    assert d.machine.state is state
    assert "nobody has logged in yet" in d.machine.reason


def test_a_server_without_tokens(tmp_path: Path) -> None:
    """It gets none, and no password either."""
    d = tokened(tmp_path, "AUTH=PLAIN SASL-IR")
    assert d.machine.state is State.PARKED
    assert d.machine.reason == "settings: the server takes no tokens; it wants a password"
