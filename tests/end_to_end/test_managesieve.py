"""sievelib, sieve-connect, Roundcube's Net_Sieve and Thunderbird's add-on against `mailhorn serve`, as they speak."""

import base64
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sievelib.managesieve import Client
from tests.kit.clients import need, run
from tests.kit.managesieve import Answer, SieveClient
from tests.kit.process import HOST, PASSWORD, Server, running_server

from mailhorn.sasl.scram import ScramClient

BAD = """require "fileinto";
if header :contains "Subject" "x" {
  filento "Lists";
}
"""
GOOD = """require ["fileinto", "mailbox"];
if header :contains "Subject" "list" {
  fileinto :create "Lists";
}
"""
TOLD = 'line 3, column 3: unknown command "filento"; did you mean "fileinto"?'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with one account."""
    with running_server(tmp_path) as server:
        yield server


def certificate(server: Server) -> Path:
    """Return what clients are to trust."""
    return server.data / "tls" / "self-signed.crt"


def filed(server: Server, mailbox: str) -> list[str]:
    """Return what is in a mailbox."""
    return [entry.subject for entry in server.mailbox(mailbox).values()]


def test_sievelib(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python library, over STARTTLS; it verifies the certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate(server)))
    client = Client(HOST, server.ports["managesieve"], srvhostname="localhost")
    assert client.connect("ann", PASSWORD, starttls=True)
    assert {"fileinto", "envelope", "imap4flags"} <= set(client.get_sieve_capabilities())
    assert client.havespace("rules", 1_000) and not client.havespace("rules", 10**9)
    assert client.errcode == b"QUOTA/MAXSIZE"
    assert not client.checkscript(BAD)
    assert TOLD in client.errmsg.decode()
    assert not client.putscript("rules", BAD)
    assert client.listscripts() == (None, [])
    assert client.checkscript(GOOD)
    assert client.putscript("rules", GOOD)
    assert client.putscript("räge", "keep;")
    assert client.getscript("rules") == GOOD.rstrip("\n")
    assert client.setactive("rules")
    assert client.listscripts() == ("rules", ["räge"])
    server.deliver("ann", "a list")
    assert filed(server, "Lists") == ["a list"]
    assert client.renamescript("rules", "mine")
    assert client.listscripts() == ("mine", ["räge"])
    assert not client.renamescript("mine", "räge") and client.errcode == b"ALREADYEXISTS"
    assert not client.deletescript("mine") and client.errcode == b"ACTIVE"
    assert client.setactive("") and client.deletescript("mine")
    assert not client.setactive("mine") and client.errcode == b"NONEXISTENT"
    # OK with warnings does not make it lose its place.
    assert client.putscript("warned", 'require "fileinto"; fileinto "Nowhere";')
    assert client.listscripts() == (None, ["räge", "warned"])
    client.logout()
    # By LOGIN it sends the answers before it is asked.
    for mechanism, password, expected in (("LOGIN", PASSWORD, True), ("PLAIN", "wrong", False), ("LOGIN", "no", False)):
        another = Client(HOST, server.ports["managesieve"], srvhostname="localhost")
        assert another.connect("ann", password, starttls=True, authmech=mechanism) is expected


def test_sieve_connect(server: Server) -> None:
    """The command line client, over STARTTLS, by whatever mechanism it likes best."""
    need("sieve-connect")
    (server.folder / "password").write_text(PASSWORD + "\n")
    (server.folder / "good.sieve").write_text(GOOD)
    (server.folder / "bad.sieve").write_text(BAD)

    def said(*arguments: str, code: int = 0) -> str:
        command = ["sieve-connect", "--nosrv", "-s", "localhost", "-p", str(server.ports["managesieve"]), "-u", "ann"]
        command += ["--tlscafile", str(certificate(server)), "--passwordfd", "3", *arguments]
        return run(["sh", "-c", f"{shlex.join(command)} 3<password"], server.folder, code)

    assert TOLD in said("--localsieve", "bad.sieve", "--checkscript", code=1)
    assert TOLD in said("--localsieve", "bad.sieve", "--remotesieve", "rules", "--upload", code=1)
    said("--localsieve", "good.sieve", "--checkscript")
    said("--localsieve", "good.sieve", "--remotesieve", "rules", "--upload")
    assert '"rules"' in said("--list")
    said("--remotesieve", "rules", "--activate")
    assert '"rules" ACTIVE' in said("--list")
    server.deliver("ann", "a list")
    assert filed(server, "Lists") == ["a list"]
    said("--remotesieve", "rules", "--localsieve", "copy.sieve", "--download")
    assert (server.folder / "copy.sieve").read_text() == GOOD
    said("--remotesieve", "rules", "--delete", code=1)
    said("--deactivate")
    said("--remotesieve", "rules", "--delete")
    assert "rules" not in said("--list")


NET_SIEVE = r"""<?php
require_once 'Net/Sieve.php';
[, $port, $trusted] = $argv;
$tls = ['ssl' => ['cafile' => $trusted, 'peer_name' => 'localhost']];
$client = new Net_Sieve('ann', getenv('PASSWORD'), 'localhost', $port, '', '', false, false, true, $tls);
function say($what) {
    echo json_encode(is_a($what, 'PEAR_Error') ? 'error: ' . $what->getMessage() : $what), "\n";
}
say($client->getError());
say($client->hasExtension('fileinto'));
say($client->haveSpace('rules', 1000));
say($client->installScript('rules', getenv('BAD')));
say($client->installScript('rules', getenv('GOOD'), true));
say($client->installScript('my "other" \\rules', "keep;\r\n"));
say($client->listScripts());
say($client->getActive());
say($client->getScript('rules'));
say($client->removeScript('rules'));
say($client->setActive(''));
say($client->removeScript('rules'));
say($client->removeScript('my "other" \\rules'));
say($client->listScripts());
say($client->disconnect());
"""


def test_net_sieve(server: Server) -> None:
    """What Roundcube speaks with, over STARTTLS; names with quotes do not make it lose its place."""
    php = need("php")
    if not Path("/usr/share/php/Net/Sieve.php").exists():
        need("Net_Sieve")
    (server.folder / "client.php").write_text(NET_SIEVE)
    variables = {"PASSWORD": PASSWORD, "BAD": BAD, "GOOD": GOOD}
    command = [php, "client.php", str(server.ports["managesieve"]), str(certificate(server))]
    output = run(["env", *(f"{name}={value}" for name, value in variables.items()), *command], server.folder)
    said = [json.loads(line) for line in output.splitlines()]
    assert said[:3] == [False, True, True], output
    assert TOLD in said[3]
    other = 'my "other" \\rules'
    assert said[4:9] == [True, True, [other, "rules"], "rules", GOOD + "\r\n"]  # the line's end is not the script's
    assert said[9] == 'error: (ACTIVE) "The active script cannot be deleted: activate another one, or none, first"'
    assert said[10:] == [True, True, True, [], True]


class Thunderbird:
    """
    What the add-on "Sieve" for Thunderbird sends, octet for octet, and in its order.

    After STARTTLS it asks for the capabilities before it has read those that come unasked. It takes the first mechanism
    of the server's list that it knows, LOGIN last. Lines of scripts end in CR LF, strings are quoted.
    """

    MECHANISMS = ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512", "EXTERNAL")

    def __init__(self, client: SieveClient) -> None:
        """Take a connection that has begun."""
        self._client = client

    def begin(self, trusted: Path) -> None:
        """Connect as it does."""
        capabilities = self._client.start_tls(str(trusted), at_once=b"CAPABILITY\r\n")
        again = self._client.reader.answer()
        assert again.lines == capabilities.lines
        values = {line[0]: line[1] for line in again.lines if len(line) > 1}
        assert values[b"VERSION"] == b"1.0"
        offered = values[b"SASL"]
        assert isinstance(offered, bytes)
        mechanism = next(name for name in offered.decode().split() if name in self.MECHANISMS)
        assert mechanism == "SCRAM-SHA-256"
        scram = ScramClient("ann", PASSWORD, "73a1c5e0b8d94f60")
        challenge = self.request(f'AUTHENTICATE "{mechanism}" "{_base64(scram.initial())}"', challenge=True)
        proof = scram.answer(base64.b64decode(challenge.lines[0][0]))
        assert proof is not None
        last = self.request(f'"{_base64(proof)}"')
        assert last.short == "OK (SASL)" and last.argument is not None
        assert scram.answer(base64.b64decode(last.argument)) == b""

    def request(self, line: str, challenge: bool = False) -> Answer:
        """Send a request."""
        return self._client.say(line, challenge)

    def with_script(self, line: str, script: str) -> Answer:
        """Send a request that ends in a script."""
        body = script.replace("\r\n", "\n").replace("\n", "\r\n")
        return self.request(f"{line} {{{len(body.encode())}+}}\r\n{body}")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@contextmanager
def thunderbird(server: Server) -> Iterator[Thunderbird]:
    """Return an add-on that is connected and logged in."""
    with SieveClient(server.ports["managesieve"]) as client:
        addon = Thunderbird(client)
        addon.begin(certificate(server))
        yield addon


def test_thunderbird(server: Server) -> None:
    """A new script, written with a mistake, corrected, activated, renamed, switched off and deleted."""
    with thunderbird(server) as addon:
        assert addon.request("LISTSCRIPTS").lines == ()
        assert addon.with_script('PUTSCRIPT "new \\"rules\\""', "# a new script\n").short == "OK"
        assert addon.request('GETSCRIPT "new \\"rules\\""').lines == ((b"# a new script\r\n",),)
        wrong = addon.with_script("CHECKSCRIPT", BAD)
        assert wrong.short == "NO" and TOLD in wrong.text
        assert addon.with_script("CHECKSCRIPT", GOOD).short == "OK"
        assert addon.with_script('PUTSCRIPT "new \\"rules\\""', GOOD).short == "OK"
        assert addon.request('SETACTIVE "new \\"rules\\""').short == "OK"
        assert addon.request("LISTSCRIPTS").lines == ((b'new "rules"', "ACTIVE"),)
        server.deliver("ann", "a list")
        assert filed(server, "Lists") == ["a list"]
        assert addon.request("NOOP").short == "OK"
        assert addon.request('RENAMESCRIPT "new \\"rules\\"" "rules"').short == "OK"
        assert addon.request('DELETESCRIPT "rules"').short == "NO (ACTIVE)"
        assert addon.request('SETACTIVE ""').short == "OK"
        assert addon.request('DELETESCRIPT "rules"').short == "OK"
        assert addon.request("LISTSCRIPTS").lines == ()
        assert addon.request("LOGOUT").short == "OK"


def test_what_was_put_survives_kill(server: Server) -> None:
    """It was answered, so it is there."""
    with thunderbird(server) as addon:
        assert addon.with_script('PUTSCRIPT "rules"', GOOD).short == "OK"
        assert addon.request('SETACTIVE "rules"').short == "OK"
        server.kill()
    server.start()
    with thunderbird(server) as addon:
        assert addon.request("LISTSCRIPTS").lines == ((b"rules", "ACTIVE"),)
        assert addon.request('GETSCRIPT "rules"').lines == ((GOOD.replace("\n", "\r\n").encode(),),)
    server.deliver("ann", "a list")
    assert filed(server, "Lists") == ["a list"]
