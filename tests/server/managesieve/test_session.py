"""server/managesieve/session.py: sessions over real sockets, with what the RFC's examples leave out."""

import asyncio
import base64
import contextlib
import random
import shutil
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import structlog.testing
from tests.kit.certificates import Authority
from tests.kit.introspection import Introspector, introspection
from tests.kit.mailserver import PASSWORD, ServerInTest, running_server
from tests.kit.managesieve import SieveClient, literal, plain

from mailhorn.config.settings import Limits, ManageSieve, Relay, Sieve, Tls
from mailhorn.net.pump import HIGH_WATER, Pump
from mailhorn.net.tls import end_point, self_signed
from mailhorn.sasl.scram import ScramClient
from mailhorn.server import scriptbook
from mailhorn.server.managesieve.session import THREADS, ManageSieveSession
from mailhorn.server.scripts import failed_once

FILES = 'require ["fileinto", "mailbox"]; fileinto :create "%s";'


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate: to make one takes longer than most of these tests."""
    folder = tmp_path_factory.mktemp("tls")
    self_signed(folder, ["localhost", "127.0.0.1"])
    return folder


@pytest.fixture
def home(tmp_path: Path, tls: Path) -> Path:
    """A data directory with that certificate, and nothing else."""
    shutil.copytree(tls, tmp_path / "tls")
    return tmp_path


def certificate(data: Path) -> str:
    """Return the server's, which clients are to trust."""
    return str(data / "tls" / "self-signed.crt")


async def play(server: ServerInTest, dialogue: Callable[[SieveClient], None], login: str | None = "ann") -> None:
    """Run a client in a thread, logged in if nothing else is said."""

    def run() -> None:
        with SieveClient(server.ports["managesieve"]) as client:
            if login is not None:
                assert client.log_in(login, PASSWORD).short == "OK"
            dialogue(client)

    await asyncio.to_thread(run)


def capabilities(client: SieveClient) -> dict[bytes | str, bytes | str]:
    return {line[0]: line[1] if len(line) > 1 else b"" for line in client.say("CAPABILITY").lines}


def session(server: ServerInTest) -> ManageSieveSession:
    [found] = [one for one in server.server.mail.sessions if isinstance(one, ManageSieveSession)]
    return found


async def until(true: Callable[[], object]) -> None:
    """Let the loop go round until it is so."""
    async with asyncio.timeout(30):
        for _ in count():
            if true():
                return
            await asyncio.sleep(0)


async def test_tls_and_what_is_offered_by_it(home: Path) -> None:
    """§2.2: the capabilities come again, without STARTTLS; there is no second TLS in the first."""

    def dialogue(client: SieveClient) -> None:
        before = {line[0]: line[1:] for line in client.greeting.lines}
        assert b"STARTTLS" in before and b"SCRAM-SHA-256-PLUS" not in before[b"SASL"][0].split()  # type: ignore[union-attr, operator]
        after = {line[0]: line[1:] for line in client.start_tls(certificate(home)).lines}
        assert b"STARTTLS" not in after and b"PLAIN" in after[b"SASL"][0].split()  # type: ignore[union-attr, operator]
        assert after.keys() == before.keys() - {b"STARTTLS"}
        assert client.say("STARTTLS").short == "NO"
        assert client.say("NOOP").short == "OK"
        assert client.log_in("ann", PASSWORD).short == "OK"
        assert client.say("LISTSCRIPTS").short == "OK"

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue, login=None)


async def test_no_password_is_taken_where_it_can_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine must use TLS first, and is told so (§1.3, ENCRYPT-NEEDED)."""
    monkeypatch.setattr(Pump, "loopback", False)

    def dialogue(client: SieveClient) -> None:
        assert capabilities(client)[b"SASL"] == b""
        assert client.log_in("ann", PASSWORD).short == "NO (ENCRYPT-NEEDED)"
        assert client.say('AUTHENTICATE "CRAM-MD5"').short == "NO"
        assert client.say("LISTSCRIPTS").short == "NO"
        client.start_tls(certificate(home))
        assert client.log_in("ann", PASSWORD).short == "OK"

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue, login=None)


async def test_scram_spares_a_round_trip(home: Path) -> None:
    """What the server says last stands in the OK (§2.1), bound to the channel or not."""

    def log_in(client: SieveClient, scram: ScramClient) -> None:
        first = base64.b64encode(scram.initial()).decode()
        challenge = client.say(f'AUTHENTICATE "{scram.name}" "{first}"', challenge=True).lines[0][0]
        proof = scram.answer(base64.b64decode(challenge))
        assert proof is not None
        answer = client.say(b'"' + base64.b64encode(proof) + b'"')
        assert answer.short == "OK (SASL)" and answer.argument is not None
        assert scram.answer(base64.b64decode(answer.argument)) == b""

    def dialogue(client: SieveClient) -> None:
        log_in(client, ScramClient("ann", PASSWORD, "nonce"))
        assert capabilities(client)[b"OWNER"] == b"ann"
        assert client.say("UNAUTHENTICATE").short == "OK"
        client.start_tls(certificate(home))
        der = client.certificate()
        log_in(client, ScramClient("ann", PASSWORD, "nonce", binding=("tls-server-end-point", end_point(der) or b"")))
        assert client.say("LISTSCRIPTS").short == "OK"

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue, login=None)


async def test_a_certificate_is_enough(tmp_path: Path) -> None:
    """EXTERNAL, with an empty initial response, or without one (§2.1, §2.2)."""
    authority = Authority(tmp_path / "ca")
    shown = authority.client("ann", "ann@example.org")

    def dialogue(client: SieveClient) -> None:
        again = client.start_tls(certificate(tmp_path / "data"), shown=shown)
        assert b" EXTERNAL " in next(line[1] for line in again.lines if line[0] == b"SASL")  # type: ignore[operator]
        assert client.say('AUTHENTICATE "EXTERNAL" ""').short == "OK"
        assert capabilities(client)[b"OWNER"] == b"ann"
        assert client.say("UNAUTHENTICATE").short == "OK"
        assert client.say('AUTHENTICATE "EXTERNAL"', challenge=True).lines == ((b"",),)
        assert client.say('""').short == "OK"

    settings = {"tls": Tls(client_ca=authority.certificate), "domains": ("example.org",)}
    async with running_server(tmp_path / "data", ["ann"], **settings) as server:
        await play(server, dialogue, login=None)


async def test_a_token_is_enough(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OAUTHBEARER; some clients quote long ones all the same. What is no good is explained (RFC 7628 §3.2.2)."""

    def dialogue(client: SieveClient) -> None:
        def said(token: str) -> str:
            response = f"n,a=ann,\x01auth=Bearer {token}\x01\x01".encode()
            return f'AUTHENTICATE "OAUTHBEARER" "{base64.b64encode(response).decode()}"'

        refused = client.say(said("bad" * 500), challenge=True)
        assert b"invalid_token" in base64.b64decode(refused.lines[0][0])
        assert client.say('"AQ=="').short == "NO"
        assert client.say(said("good" * 500)).short == "OK"

    monkeypatch.setitem(Introspector.tokens, "good" * 500, Introspector.tokens["good"])
    with introspection() as (oauth, _):
        async with running_server(home, ["ann"], oauth=oauth) as server:
            await play(server, dialogue, login=None)


async def test_logins_that_fail(home: Path) -> None:
    """With NO; the third one with BYE, as in the example of §2.1. One that was given up counts for nothing."""

    def dialogue(client: SieveClient) -> None:
        assert client.say('AUTHENTICATE "LOGIN"', challenge=True).lines == ((b"VXNlcm5hbWU6",),)
        assert client.say('"*"').short == "NO"
        assert client.say('AUTHENTICATE "NOSUCH"').short == "NO"
        assert client.say('AUTHENTICATE "PLAIN" "bm9uZQ=="').short == "NO"
        assert client.say(f'AUTHENTICATE "PLAIN" "{plain("ann", PASSWORD, "bob")}"').short == "NO"
        assert client.log_in("ann", "wrong").short == "NO"
        assert client.log_in("bob", "wrong").short == "NO"
        last = client.log_in("ann", "wrong")
        assert (last.short, last.text) == ("BYE", "Too many failed logins")
        assert client.at_end()

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue, login=None)


async def test_login_by_login(home: Path) -> None:
    """In three steps, and by one that does not wait for them."""

    def dialogue(client: SieveClient) -> None:
        user, password = (base64.b64encode(text.encode()).decode() for text in ("ann", PASSWORD))
        client.say('AUTHENTICATE "LOGIN"', challenge=True)
        client.say(f'"{user}"', challenge=True)
        assert client.say(f'"{password}"').short == "OK"
        assert client.say("UNAUTHENTICATE").short == "OK"
        client.send(f'AUTHENTICATE "LOGIN"\r\n"{user}"\r\n"{password}"\r\nLISTSCRIPTS\r\n'.encode())
        assert [client.reader.answer(challenge=True).short for _ in range(4)] == ["", "", "OK", "OK"]

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue, login=None)


async def test_one_is_somebody_else_after_unauthenticate(home: Path) -> None:
    """§2.14.1; nothing of the one before is seen."""

    def dialogue(client: SieveClient) -> None:
        assert client.say('PUTSCRIPT "anns" "keep;"').short == "OK"
        assert client.say("UNAUTHENTICATE").short == "OK"
        assert b"OWNER" not in capabilities(client)
        assert client.log_in("bob", PASSWORD).short == "OK"
        assert capabilities(client)[b"OWNER"] == b"bob"
        assert client.say("LISTSCRIPTS").lines == ()
        assert client.say('GETSCRIPT "anns"').short == "NO (NONEXISTENT)"

    async with running_server(home, ["ann", "bob"]) as server:
        await play(server, dialogue)


EXPLAINED = [
    (b"", "must not be empty"),
    (b"keep;\r\n# \xff\r\n", "line 2: this is not UTF-8"),
    (b'requir "fileinto";', 'did you mean "require"?'),
    (
        b'require "fileinto";\r\nfilinto "a";\r\nkep;',
        'line 3, column 1: unknown command "kep"; did you mean "keep"?',
    ),
    (b'require "vnd.nobody.knows"; keep;', "vnd.nobody.knows"),
    (b"keep", "column 5"),
]
"""Scripts, and what is said of them."""


async def test_a_bad_script_is_explained_and_not_kept(home: Path) -> None:
    """§2.6, §2.12: by CHECKSCRIPT as by PUTSCRIPT, and what was there stays."""

    def dialogue(client: SieveClient) -> None:
        assert client.say('PUTSCRIPT "a" "stop;"').short == "OK"
        for script, told in EXPLAINED:
            for command in (b"CHECKSCRIPT ", b'PUTSCRIPT "a" ', b'PUTSCRIPT "b" '):
                answer = client.say(command + literal(script))
                assert answer.short == "NO" and told in answer.text, answer
        assert client.say('GETSCRIPT "a"').lines == ((b"stop;",),)
        assert client.say("LISTSCRIPTS").lines == ((b"a",),)

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue)


async def test_a_script_of_the_rules_of_an_account_may_include_another(home: Path) -> None:
    """By the name it was given here."""

    def dialogue(client: SieveClient) -> None:
        script = 'require "include"; include "räge 1";'
        assert client.say(b"PUTSCRIPT {4+}\r\nmain " + literal(script)).short == "OK (WARNINGS)"
        assert client.say('PUTSCRIPT "räge 1" ' + '"keep;"').short == "OK"
        answer = client.say(b"PUTSCRIPT {4+}\r\nmain " + literal(script))
        assert answer.short == "OK", answer.text

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue)


async def test_the_next_mail_is_filtered_by_what_was_put(home: Path) -> None:
    """As soon as OK was said."""
    async with running_server(home, ["ann"]) as server:

        async def filed(mailbox: str) -> bool:
            await server.deliver("ann", mailbox)
            index = server.server.mail.store.index
            account = await index.account("ann")
            assert account is not None
            found = await index.mailbox(account.id, mailbox)
            return found is not None

        def say(*lines: str) -> Callable[[SieveClient], None]:
            def dialogue(client: SieveClient) -> None:
                for line in lines:
                    assert client.say(line).short == "OK"

            return dialogue

        def put(name: str, mailbox: str) -> str:
            script = FILES % mailbox
            return f'PUTSCRIPT "{name}" {{{len(script)}+}}\r\n{script}'

        await server.deliver("ann", "no rules yet")
        await play(server, say(put("a", "One"), 'SETACTIVE "a"'))
        assert await filed("One")
        await play(server, say(put("a", "Two")))
        assert await filed("Two")
        await play(server, say(put("b", "Three"), 'SETACTIVE "b"'))
        assert await filed("Three")
        await play(server, say('SETACTIVE ""', 'RENAMESCRIPT "a" "c"', put("b", "Four")))
        assert not await filed("Four")


async def test_a_script_put_there_by_hand_is_checked_when_it_is_activated(home: Path) -> None:
    """Or mail would go to INBOX, and nobody would know why."""

    def dialogue(client: SieveClient) -> None:
        assert client.say("LISTSCRIPTS").lines == ((b"hand",),)
        answer = client.say('SETACTIVE "hand"')
        assert answer.short == "NO" and "line 1, column 1" in answer.text
        assert client.say("LISTSCRIPTS").lines == ((b"hand",),)

    folder = home / "sieve" / "ann"
    folder.mkdir(parents=True)
    (folder / "hand.sieve").write_text("kep;")
    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue)


async def test_scripts_that_include_each_other_are_put_in_any_order(home: Path) -> None:
    """What is missing is a warning: scripts MUST NOT have to be put in an order (RFC 6609 §3.1)."""
    first = 'require "include";\ninclude "later";\nkeep;'

    def put(client: SieveClient) -> None:
        for line in (b"CHECKSCRIPT " + literal(first), b'PUTSCRIPT "a" ' + literal(first)):
            answer = client.say(line)
            assert answer.short == "OK (WARNINGS)"
            assert "line 2: there is no personal script 'later' to include" in answer.text
        assert client.say('SETACTIVE "a"').short == "OK"

    def put_later(client: SieveClient) -> None:
        later = literal('require ["fileinto", "mailbox"]; fileinto :create "Later"; stop;')
        assert client.say(b'PUTSCRIPT "later" ' + later).short == "OK"
        ring = client.say(b'PUTSCRIPT "ring" ' + literal('require "include"; include "ring2";'))
        assert ring.short == "OK (WARNINGS)"
        for _ in range(2):
            ring = client.say(b'PUTSCRIPT "ring2" ' + literal('require "include"; include "ring";'))
            assert ring.short == "OK (WARNINGS)"
        assert "includes itself" in ring.text

    async with running_server(home, ["ann"]) as server:
        await play(server, put)
        await server.deliver("ann", "kept")
        await play(server, put_later)
        await server.deliver("ann", "filed")
        index = server.server.mail.store.index
        account = await index.account("ann")
        assert account is not None and await index.mailbox(account.id, "Later") is not None


async def test_who_fetches_a_script_hears_that_it_failed(home: Path) -> None:
    """And who puts or checks the same again; once it is another one it is as good as any (§1.3, WARNINGS)."""
    fails = 'require ["variables", "fileinto"];\nfileinto "${name}";'

    def put(client: SieveClient) -> None:
        assert client.say(b'PUTSCRIPT "a" ' + literal(fails)).short == "OK"
        assert client.say('SETACTIVE "a"').short == "OK"
        assert client.say('GETSCRIPT "a"').short == "OK"

    def look(client: SieveClient) -> None:
        for command in (b'GETSCRIPT "a"', b"CHECKSCRIPT " + literal(fails), b'PUTSCRIPT "b" ' + literal(fails)):
            answer = client.say(command)
            assert answer.short == "OK (WARNINGS)" and "line 2: the name of a mailbox is missing" in answer.text
        assert client.say(b"CHECKSCRIPT " + literal(fails + " ")).short == "OK"
        assert client.say(b'PUTSCRIPT "a" ' + literal("keep;")).short == "OK"
        assert client.say('GETSCRIPT "a"').short == "OK"

    async with running_server(home, ["ann"]) as server:
        await play(server, put)
        await server.deliver("ann", "frop")
        await play(server, look)
        (home / "sieve" / "ann" / "b.sieve").write_text(fails)
    assert "line 2: the name of a mailbox is missing" in failed_once(home / "sieve" / "ann" / "b.sieve")
    assert failed_once(home / "sieve" / "ann.sieve") == "" == failed_once(Path("nothing.sieve"))


async def test_what_is_offered_is_what_delivery_offers(home: Path) -> None:
    """Letters need a way out; where there is none scripts that want one are told so (§1.7, §2.6)."""
    vacation = literal('require "vacation"; vacation "I am away";')

    def without(client: SieveClient) -> None:
        offered = capabilities(client)
        assert offered[b"MAXREDIRECTS"] == b"0" and b"NOTIFY" not in offered and b"EXTLISTS" not in offered
        assert b"vacation" not in offered[b"SIEVE"].split()  # type: ignore[union-attr, operator]
        answer = client.say(b"CHECKSCRIPT " + vacation)
        assert answer.short == "NO" and "smarthost" in answer.text

    def with_relay(client: SieveClient) -> None:
        offered = capabilities(client)
        assert (offered[b"MAXREDIRECTS"], offered[b"NOTIFY"]) == (b"3", b"mailto https")
        assert {b"vacation", b"enotify"} <= set(offered[b"SIEVE"].split())  # type: ignore[union-attr, arg-type]
        assert client.say(b"CHECKSCRIPT " + vacation).short == "OK"

    async with running_server(home, ["ann"]) as server:
        await play(server, without)
    rules = Sieve(redirects=3, webhooks=("https://hooks.example.org/",))
    async with running_server(home, [], relay=Relay(host="127.0.0.1", encryption="none"), sieve=rules) as server:
        await play(server, with_relay)


async def test_there_are_quotas(home: Path) -> None:
    """§1.5: NO with QUOTA, said beforehand by HAVESPACE."""

    def dialogue(client: SieveClient) -> None:
        assert client.say('HAVESPACE "a" 1025').short == "NO (QUOTA/MAXSIZE)"
        assert client.say(b'PUTSCRIPT "a" ' + literal("#" * 1025)).short == "NO (QUOTA/MAXSIZE)"
        assert client.say(b"CHECKSCRIPT " + literal("#" * 1025)).short == "OK"
        assert client.say(b'PUTSCRIPT "a" ' + literal("#" * 1024)).short == "OK"
        assert client.say('PUTSCRIPT "b" "keep;"').short == "OK"
        assert client.say('HAVESPACE "c" 10').short == "NO (QUOTA/MAXSCRIPTS)"
        assert client.say('PUTSCRIPT "c" "keep;"').short == "NO (QUOTA/MAXSCRIPTS)"
        assert client.say('HAVESPACE "b" 10').short == "OK"
        assert client.say('PUTSCRIPT "b" "stop;"').short == "OK"

    few = ManageSieve(host="127.0.0.1", port=0, scripts=2, script_size=1024)
    async with running_server(home, ["ann"], managesieve=few) as server:
        await play(server, dialogue)


async def test_some_names_are_refused(home: Path) -> None:
    """§1.6: in every command that has one, but for SETACTIVE "", which has a meaning."""

    def dialogue(client: SieveClient) -> None:
        for name in (b'""', b"{129+}\r\n" + b"a" * 129, b"{1+}\r\n\xff", b"{3+}\r\na\nb"):
            for command in (
                b"HAVESPACE %s 1",
                b'PUTSCRIPT %s "keep;"',
                b"GETSCRIPT %s",
                b"DELETESCRIPT %s",
                b'RENAMESCRIPT %s "x"',
                b'RENAMESCRIPT "x" %s',
            ):
                assert client.say(command % name).short == "NO"
            assert client.say(b"SETACTIVE " + name).short == ("OK" if name == b'""' else "NO")

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue)


async def test_a_disk_that_refuses_is_no_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TRYLATER, and what was there is there (§1.3)."""

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    def dialogue(client: SieveClient) -> None:
        assert client.say('PUTSCRIPT "a" "keep;"').short == "OK"
        with monkeypatch.context() as broken:
            broken.setattr(scriptbook, "_write", full)
            assert client.say('PUTSCRIPT "a" "stop;"').short == "NO (TRYLATER)"
        assert client.say('GETSCRIPT "a"').lines == ((b"keep;",),)

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue)


async def test_connections_are_counted(home: Path) -> None:
    """Those of one address, and those of one account; BYE says why."""

    def dialogue(first: SieveClient) -> None:
        port = server.ports["managesieve"]
        with SieveClient(port) as second:
            answer = second.log_in("ann", PASSWORD)
            assert answer.short == "BYE (TRYLATER)" and "of this account" in answer.text
            assert second.at_end()
        with SieveClient(port) as third, SieveClient(port) as fourth:
            assert third.greeting.short == "OK"
            assert fourth.greeting.short == "BYE (TRYLATER)" and "from your address" in fourth.greeting.text
            assert fourth.at_end()
            assert first.say("UNAUTHENTICATE").short == "OK"
            assert third.log_in("ann", PASSWORD).short == "OK"

    limits = Limits(connections_per_address=2, connections_per_account=1, count_this_machine=True)
    async with running_server(home, ["ann"], limits=limits) as server:
        await play(server, dialogue)
        counted = server.server.mail.connections
        await until(lambda: (counted.total, counted.addresses, counted.accounts) == (0, 0, 0))


async def test_who_has_no_account_any_more_has_no_scripts(home: Path) -> None:
    """Or they would be the next one's who has that login."""
    async with running_server(home, ["ann"]) as server:
        client = await asyncio.to_thread(SieveClient, server.ports["managesieve"])
        await asyncio.to_thread(client.log_in, "ann", PASSWORD)
        index = server.server.mail.store.index
        account = await index.account("ann")
        assert account is not None
        await index.remove_account(account.id)
        answer = await asyncio.to_thread(client.say, 'PUTSCRIPT "a" "keep;"')
        assert answer.short == "BYE"
        assert await asyncio.to_thread(client.at_end)
        client.__exit__(None, None, None)
    assert not (home / "sieve").exists()


async def test_a_silent_client_is_sent_away(home: Path) -> None:
    """Before the login soon, after it no sooner than in half an hour (§1.2)."""
    async with running_server(home, ["ann"]) as server:
        loop = asyncio.get_running_loop()
        client = await asyncio.to_thread(SieveClient, server.ports["managesieve"])
        assert session(server).deadline - loop.time() <= 60
        await asyncio.to_thread(client.log_in, "ann", PASSWORD)
        assert session(server).deadline - loop.time() > 1_790
        session(server).overdue()
        answer = await asyncio.to_thread(client.reader.answer)
        assert (answer.short, answer.text) == ("BYE", "Nothing done for too long")
        assert await asyncio.to_thread(client.at_end)
        client.__exit__(None, None, None)


async def test_a_stopping_server_says_so(home: Path) -> None:
    """To who has done nothing as to who has."""
    async with running_server(home, ["ann"]) as server:
        client = await asyncio.to_thread(SieveClient, server.ports["managesieve"])
    answer = await asyncio.to_thread(client.reader.answer)
    assert answer.short == "BYE (TRYLATER)"
    assert await asyncio.to_thread(client.at_end)
    client.__exit__(None, None, None)


async def test_who_does_not_read_costs_one_answer(home: Path) -> None:
    """However much it asks for; at its deadline it is cut off."""
    size = 200_000
    async with running_server(home, ["ann"]) as server:
        client = await asyncio.to_thread(SieveClient, server.ports["managesieve"])
        await asyncio.to_thread(client.log_in, "ann", PASSWORD)
        await asyncio.to_thread(client.say, b'PUTSCRIPT "a" ' + literal("#" * size))
        asked = 100
        await asyncio.to_thread(client.send, b'GETSCRIPT "a"\r\n' * asked)
        served = session(server)
        await until(lambda: served._drained is not None)
        transport = served._pump._transport
        assert transport is not None
        assert transport.get_write_buffer_size() <= HIGH_WATER + 2 * size
        for _ in range(asked - 1):
            answer = await asyncio.to_thread(client.reader.answer)
            assert answer.lines == ((b"#" * size,),)
        await asyncio.to_thread(client.reader.answer)
        await asyncio.to_thread(client.send, b'GETSCRIPT "a"\r\n' * asked)
        await until(lambda: served._drained is not None)
        served.overdue()
        await until(lambda: not server.server.mail.connections.total)
        client.__exit__(None, None, None)


async def test_a_client_may_end_its_side_first(home: Path) -> None:
    """What it asked for is answered."""

    def dialogue(client: SieveClient) -> None:
        client.send(b'PUTSCRIPT "a" "keep;"\r\nGETSCRIPT "a"\r\nGETSCR')
        client.end()
        assert client.reader.answer().short == "OK"
        assert client.reader.answer().lines == ((b"keep;",),)
        assert client.at_end()

    async with running_server(home, ["ann"]) as server:
        await play(server, dialogue)


async def test_any_octets_are_no_bug(home: Path) -> None:
    """Before the login and after it; the server has nothing to complain of."""
    words = [
        b'PUTSCRIPT "',
        b'" ',
        b"{9+}\r\n",
        b"\r\n",
        b"AUTHENTICATE ",
        b'"PLAIN"',
        b"{70000+}",
        b"\0\xff",
        b"SETACTIVE",
    ]
    rng = random.Random(5804)

    def dialogue(number: int, login: bool) -> None:
        with SieveClient(server.ports["managesieve"]) as client:
            if login:
                client.log_in("ann", PASSWORD)
            client.send(b"".join(rng.choices(words, k=60)) + rng.randbytes(200))
            client.end()
            with contextlib.suppress(EOFError):
                while True:
                    client.reader.answer(challenge=True)

    with structlog.testing.capture_logs() as logs:
        async with running_server(home, ["ann"]) as server:
            for number in range(20):
                await asyncio.to_thread(dialogue, number, number % 2 == 0)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_scripts_that_take_long_hold_up_nobody_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many clients have them checked: who reads mail has threads of its own."""
    let_go = threading.Event()
    begun: list[str] = []

    def slow(book: scriptbook.ScriptBook, login: str) -> list[tuple[str, bool]]:
        begun.append(login)
        assert let_go.wait(20)
        return []

    monkeypatch.setattr(scriptbook.ScriptBook, "names", slow)
    async with running_server(home, ["ann"]) as server:
        clients = [await asyncio.to_thread(SieveClient, server.ports["managesieve"]) for _ in range(10)]
        for client in clients:
            await asyncio.to_thread(client.log_in, "ann", PASSWORD)
            client.send(b"LISTSCRIPTS\r\n")
        await until(lambda: len(begun) == THREADS)
        assert await asyncio.to_thread(lambda: "others") == "others"
        await server.deliver("ann", "mail goes on")
        assert len(begun) == THREADS
        let_go.set()
        for client in clients:
            assert (await asyncio.to_thread(client.reader.answer)).short == "OK"
            client.__exit__(None, None, None)
