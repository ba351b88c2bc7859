"""Every mechanism, on IMAP and SMTP, over real sockets to a whole server; both roles are ours."""

import asyncio
import ssl
from pathlib import Path

import pytest
from tests.kit.certificates import Authority
from tests.kit.introspection import introspection
from tests.kit.mailserver import PASSWORD, running_server
from tests.kit.sasl import sasl_line

from mailhorn.config.settings import Sasl, Tls
from mailhorn.net.tls import client_context
from mailhorn.sasl import PlainClient
from mailhorn.sasl.external import ExternalClient
from mailhorn.sasl.oauth import OAuthClient
from mailhorn.sasl.scram import ScramClient
from mailhorn.server.passwords import BULK, BULK_ITERATIONS, hash_password

IMAP_SMTP = pytest.mark.parametrize("smtp", [False, True], ids=["imap", "smtp"])


def logged_in(line: str) -> bool:
    return line.startswith(("x OK", "235 "))


def port(server: object, smtp: bool, tls: bool = False) -> int:
    return server.ports[("smtp" if smtp else "imap") + ("s" if tls else "")]  # type: ignore[attr-defined]


def trusting(data: Path) -> ssl.SSLContext:
    """Return what a client has that trusts the server's own certificate."""
    return client_context(data / "tls" / "self-signed.crt")


@IMAP_SMTP
@pytest.mark.parametrize("initial", [True, False], ids=["at once", "asked for"])
async def test_scram(tmp_path: Path, smtp: bool, initial: bool) -> None:
    """Both sides prove that they know the password; a wrong one is refused, and the connection goes on."""
    async with running_server(tmp_path, ["ann"]) as server, sasl_line(port(server, smtp), smtp) as line:
        assert {"SCRAM-SHA-256", "PLAIN", "LOGIN"} == await line.mechanisms()
        wrong = await line.authenticate(ScramClient("ann", "else", "n1"), initial)
        assert wrong.startswith(("x NO [AUTHENTICATIONFAILED]", "535 5.7.8"))
        client = ScramClient("ann", PASSWORD, "n2", could_bind=True, authzid="ann")
        assert logged_in(await line.authenticate(client, initial))
        assert client.verified


@IMAP_SMTP
@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "starttls"])
async def test_scram_plus(tmp_path: Path, smtp: bool, implicit: bool) -> None:
    """Under TLS both ends see the same certificate, or there is no login; who was shown no PLUS has been lied to."""
    async with running_server(tmp_path, ["ann"]) as server:
        tls = trusting(tmp_path)
        async with sasl_line(port(server, smtp, implicit), smtp, tls if implicit else None) as line:
            if not implicit:
                assert "SCRAM-SHA-256-PLUS" not in await line.mechanisms()
                await line.start_tls(tls)
            assert "SCRAM-SHA-256-PLUS" in await line.mechanisms()
            elsewhere = (line.binding[0], bytes(32))
            assert not logged_in(await line.authenticate(ScramClient("ann", PASSWORD, "n1", elsewhere)))
            assert not logged_in(await line.authenticate(ScramClient("ann", PASSWORD, "n2", could_bind=True)))
            client = ScramClient("ann", PASSWORD, "n3", line.binding)
            assert logged_in(await line.authenticate(client))
            assert client.verified


async def test_a_client_that_cannot_bind_logs_in_where_plus_is_offered(tmp_path: Path) -> None:
    """And one that could, where PLUS is switched off."""
    for on in (True, False):
        data = tmp_path / str(on)
        async with running_server(data, ["ann"], sasl=Sasl(channel_binding=on)) as server:
            async with sasl_line(server.ports["imaps"], tls=trusting(data)) as line:
                assert ("SCRAM-SHA-256-PLUS" in await line.mechanisms()) is on
                assert logged_in(await line.authenticate(ScramClient("ann", PASSWORD, "n", could_bind=not on)))


async def test_who_is_not_known_is_asked_like_everybody(tmp_path: Path) -> None:
    """A stranger's salt and count look like an account's and stay the same, also after a restart."""
    asked: dict[str, set[bytes]] = {}
    for _ in range(2):
        async with running_server(tmp_path, ["ann"]) as server:
            await server.server.accounts.survey()
            for name in ("ann", "nobody", "someone"):
                for _ in range(2):
                    async with sasl_line(server.ports["imap"]) as line:
                        assert not logged_in(await line.authenticate(ScramClient(name, "else", "n")))
                        asked.setdefault(name, set()).add(line.said[0].partition(b",")[2])
    (ann,), (nobody,), (someone,) = asked.values()
    assert len({ann, nobody, someone}) == 3
    assert len({said.rpartition(b",")[2] for said in (ann, nobody, someone)}) == 1
    assert len({len(said) for said in (ann, nobody, someone)}) == 1


async def test_scram_is_offered_once_all_can_use_it(tmp_path: Path) -> None:
    """An account without keys ends it for all; a login with the password makes them, and it is back."""
    async with running_server(tmp_path, ["ann"]) as server:
        index, accounts = server.server.mail.store.index, server.server.accounts
        await index.add_accounts([("bob", hash_password(PASSWORD, BULK))])
        async with sasl_line(server.ports["imap"]) as line:
            assert "SCRAM-SHA-256" in await line.mechanisms()  # nobody has looked yet
            assert not logged_in(await line.authenticate(ScramClient("bob", PASSWORD, "n")))
            assert "SCRAM-SHA-256" not in await line.mechanisms()  # he is locked out once
            assert (await line.authenticate(ScramClient("ann", PASSWORD, "n"))).startswith("x NO [CANNOT]")
            assert logged_in(await line.authenticate(PlainClient("bob", PASSWORD)))
        async with asyncio.timeout(30):
            while await accounts.survey():
                pass
        async with sasl_line(server.ports["imap"]) as line:
            client = ScramClient("bob", PASSWORD, "n")
            assert logged_in(await line.authenticate(client))


@pytest.mark.parametrize("scram", ["always", "never"])
async def test_settings_decide(tmp_path: Path, scram: str) -> None:
    """SCRAM is offered while there are accounts that cannot use it, or never."""
    async with running_server(tmp_path, ["ann"], sasl=Sasl(scram=scram)) as server:  # type: ignore[arg-type]
        await server.server.mail.store.index.add_accounts([("bob", hash_password(PASSWORD, BULK))])
        async with sasl_line(server.ports["imap"]) as line:
            assert logged_in(await line.authenticate(PlainClient("bob", PASSWORD)))
        async with sasl_line(server.ports["imap"]) as line:
            assert ("SCRAM-SHA-256" in await line.mechanisms()) is (scram == "always")


async def test_guesses_are_slowed_down_whatever_the_mechanism(tmp_path: Path) -> None:
    """Failures by PLAIN and SCRAM count together."""
    async with running_server(tmp_path, ["ann"]) as server:
        loop, times = asyncio.get_running_loop(), []
        for guess in range(5):
            async with sasl_line(server.ports["imap"]) as line:
                begun = loop.time()
                wrong = ScramClient("ann", "else", "n") if guess else PlainClient("ann", "else")
                assert not logged_in(await line.authenticate(wrong))
                times.append(loop.time() - begun)
        assert times[4] > 0.9


async def test_nobody_acts_for_somebody_else(tmp_path: Path) -> None:
    """Also with a right proof."""
    async with running_server(tmp_path, ["ann", "bob"]) as server, sasl_line(server.ports["imap"]) as line:
        said = await line.authenticate(ScramClient("ann", PASSWORD, "n", authzid="bob"))
        assert said.startswith("x NO [AUTHORIZATIONFAILED]")


@pytest.mark.parametrize("service", ["imap", "imaps", "smtps"])
async def test_external(tmp_path: Path, service: str) -> None:
    """A certificate of the authority that is set lets in whose mail address it has."""
    authority = Authority(tmp_path / "ca")
    certificate = authority.client("Ann", "ann@example.org", "bob@example.org", "nobody@example.org")
    settings = {"tls": Tls(client_ca=authority.certificate), "domains": ("example.org",)}
    async with running_server(tmp_path / "data", ["ann", "bob@example.org", "eve"], **settings) as server:
        tls = trusting(tmp_path / "data")
        tls.load_cert_chain(*certificate)
        smtp, implicit = service == "smtps", service != "imap"
        async with sasl_line(server.ports[service], smtp, tls if implicit else None) as line:
            if not implicit:
                assert "EXTERNAL" not in await line.mechanisms()
                await line.start_tls(tls)
            assert "EXTERNAL" in await line.mechanisms()
            assert not logged_in(await line.authenticate(ExternalClient("eve")))
            assert not logged_in(await line.authenticate(ExternalClient("nobody@example.org")))
            assert logged_in(await line.authenticate(ExternalClient(), initial=False))
        async with sasl_line(server.ports["imaps"], tls=tls) as line:
            assert logged_in(await line.authenticate(ExternalClient("bob@example.org")))
        async with sasl_line(server.ports["imaps"], tls=trusting(tmp_path / "data")) as line:
            assert "EXTERNAL" not in await line.mechanisms()  # who shows none


async def test_external_by_common_name_and_not_by_another_authority(tmp_path: Path) -> None:
    """A certificate without addresses is of the account its common name is; one of somebody else gets no connection."""
    authority, other = Authority(tmp_path / "ca"), Authority(tmp_path / "other")
    async with running_server(tmp_path / "data", ["ann"], tls=Tls(client_ca=authority.certificate)) as server:
        tls = trusting(tmp_path / "data")
        tls.load_cert_chain(*authority.client("ann"))
        async with sasl_line(server.ports["imaps"], tls=tls) as line:
            assert logged_in(await line.authenticate(ExternalClient()))
        strange = trusting(tmp_path / "data")
        strange.load_cert_chain(*other.client("ann"))
        with pytest.raises((OSError, AssertionError)):
            async with sasl_line(server.ports["imaps"], tls=strange):
                pass
        async with sasl_line(server.ports["smtp"], smtp=True) as line:
            await line.start_tls(strange)  # another mail server may have any certificate
            assert "EXTERNAL" not in await line.mechanisms()


@IMAP_SMTP
@pytest.mark.parametrize("old", [False, True], ids=["OAUTHBEARER", "XOAUTH2"])
async def test_tokens(tmp_path: Path, smtp: bool, old: bool) -> None:
    """A good token lets in; a bad one is answered in JSON, and after the client's last word by NO (RFC 7628 §3.2.3)."""
    with introspection() as (oauth, asked):
        async with running_server(tmp_path, ["ann", "eve"], oauth=oauth) as server:
            for user, token in [("ann", "old"), ("ann", "narrow"), ("ann", "elsewhere"), ("eve", "good")]:
                async with sasl_line(port(server, smtp), smtp) as line:
                    client = OAuthClient(user, token, "localhost", xoauth2=old)
                    assert client.name in await line.mechanisms()
                    assert (await line.authenticate(client)).startswith(("x NO [AUTHENTICATIONFAILED]", "535 5.7.8"))
                    assert client.problem is not None and client.problem["scope"] == "mail"
                    assert client.problem["status"] == ("401" if old else "invalid_token")
                    assert ("openid-configuration" in client.problem) is not old
            for user, token in [("ann", "over"), ("nobody", "nobody")]:
                async with sasl_line(port(server, smtp), smtp) as line:
                    assert not logged_in(await line.authenticate(OAuthClient(user, token, xoauth2=old)))
            for token in ("good", "mail", "good"):
                async with sasl_line(port(server, smtp), smtp) as line:
                    assert logged_in(await line.authenticate(OAuthClient("ann", token, xoauth2=old), initial=False))
            assert asked.count("good") == 1  # remembered
            assert asked.count("old") == 1


@IMAP_SMTP
async def test_tokens_that_nobody_can_verify(tmp_path: Path, smtp: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """That is not the client's fault, and it may come again; no token is in the log."""
    with introspection() as (oauth, _):
        async with running_server(tmp_path, ["ann"], oauth=oauth) as server:
            async with sasl_line(port(server, smtp), smtp) as line:
                said = await line.authenticate(OAuthClient("ann", "broken"))
                assert said.startswith(("x NO [UNAVAILABLE]", "454 4.7.0"))
    printed = capsys.readouterr()
    assert "could not be asked" in printed.out + printed.err
    assert "broken" not in printed.out + printed.err


async def test_keys_of_a_cheap_import_are_made_dearer(tmp_path: Path) -> None:
    """At a login with the password; what was in the file of accounts lets in all the same."""
    async with running_server(tmp_path, ["ann"]) as server:
        index = server.server.mail.store.index
        before = await index.account("ann")
        assert before is not None and f"}}{BULK_ITERATIONS}," in before.password_hash
        async with sasl_line(server.ports["imap"]) as line:
            assert logged_in(await line.authenticate(PlainClient("ann", PASSWORD)))
        async with asyncio.timeout(30):
            while (after := await index.account("ann")) == before:
                await server.server.accounts.survey()
        assert after is not None and "}60000," in after.password_hash
        async with sasl_line(server.ports["imap"]) as line:
            assert logged_in(await line.authenticate(ScramClient("ann", PASSWORD, "n")))
