"""SCRAM-SHA-256, both roles against the RFC and against each other."""

from base64 import b64decode

import pytest

from mailhorn.sasl import Challenge, Malformed
from mailhorn.sasl.scram import MAX_ITERATIONS, KeysWanted, Proven, Refuted, ScramClient, ScramServer, derive

# RFC 7677 §3
CLIENT_NONCE, SERVER_NONCE = "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
FIRST = b"n,,n=user,r=" + CLIENT_NONCE.encode()
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
KEYS = derive("pencil", SALT, 4096)
BINDING = ("tls-server-end-point", b"\x01\x02\x03")


def test_the_client_of_the_rfc() -> None:
    """RFC 7677 §3, octet for octet; the server must prove itself."""
    client = ScramClient("user", "pencil", CLIENT_NONCE)
    assert client.initial() == FIRST
    assert client.answer(SERVER_FIRST) == FINAL
    assert not client.verified
    assert client.answer(SERVER_FINAL) == b"" and client.verified


def test_the_server_of_the_rfc() -> None:
    """RFC 7677 §3, octet for octet."""
    server = ScramServer(SERVER_NONCE)
    assert server.step(None) == Challenge(b"")
    assert server.step(FIRST) == KeysWanted("user")
    assert server.keys_found(KEYS) == Challenge(SERVER_FIRST)
    assert server.step(FINAL) == Challenge(SERVER_FINAL)
    assert server.step(b"") == Proven("", "user")


def exchange(client: ScramClient, server: ScramServer, password: str = "pencil") -> object:
    outcome = server.step(client.initial())
    if isinstance(outcome, KeysWanted):
        outcome = server.keys_found(derive(password, SALT, 4096))
    while isinstance(outcome, Challenge):
        answer = client.answer(outcome.data)
        assert answer is not None
        outcome = server.step(answer)
    return outcome


def test_names_and_passwords_of_all_kinds() -> None:
    """Commas and equals signs are escaped; SASLprep makes two spellings of a password one."""
    client = ScramClient("a,b=c", "\u2168\u00ad", "n1", authzid="z,")
    assert exchange(client, ScramServer("n2"), "IX") == Proven("z,", "a,b=c")
    assert client.verified


@pytest.mark.parametrize("password", ["Pencil", "pencil "])
def test_a_wrong_password(password: str) -> None:
    """Is refuted and no more said."""
    assert exchange(ScramClient("user", password, "n1"), ScramServer("n2")) == Refuted()


def test_channel_binding() -> None:
    """Both ends see the same channel, or the exchange fails."""
    client = ScramClient("user", "pencil", "n1", BINDING)
    assert client.name == "SCRAM-SHA-256-PLUS"
    assert exchange(client, ScramServer("n2", dict([BINDING]), plus=True)) == Proven("", "user")
    between = {BINDING[0]: b"somebody else's"}
    assert exchange(ScramClient("user", "pencil", "n1", BINDING), ScramServer("n2", between, plus=True)) == Refuted()


def test_a_downgrade_is_noticed() -> None:
    """Who could bind and was not offered PLUS by a server that offers it has been lied to (RFC 5802 §6)."""
    client = ScramClient("user", "pencil", "n1", could_bind=True)
    assert exchange(client, ScramServer("n2", dict([BINDING]))) == Refuted()
    assert exchange(ScramClient("user", "pencil", "n1", could_bind=True), ScramServer("n2")) == Proven("", "user")


@pytest.mark.parametrize(
    ("message", "plus"),
    [
        (b"", False),
        (b"n,,n=user", False),
        (b"n,,n=,r=x", False),
        (b"n,,n=a=b,r=x", False),
        (b"n,,n=\xff,r=x", False),
        (b"n,,m=ext,n=user,r=x", False),
        (b"n,,n=user,r=" + b"x" * 600, False),
        (b"p=tls-unique,,n=user,r=x", True),
        (b"p=tls-server-end-point,,n=user,r=x", False),
        (b"n,,n=user,r=x", True),
        (b"n" * 5000, False),
    ],
)
def test_first_messages_that_are_none(message: bytes, plus: bool) -> None:
    """A mandatory extension that we do not know is an error, too (RFC 5802 §5.1)."""
    assert isinstance(ScramServer("n2", dict([BINDING]), plus).step(message), Malformed)


@pytest.mark.parametrize(
    ("final", "outcome"),
    [
        (b"", Malformed),
        (b"c=biws,r=x", Malformed),
        (b"c=biws,r=x,p=AAAA", Malformed),
        (FINAL.replace(b"biws", b"eSws"), Refuted),
        (FINAL.replace(b"r=rO", b"r=RO"), Refuted),
        (FINAL.replace(b"p=dH", b"p=DH"), Refuted),
    ],
)
def test_final_messages_that_prove_nothing(final: bytes, outcome: type) -> None:
    """Each field counts."""
    server = ScramServer(SERVER_NONCE)
    server.step(FIRST)
    server.keys_found(KEYS)
    assert isinstance(server.step(final), outcome)


@pytest.mark.parametrize(
    "first",
    [
        b"",
        SERVER_FIRST.replace(b"r=rO", b"r=RO"),
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        SERVER_FIRST.replace(b"4096", b"4095"),
        SERVER_FIRST.replace(b"4096", b"%d" % (MAX_ITERATIONS + 1)),
        SERVER_FIRST.replace(b"s=W22", b"s=!"),
        b"m=ext," + SERVER_FIRST,
    ],
)
def test_servers_a_client_does_not_trust(first: bytes) -> None:
    """Another nonce, too cheap or too dear a hash: cancelled."""
    assert ScramClient("user", "pencil", CLIENT_NONCE).answer(first) is None


def test_a_server_that_proves_nothing() -> None:
    """Is not who it says."""
    client = ScramClient("user", "pencil", CLIENT_NONCE)
    client.answer(SERVER_FIRST)
    assert client.answer(SERVER_FINAL.replace(b"6r", b"7r")) is None and not client.verified
