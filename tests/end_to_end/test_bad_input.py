"""What no client should send: the answer is right or the connection ends cleanly, and the server does not care."""

import contextlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.process import HOST, PASSWORD, Server, running_server
from tests.kit.wire import Wire

GROWTH = 10 * 1024
"""KiB of memory that all the abuse may leave behind."""

ROUNDS = 5
"""Of ordinary use in which that must be so at last: what is not at rest yet on a busy machine (bodies that are no files
yet, say) is let go of meanwhile, what has leaked is not."""

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all the abuse; at the end it serves as before and has not grown."""
    with running_server(tmp_path_factory.mktemp("abused")) as server:
        use(server)
        before = resident(server.process.pid)
        yield server
        for _ in range(ROUNDS):
            use(server)
            grown = resident(server.process.pid) - before
            print(f"\n{before} KiB, and {grown:+} KiB after the abuse")
            if grown < GROWTH:
                break
        assert grown < GROWTH


def use(server: Server) -> None:
    """Do a little of everything."""
    for _ in range(20):
        server.deliver("ann", "a message", "a line of text\n" * 1000)
    with server.imap() as session:
        session.select()
        assert session.search(None, "TEXT", "line")[0] == "OK"
        assert session.fetch("1:*", "(ENVELOPE BODYSTRUCTURE BODY[])")[0] == "OK"
        assert session.store("1:*", "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert session.expunge()[0] == "OK"


def resident(pid: int) -> int:
    """Return the memory of a process, in KiB."""
    found = re.search(r"^VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


# IMAP


@contextlib.contextmanager
def imap(server: Server, state: str) -> Iterator[Wire]:
    """A raw IMAP connection: a "stranger", "logged in" or with a mailbox "selected"."""
    with Wire(HOST, server.ports["imap"]) as wire:
        assert wire.line().startswith(b"* OK")
        if state != "stranger":
            wire.send(b'l LOGIN ann "%b"\r\n' % PASSWORD.encode())
            assert wire.until(b"l ")[-1].startswith(b"l OK")
        if state == "selected":
            wire.send(b"s SELECT INBOX\r\n")
            assert wire.until(b"s ")[-1].startswith(b"s OK")
        yield wire


def say(wire: Wire, data: bytes) -> list[bytes]:
    """Send it and a NOOP; return the lines up to the NOOP's answer or a BYE and the end. One of them must come."""
    wire.send(data + b"zz NOOP\r\n")
    lines = wire.until(b"zz ")
    assert lines, "the server hung up without a word"
    if not lines[-1].startswith(b"zz OK"):
        assert any(line.startswith(b"* BYE") for line in lines), lines[-3:]
        assert not wire.line()
    return lines


DEEP = 100_000

IMAP_NONSENSE = {
    "NUL": b"a NOOP\0\r\n",
    "NUL in a quoted string": b'a SELECT "a\0b"\r\n',
    "NUL in a literal": b"a SELECT {3+}\r\na\0b\r\n",
    "line of 10 MB": b"a NOOP " + b"x" * 10 * MEBIBYTE + b"\r\n",
    "line of 10 MB with NULs": b"\0" * 10 * MEBIBYTE + b"\r\n",
    "many lines of 200 kB": (b"a SELECT " + b"x" * 200_000 + b"\r\n") * 10,
    "parentheses in SEARCH": b"a SEARCH " + b"(" * DEEP + b"ALL" + b")" * DEEP + b"\r\n",
    "parentheses that stay open": b"a SEARCH " + b"(" * DEEP + b"\r\n",
    "parentheses that were never open": b"a SEARCH ALL" + b")" * DEEP + b"\r\n",
    "parentheses in FETCH": b"a FETCH 1 " + b"(" * DEEP + b"FLAGS" + b")" * DEEP + b"\r\n",
    "parentheses in STORE": b"a STORE 1 FLAGS " + b"(" * DEEP + b")" * DEEP + b"\r\n",
    "parentheses in a section": b"a FETCH 1 BODY[HEADER.FIELDS " + b"(" * DEEP + b"\r\n",
    "parentheses in STATUS": b"a STATUS INBOX " + b"(" * DEEP + b"\r\n",
    "parentheses in LIST": b"a LIST " + b"(" * DEEP + b"\r\n",
    "parentheses in ID": b"a ID " + b"(" * DEEP + b"\r\n",
    "parentheses in APPEND": b"a APPEND INBOX " + b"(" * DEEP + b" {1+}\r\nx\r\n",
    "NOT NOT NOT": b"a SEARCH " + b"NOT " * 50_000 + b"ALL\r\n",
    "OR OR OR": b"a SEARCH " + b"OR " * 60_000 + b"ALL ALL\r\n",
    "OR of many": b"a SEARCH " + b"OR ALL " * 30_000 + b"ALL\r\n",
    "deep section": b"a FETCH 1 BODY[" + b"1." * 100_000 + b"1]\r\n",
    "many wildcards": b'a LIST "" "' + b"*%" * 50_000 + b'x"\r\n',
    "scattered sequence set": b"a FETCH " + b",".join(b"%d" % n for n in range(1, 60_000, 2)) + b" FLAGS\r\n",
    "sequence numbers too large": b"a FETCH 99999999999999999999:* FLAGS\r\n",
    "sequence number of 100,000 digits": b"a FETCH " + b"9" * 100_000 + b" FLAGS\r\n",
    "zero": b"a FETCH 0 FLAGS\r\n",
    "partial of 2^64": b"a FETCH 1 BODY[]<18446744073709551616.18446744073709551616>\r\n",
    "many flags": b"a STORE 1 +FLAGS (" + b" ".join(b"k%d" % n for n in range(20_000)) + b")\r\n",
    "huge tag": b"a" * 200_000 + b" NOOP\r\n",
    "only a tag": b"a\r\n",
    "no tag": b" NOOP\r\n",
    "nothing": b"\r\n" * 5,
    "bare LF": b"a NOOP\n",
    "bare CR": b"a NOOP\rb NOOP\r\n",
    "plus as a tag": b"+ NOOP\r\n",
    "not ASCII": "a SÜCHE\r\n".encode("latin-1"),
    "literal that is no number": b"a SELECT {x}\r\n",
    "literal of less than nothing": b"a SELECT {-1}\r\n",
    "unfinished quoted string": b'a SELECT "INBOX\r\n',
    "literal of 2^31": b"a SELECT {2147483648}\r\n",
    "literal of 2^63": b"a SELECT {9223372036854775808}\r\n",
    "literal of 2^64": b"a APPEND INBOX {18446744073709551616}\r\n",
    "literal of 10^5000": b"a APPEND INBOX {1" + b"0" * 5_000 + b"}\r\n",
    "literal of 2^63 that does not wait": b"a SELECT {9223372036854775808+}\r\n",
    "message of 2^63 that does not wait": b"a APPEND INBOX {9223372036854775808+}\r\n",
    "garbage after a message": b"a APPEND INBOX {1+}\r\nx garbage\r\n",
    "mailbox before login that is a literal": b"a LOGIN {5000+}\r\n" + b"x" * 5_000 + b" y\r\n",
    "AUTHENTICATE without base64": b"a AUTHENTICATE PLAIN\r\n!!!!\r\n",
    "AUTHENTICATE of something else": b"a AUTHENTICATE GSSAPI\r\n",
    "date that is none": b'a APPEND INBOX "99-Foo-0000 99:99:99 +9999" {1+}\r\nx\r\n',
    "charset that is none": b"a SEARCH CHARSET X-NONE TEXT x\r\n",
    "invalid UTF-8 in a search": b"a SEARCH CHARSET UTF-8 TEXT {2+}\r\n\xff\xfe\r\n",
}


HARMLESS = {"bare LF", "huge tag", "many wildcards"}
"""What may as well be carried out."""


@pytest.mark.parametrize("state", ["stranger", "selected"])
@pytest.mark.parametrize("name", IMAP_NONSENSE)
def test_imap(server: Server, name: str, state: str) -> None:
    """Nonsense is answered with BAD, NO or BYE, and what is not nonsense goes on."""
    with imap(server, state) as wire:
        lines = say(wire, IMAP_NONSENSE[name])
        assert name in HARMLESS or any(re.match(rb"\S+ (BAD|NO|BYE) ", line) for line in lines), lines[:3]


MAILBOXES = {
    "parent": b'"../x"',
    "parents": b'"../../../../../../tmp/mailhorn-was-here"',
    "parent below": b'"Work/../../bob"',
    "absolute": b'"/tmp/mailhorn-was-here"',
    "dot": b'"."',
    "dots": b'".."',
    "hidden": b'".Work"',
    "empty": b'""',
    "slash": b'"/"',
    "slashes": b'"a//b"',
    "Maildir's own": b'"cur"',
    "spool": b'".spool"',
    "NUL": b"{3+}\r\na\0b",
    "line end": b"{4+}\r\na\r\nb",
    "open shift": b'"a&"',
    "unfinished shift": b'"a&AA"',
    "no base64": b'"a&!!-"',
    "half a surrogate": b'"a&2D0-"',
    "shift of ASCII": b'"a&AGE-"',
    "8 bits": b'"a\xff\xfe"',
    "long": b'"' + b"x" * 5_000 + b'"',
    "deep": b'"' + b"/".join([b"x"] * 1_000) + b'"',
    "control": b'"a\x07b"',
    "wildcard": b'"a*"',
}

MUST_BE_REFUSED = {
    "NUL",
    "line end",
    "open shift",
    "unfinished shift",
    "no base64",
    "half a surrogate",
    "8 bits",
    "empty",
}


@pytest.mark.parametrize("name", MAILBOXES)
def test_mailbox_names(server: Server, name: str) -> None:
    """A mailbox of any name is made within the account's own directory, or refused; nothing else comes to be."""
    before = outside(server)
    with imap(server, "logged in") as wire:
        made = say(wire, b"a CREATE " + MAILBOXES[name] + b"\r\n")
        answer = next(line for line in made if line.startswith((b"a ", b"* BAD")))
        if name in MUST_BE_REFUSED:
            assert not answer.startswith(b"a OK"), answer
        for command in (b"SELECT", b"SUBSCRIBE", b"STATUS"):
            say(wire, b"a %b %b%b\r\n" % (command, MAILBOXES[name], b" (MESSAGES)" if command == b"STATUS" else b""))
        say(wire, b"a RENAME INBOX " + MAILBOXES[name] + b"/below\r\n" if b"+}" in MAILBOXES[name] else b"")
        say(wire, b"a UNSUBSCRIBE " + MAILBOXES[name] + b"\r\n")
        say(wire, b"a UNSELECT\r\n")
        if answer.startswith(b"a OK"):
            gone = say(wire, b"a DELETE " + MAILBOXES[name] + b"\r\n")
            assert any(line.startswith(b"a OK") for line in gone), gone
    assert outside(server) == before
    assert not Path("/tmp/mailhorn-was-here").exists()


def outside(server: Server) -> set[str]:
    """Return all files but those of the account and of the database."""
    return {
        str(path)
        for path in server.folder.rglob("*")
        if not path.is_relative_to(server.data / "mail") and not path.name.startswith("index.sqlite")
    } | {path.name for path in (server.data / "mail").iterdir() if path.name != "ann"}  # made when her mail settles


NOT_FOR_STRANGERS = (
    b'SELECT INBOX|EXAMINE INBOX|CREATE a|DELETE a|RENAME a b|SUBSCRIBE a|UNSUBSCRIBE a|LIST "" *|LSUB "" *|'
    b"NAMESPACE|STATUS INBOX (MESSAGES)|APPEND INBOX {1+}\r\nx|IDLE|ENABLE CONDSTORE"
).split(b"|")
ONLY_SELECTED = (
    b"CHECK|CLOSE|UNSELECT|EXPUNGE|UID EXPUNGE 1|SEARCH ALL|UID SEARCH ALL|FETCH 1 FLAGS|UID FETCH 1 FLAGS|"
    b"STORE 1 +FLAGS (\\Seen)|UID STORE 1 +FLAGS (\\Seen)|COPY 1 INBOX|UID COPY 1 INBOX|MOVE 1 INBOX|UID MOVE 1 INBOX"
).split(b"|")
ONLY_FOR_STRANGERS = (b"LOGIN ann x", b"AUTHENTICATE PLAIN", b"STARTTLS")


def test_imap_wrong_state(server: Server) -> None:
    """Each command where it is not allowed is refused, and the connection goes on."""
    for state, commands in (
        ("stranger", (*NOT_FOR_STRANGERS, *ONLY_SELECTED)),
        ("logged in", (*ONLY_SELECTED, *ONLY_FOR_STRANGERS)),
        ("selected", ONLY_FOR_STRANGERS),
    ):
        for command in commands:
            with imap(server, state) as wire:
                lines = say(wire, b"a " + command + b"\r\n")
                assert any(re.match(rb"a (BAD|NO) ", line) for line in lines), (state, command, lines)
                assert lines[-1].startswith(b"zz OK"), (state, command, lines)


def test_idle_with_anything_but_done(server: Server) -> None:
    """Whatever ends an IDLE, it ends once, and commands go on."""
    for line in (b"NOOP", b"", b"done", b"a DONE", b"\0", b"x" * 100_000):
        with imap(server, "selected") as wire:
            lines = say(wire, b"a IDLE\r\n" + line + b"\r\n")
            assert len([line for line in lines if line.startswith(b"a ")]) == 1, lines


def test_imap_pipelined(server: Server) -> None:
    """Ten thousand commands in one go are answered in their order."""
    with imap(server, "selected") as wire:
        wire.send(b"".join(b"t%d NOOP\r\n" % number for number in range(10_000)))
        for number in range(10_000):
            assert wire.line().startswith(b"t%d OK" % number)


@pytest.mark.parametrize("service", ["imap", "smtp", "lmtp"])
def test_half_a_command(server: Server, service: str) -> None:
    """A client that ends in the middle of a command is let go."""
    halves = {
        "imap": (
            b"",
            b"a",
            b"a NOOP",
            b"a LOGIN {5}\r\nx",
            b"a LOGIN {50+}\r\nx",
            b"a APPEND INBOX {9+}\r\n",
            b"a IDLE\r\n",
        ),
        "smtp": (b"", b"EH", b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nhalf\r\n."),
        "lmtp": (b"LHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<ann@example.org>\r\nBDAT 1000 LAST\r\nhalf",),
    }
    for half in halves[service]:
        with Wire(HOST, server.ports[service]) as wire:
            wire.line()
            wire.send(half)
            wire.end()
            wire.rest()
    assert "half" not in str(server.mailbox())


def test_octet_by_octet(server: Server) -> None:
    """A client that sends one octet at a time is served like any other."""
    with Wire(HOST, server.ports["imap"]) as wire:
        wire.line()
        wire.send_by_octets(
            b'a LOGIN {3}\r\nann "%b"\r\nb SELECT {5+}\r\nINBOX\r\nc UID SEARCH 1:* ALL\r\n' % PASSWORD.encode()
        )
        assert any(line.startswith(b"c OK") for line in wire.until(b"c "))
    with Wire(HOST, server.ports["smtp"]) as wire:
        wire.line()
        wire.send_by_octets(b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<nobody@example.org>\r\nQUIT\r\n")
        assert wire.until(b"221")[-1].startswith(b"221")


@pytest.mark.parametrize("service", ["imap", "imaps", "smtp", "smtps", "lmtp"])
def test_garbage(server: Server, service: str) -> None:
    """Octets at random, and another protocol's, end in an answer or a hang-up."""
    noise = random.Random(service)
    for data in (
        noise.randbytes(300_000),
        noise.randbytes(50) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20,
        b"\x16\x03\x01",
    ):
        with Wire(HOST, server.ports[service]) as wire:
            wire.send(data)
            wire.end()
            wire.rest()


# SMTP and LMTP


@contextlib.contextmanager
def smtp(server: Server, service: str) -> Iterator[Wire]:
    """A raw SMTP or LMTP connection that has said hello."""
    with Wire(HOST, server.ports[service]) as wire:
        assert wire.line().startswith(b"220 ")
        wire.send(b"LHLO x\r\n" if service == "lmtp" else b"EHLO x\r\n")
        assert wire.until(b"250 ")[-1].startswith(b"250 ")
        yield wire


def reply(wire: Wire, data: bytes) -> bytes:
    """Send it, and return the last line of one reply."""
    wire.send(data)
    while (line := wire.line())[3:4] == b"-":
        pass
    return line


def begin_message(wire: Wire) -> None:
    """Get as far as the message itself."""
    assert reply(wire, b"MAIL FROM:<a@example.net>\r\n").startswith(b"250 ")
    assert reply(wire, b"RCPT TO:<ann@example.org>\r\n").startswith(b"250 ")
    assert reply(wire, b"DATA\r\n").startswith(b"354 ")


STRANGE_ENDS = (
    b"\n", b"\r", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r", b"\r.\r\n", b"\r\n\r.\r\n", b"\n\n.\n\n",
    b"\r\r\n", b"\n\r\n", b"\r\n.\n\r\n",
    b"\n.\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\nevil",
)  # fmt: skip


@pytest.mark.parametrize("service", ["smtp", "lmtp"])
def test_strange_line_ends(server: Server, service: str) -> None:
    """A message with a bare CR or LF is refused as a whole, ends at CRLF.CRLF only, and the next one is taken."""
    before = set(server.mailbox())
    with smtp(server, service) as wire:
        for end in STRANGE_ENDS:
            begin_message(wire)
            answer = reply(wire, b"Subject: strange\r\n\r\nbefore" + end + b"after\r\n.\r\n")
            assert re.match(rb"5\d\d 5\.", answer), (end, answer)
            assert reply(wire, b"NOOP\r\n").startswith(b"250 "), end
        begin_message(wire)
        assert reply(wire, b"Subject: good\r\n\r\ngood\r\n.\r\n").startswith(b"250 ")
    now = server.mailbox()
    assert [entry.subject for uid, entry in now.items() if uid not in before] == ["good"]


SMTP_NONSENSE = {
    "NUL": b"NO\0OP\r\n",
    "line of 10 MB": b"NOOP " + b"x" * 10 * MEBIBYTE + b"\r\n",
    "no CR": b"MAIL FROM:<a@b.c>\nRCPT TO:<ann@example.org>\nDATA\n",
    "size of 2^63": b"MAIL FROM:<a@b.c> SIZE=9223372036854775808\r\n",
    "size of 10^5000": b"MAIL FROM:<a@b.c> SIZE=1" + b"0" * 5_000 + b"\r\n",
    "chunk of less than nothing": b"BDAT -1 LAST\r\n",
    "chunk of nobody": b"BDAT 5 LAST\r\nhello",
    "address of 1 MB": b"MAIL FROM:<" + b"a" * MEBIBYTE + b"@b.c>\r\n",
    "route of 1 MB": b"MAIL FROM:<" + b"@a.b," * 200_000 + b":c@d.e>\r\n",
    "parentheses": b"MAIL FROM:<" + b"(" * 10_000 + b"@b.c>\r\n",
    "quotes": b'MAIL FROM:<"' + b'\\"' * 5_000 + b"@b.c>\r\n",
    "not ASCII": b"MAIL FROM:<\xff\xfe@b.c>\r\n",
    "nothing": b"\r\n" * 3,
    "parameters": b"MAIL FROM:<a@b.c>" + b" X=Y" * 2_000 + b"\r\n",
    "DATA too early": b"DATA\r\n",
    "RCPT too early": b"RCPT TO:<ann@example.org>\r\n",
    "MAIL twice": b"MAIL FROM:<a@b.c>\r\nMAIL FROM:<a@b.c>\r\n",
    "DATA for nobody": b"MAIL FROM:<a@b.c>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n",
    "AUTH without base64": b"AUTH PLAIN !!!!\r\n",
    "AUTH of something else": b"AUTH GSSAPI\r\n",
    "unknown": b"XYZZY " + b"x" * 500 + b"\r\n",
}


@pytest.mark.parametrize("service", ["smtp", "lmtp"])
@pytest.mark.parametrize("name", SMTP_NONSENSE)
def test_smtp(server: Server, name: str, service: str) -> None:
    """Nonsense gets a 5xx or a 421, and unless it was that, the connection goes on."""
    with smtp(server, service) as wire:
        wire.send(SMTP_NONSENSE[name] + b"QUIT\r\n")
        lines = wire.until(b"221 ")
        assert any(re.match(rb"5\d\d |421 ", line) for line in lines), lines
        assert lines[-1].startswith((b"221 ", b"421 ")), lines


@pytest.mark.parametrize("service", ["smtp", "lmtp"])
def test_chunk_of_2_63(server: Server, service: str) -> None:
    """A chunk that is too large is refused at once, and what comes is passed over until the client gives up."""
    for size in (b"9223372036854775808", b"18446744073709551616"):
        with smtp(server, service) as wire:
            assert re.match(rb"5\d\d 5\.", reply(wire, b"BDAT " + size + b"\r\n"))
            wire.send(b"x" * MEBIBYTE)
            wire.end()
            wire.rest()


@pytest.mark.parametrize("service", ["smtp", "lmtp"])
def test_line_of_10_megabytes_in_a_message(server: Server, service: str) -> None:
    """A message that is one line of 10 MB is taken and can be read, or refused."""
    with smtp(server, service) as wire:
        begin_message(wire)
        answer = reply(wire, b"Subject: long\r\n\r\n" + b"x" * 10 * MEBIBYTE + b"\r\n.\r\n")
        assert re.match(rb"(250 2|5\d\d 5)\.", answer)
    with server.imap() as session:
        session.select()
        kind, data = session.search(None, "SUBJECT", "long")
        for number in data[0].split():
            kind, data = session.fetch(number.decode(), "(RFC822.SIZE BODY.PEEK[TEXT]<0.100>)")
            assert (kind, data[0][1]) == ("OK", b"x" * 100)
            session.store(number.decode(), "+FLAGS", r"(\Deleted)")
        session.expunge()


@pytest.mark.parametrize("service", ["smtp", "lmtp"])
def test_smtp_pipelined(server: Server, service: str) -> None:
    """Ten thousand commands in one go are answered in their order."""
    with smtp(server, service) as wire:
        wire.send(b"NOOP\r\n" * 10_000 + b"QUIT\r\n")
        lines = wire.until(b"221 ")
        assert [line[:4] for line in lines] == [b"250 "] * 10_000 + [b"221 "]


def test_message_without_end(server: Server) -> None:
    """A message that never ends, in lines or in chunks, is nobody's, and costs no memory."""
    before = server.mailbox()
    for service in ("smtp", "lmtp"):
        with smtp(server, service) as wire:
            begin_message(wire)
            for _ in range(40):
                wire.send(b"Subject: endless\r\n" * 57_000)
        with smtp(server, service) as wire:
            assert reply(wire, b"MAIL FROM:<a@b.c>\r\n").startswith(b"250 ")
            assert reply(wire, b"RCPT TO:<ann@example.org>\r\n").startswith(b"250 ")
            wire.send(b"BDAT 20000000\r\n" + b"x" * 10_000_000)
    assert server.mailbox() == before
