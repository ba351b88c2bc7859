"""Logging in by SCRAM, as dialogues without a socket; the rest of the login is in test_machine.py."""

from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from tests.watch.test_machine import Dialogue

from mailhorn.sasl.scram import PLUS, KeysWanted, ScramServer, derive
from mailhorn.watch.account import Security
from mailhorn.watch.events import Bind, Bound, Derive, Derived, State, Upgraded

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
