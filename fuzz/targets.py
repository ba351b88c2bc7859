"""What bytes are fed to, and what is promised of it whatever they are.

Pieces are cut where a checksum of the input says, so that the same input is the same run.
"""

import re
import zlib
from array import array
from collections.abc import Coroutine
from contextlib import suppress
from random import Random
from typing import Any, TypeVar

from tests.kit.managesieve import Illegal, Reader
from tests.kit.sievepeer import Peer as SievePeer
from tests.kit.smtp import Peer

from mailhorn.imap.client import ClientConnection, UntaggedReceived
from mailhorn.imap.commands import Authenticate, Command, Enable, Keyword, Login, Simple
from mailhorn.imap.framing import CLIENT_LIMITS, NEED_DATA, Frame, Framer
from mailhorn.imap.grammar.body import parse_body, write_body
from mailhorn.imap.grammar.command import parse_command, write_command
from mailhorn.imap.grammar.cursor import REV2, STRICT, Cursor, Dialect, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.envelope import envelope_bytes, parse_envelope
from mailhorn.imap.grammar.ext.unauthenticate import UNAUTHENTICATE
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.grammar.search import parse_search_program
from mailhorn.imap.responses import Condition, Response, Tagged
from mailhorn.imap.server import (
    AppendData,
    AppendEnded,
    AppendStarted,
    CommandReceived,
    Event,
    IdleEnded,
    Responded,
    ServerConnection,
)
from mailhorn.imap.view import MailboxView
from mailhorn.mime import header as headers
from mailhorn.mime.decode import decoded_header, part_text, text_parts
from mailhorn.mime.encode import without_nul
from mailhorn.mime.envelope import envelope
from mailhorn.mime.packed import pack, unpack
from mailhorn.mime.preview import LENGTH, preview, preview_part
from mailhorn.mime.scan import Part, scan
from mailhorn.mime.structure import body_structure
from mailhorn.mime.transfer import decoded, decoder
from mailhorn.model.ids import UID, ModSeq
from mailhorn.model.message import MessageOrigin, MessageRow
from mailhorn.server.imap.matching import Letter, Scope, depth, resolve
from mailhorn.server.imap.sorting import sent
from mailhorn.server.imap.subject import base_subject
from mailhorn.server.imap.threads import Conversations, Message, ids, references
from mailhorn.sieve import Actions, HeaderFacts, Need, SieveError, SieveRuntimeError, compile_script, evaluate, offered
from mailhorn.sieve.address import addresses, outbound
from mailhorn.smtp.connection import Options

from . import seeds
from .engine import Broken, Target


def pieces(data: bytes) -> list[bytes]:
    """Cut an input at up to nine places."""
    random = Random(zlib.crc32(data))
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(1, 10)))
    found = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return [piece for piece in found if piece]


def same(what: str, one: object, other: object) -> None:
    """Say what differs, and how."""
    if one != other:
        raise Broken(f"{what}: {one!r} and {other!r}")


# IMAP, a server's side.


def command(data: bytes) -> None:
    """
    Anything from an IMAP client is commands, or is answered BAD.

    Any split gives the same events and the same answers; a command that is understood is understood again as we write
    it; each answer is one a strict client can read; there is never more than one answer for each line.
    """
    events, said = _served([data])
    same("a split", _served(pieces(data)), (events, said))
    dialect = STRICT
    for event in events:
        if isinstance(event, CommandReceived):
            with suppress(Unwritable):  # a server reads more than a client may write: NUL in a literal
                segments = write_command(event.tag, event.command, dialect)
                same("written", parse_command(b"".join(segments)[:-2], dialect), (event.tag, event.command))
            dialect = _after(event.command, dialect)
    answers = [parse_response(frame, STRICT) for frame in _frames(said)]
    ends = sum(isinstance(answer, Tagged) for answer in answers)
    if ends > data.count(b"\n") + 2:
        raise Broken(f"{ends} answers to {data.count(10)} lines")


def _after(said: Command, dialect: Dialect) -> Dialect:
    """Return the dialect after a command: that of IMAP4rev2 from ENABLE on, until nobody is logged in."""
    if isinstance(said, Enable):
        return REV2 if "IMAP4REV2" in map(str.upper, said.capabilities) else dialect
    return STRICT if said == UNAUTHENTICATE else dialect


def _frames(data: bytes) -> list[bytes]:
    framer = Framer(CLIENT_LIMITS, synchronizing=False)
    framer.receive_data(data)
    found = []
    while (event := framer.next_event()) is not NEED_DATA:
        if not isinstance(event, Frame):
            raise Broken(f"an answer that is {event}")
        found.append(event.data)
    if framer.buffered:
        raise Broken("half an answer")
    return found


def _served(parts: list[bytes]) -> tuple[list[Event], bytes]:
    """All events and answers of a willing session with a mailbox selected."""
    connection = ServerConnection()
    events: list[Event] = []
    said = b""
    for piece in (b"a LOGIN a b\r\nb SELECT INBOX\r\n", *parts, None):
        if piece is None:
            connection.receive_eof()
        elif piece:
            connection.receive_data(piece)
        while found := connection.events_received():
            for event in found:
                _serve(connection, event)
                if isinstance(event, AppendData) and events and isinstance(events[-1], AppendData):
                    events[-1] = AppendData(events[-1].data + event.data)
                else:
                    events.append(event)
            said += connection.data_to_send()
        said += connection.data_to_send()
    return events, said


def _serve(connection: ServerConnection, event: Event) -> None:
    if isinstance(event, AppendStarted):
        if event.command.size > 1_000_000:
            connection.complete(Condition.NO, None, b"too big")
        else:
            connection.accept_append()
    elif isinstance(event, CommandReceived):
        if event.command == Simple(Keyword.IDLE):
            connection.accept_line(idle=True)
        elif isinstance(event.command, Authenticate):
            connection.accept_line(idle=False, text=b"go on")
        elif event.command == Simple(Keyword.STARTTLS):  # what comes before TLS is forgotten, wherever it is cut
            connection.complete(Condition.NO, None, b"no TLS")
        else:
            connection.dialect = _after(event.command, connection.dialect)
            connection.complete(Condition.OK, None, b"done")
    elif isinstance(event, IdleEnded | Responded | AppendEnded):
        connection.complete(Condition.OK, None, b"done")


# IMAP, a client's side.


def response(data: bytes) -> None:
    """
    Anything from an IMAP server is responses, or a ProtocolViolation.

    Any split gives the same events and makes the client say the same; a response that the strict grammar understands
    is understood again as we write it, in which only text for people may be another.
    """
    events, said = _watched([data])
    same("a split", _watched(pieces(data)), (events, said))
    for event in events:
        if isinstance(event, UntaggedReceived):
            _again(event.response)
    framer = Framer(CLIENT_LIMITS, synchronizing=False)
    framer.receive_data(data)
    while (event := framer.next_event()) is not NEED_DATA:
        if isinstance(event, Frame):
            for dialect in (STRICT, Dialect(utf8=True)):
                try:
                    found = parse_response(event.data, dialect)
                    written = write_response(found, dialect)
                except (SyntaxProblem, Unwritable):
                    continue
                same("written", write_response(parse_response(written[:-2], dialect), dialect), written)


def _again(found: Response) -> None:
    try:
        write_response(found)
    except Unwritable:
        pass


def _watched(parts: list[bytes]) -> tuple[list[object], bytes]:
    connection = ClientConnection()
    connection.receive_data(b"* OK hello\r\n")
    connection.send(Login(b"a\xff", b"\xfe"))
    connection.send(Simple(Keyword.NOOP))
    events: list[object] = []
    for piece in parts:
        connection.receive_data(piece)
        events += connection.events_received()
    connection.receive_eof()
    events += connection.events_received()
    return events, connection.data_to_send()


# SMTP and LMTP.

_SMTP = Options(hostname="mx.test", max_size=600, auth_mechanisms=("PLAIN",))
_LMTP = Options(hostname="mx.test", max_size=600, lmtp=True)
_REPLY = re.compile(rb"(?:[2-5][0-9]{2}(?:-[\x20-\x7e\x80-\xff]*\r\n))*[2-5][0-9]{2} [\x20-\x7e\x80-\xff]*\r\n")


def smtp(data: bytes) -> None:
    """
    Anything from an SMTP or LMTP client is commands and messages, or is answered with an error.

    Any split gives the same events, messages and replies; each reply has the form of RFC 5321 §4.2, in lines of at
    most 512 octets.
    """
    options = _LMTP if b"LHLO" in data[:200] else _SMTP
    whole, cut = Peer(options), Peer(options)
    said = whole.send(data) + whole.eof()
    same("a split", cut.send(*pieces(data)) + cut.eof(), said)
    same("a split", (cut.story, cut.messages), (whole.story, whole.messages))
    at = 0
    while at < len(said):
        found = _REPLY.match(said, at)
        if found is None:
            raise Broken(f"no reply: {said[at : at + 100]!r}")
        if max(map(len, found[0].split(b"\n"))) > 511:
            raise Broken("a reply that is too long")
        at = found.end()


# ManageSieve.


def managesieve(data: bytes) -> None:
    """
    Anything from a ManageSieve client is commands, or is answered with NO or BYE.

    Any split gives the same events and the same answers; each answer is one a strict client can read; there are never
    more answers than lines. What begins with NUL comes before the login.
    """
    whole, cut = SievePeer(tls=False), SievePeer(tls=False)
    if not data.startswith(b"\0"):
        whole.log_in()
        cut.log_in()
    data = data.removeprefix(b"\0")
    said = whole.send(data) + whole.eof()
    same("a split", cut.send(*pieces(data)) + cut.eof(), said)
    same("a split", cut.events, whole.events)
    if not whole.connection.closed:
        raise Broken("open after its end")
    reader, answers = Reader(lambda: b""), 0
    reader.buffer = said
    while reader.buffer:
        try:
            reader.answer(challenge=True)
        except (EOFError, Illegal, UnicodeDecodeError) as problem:
            raise Broken(f"no answer: {said[-100:]!r}") from problem
        answers += 1
    if answers > 3 * (data.count(b"\n") + 2):
        raise Broken(f"{answers} answers to {data.count(10)} lines")


# Messages.


def mime(data: bytes) -> None:
    """
    Any octets are a message.

    Its parts lie within each other and in order; what it says can be stored; envelope and structure are read as they
    were written; a preview is short; decoding piece by piece is decoding.
    """
    root = scan(data)
    _check(root, 0, len(data))
    same("packed", unpack(pack(root)), root)
    structure = body_structure(root, data)
    header = data[: root.body_start]
    found = envelope(header)
    same("envelope", parse_envelope(Cursor(envelope_bytes(found))), found)
    for extended in (True, False):
        out = Writer()
        write_body(out, structure, extended=extended)
        cur = Cursor(out.data())
        again = parse_body(cur)
        if extended:
            same("structure", again, structure)
        cur.end()
    decoded_header(data).encode()
    for part in text_parts(root):
        part_text(part, data).encode()
        _decoding(data[part.body_start : part.body_end], part.encoding)
    chosen = preview_part(root)
    if chosen is not None:
        text = preview(chosen, data[chosen.body_start : chosen.body_end])
        if len(text) > LENGTH or text != " ".join(text.split()):
            raise Broken(f"a preview that is {text!r}")
        text.encode()
    every = headers.header_fields(header, [], exclude=True)
    names = [name for name, _ in headers.fields(header)]
    same("fields", [name for name, _ in headers.fields(every)], names)
    kept = headers.header_fields(header, names[:1])
    same("kept", {name.lower() for name, _ in headers.fields(kept)}, {name.lower() for name in names[:1]})
    clean = without_nul(data)
    if clean is not None and b"\0" not in data:
        same("without NUL", b"".join(clean), data.replace(b"\r", b"\n") if b"\n" not in data else data)


def _check(part: Part, start: int, end: int) -> None:
    if not start <= part.header_start <= part.body_start <= part.body_end <= end:
        raise Broken(f"{part} is not within {start} and {end}")
    at = part.body_start
    for child in part.children:
        _check(child, at, part.body_end)
        at = child.body_end


def _decoding(body: bytes, encoding: bytes) -> None:
    work = decoder(encoding)
    if work is not None:
        same("decoding", b"".join(map(work.feed, pieces(body))) + work.finish(), decoded(body, encoding))


# Sieve.


def sieve(data: bytes) -> None:
    """
    Any text is a script or a SieveError with its place, and a script decides about any message.

    What is before the first NUL is the script, what follows it the header. Facts that are held back change nothing.
    """
    text, _, header = data.partition(b"\0")
    try:
        program = compile_script(text.decode("utf-8", "surrogateescape"), offered({"envelope"}))
    except SieveError as error:
        if error.line < 1 or error.column < 1 or not str(error).encode().strip() or "\x1b" in str(error):
            raise Broken(f"an error that cannot be shown: {error!r}") from error
        return
    values = [
        (name.decode("latin-1"), headers.unfold(value).decode("utf-8", "surrogateescape"))
        for name, value in headers.fields(header)
    ]
    for _, value in values:
        for one in addresses(value):
            if (one.local_part is None) is not (one.domain is None):
                raise Broken(f"half an address in {value!r}")
        sendable = outbound(value)
        if sendable is not None:
            same("sendable", outbound(sendable), sendable)
    everything = HeaderFacts(
        values, size=len(data), envelope={"from": ["tim@example.com"], "to": ["me@example.org"]}, mailboxes=["INBOX"]
    )
    try:
        at_once = evaluate(program, everything)
    except SieveRuntimeError:
        return
    if not isinstance(at_once, Actions):
        raise Broken(f"everything is known, and yet {at_once}")
    if program.any_header or program.any_mailbox:  # then it says so, and needs more than one round trip
        return
    need = evaluate(program, HeaderFacts())
    if isinstance(need, Need):
        if not (need.headers <= program.headers and need.mailboxes <= program.mailboxes):
            raise Broken(f"it needs what it does not say it may need: {need}")
        need = evaluate(
            program,
            HeaderFacts(
                [(name, value) for name, value in values if name.lower() in need.headers],
                only=need.headers,
                size=len(data) if need.size else None,
                envelope={"from": ["tim@example.com"], "to": ["me@example.org"]} if need.envelope else None,
                mailboxes=["INBOX"] if need.mailboxes else None,
            ),
        )
    same("facts held back", need, at_once)


# What SEARCH, SORT and THREAD make of messages.

_VIEW = MailboxView(array("I", [3, 5, 9]))
_SCOPE = Scope(_VIEW, 1_700_000_000.0)


def search(data: bytes) -> None:
    """
    Any message can be searched, sorted and threaded; what is known of it early is not denied by what is known late.

    Up to the message begins, at the first CR LF that no literal reaches beyond, stands a search program.
    """
    cur = Cursor(data)
    try:
        key, _ = parse_search_program(cur)
        cur.expect(b"\r\n")
    except SyntaxProblem:
        return
    message = data[cur.pos :]
    header = message[: scan(message).body_start]
    raw = envelope_bytes(envelope(header))
    row = MessageRow(UID(5), ModSeq(7), "\\Seen x", 981_456_789, len(message))
    origin = MessageOrigin(row.uid, "M1", 981_456_789)
    test = resolve(key, _SCOPE)
    levels = [
        Letter(row, origin=origin),
        Letter(row, raw, origin=origin),
        Letter(row, raw, header, origin=origin),
        Letter(row, raw, header, message, origin=origin),
    ]
    answers = [test(letter) for letter in levels]
    if answers[-1] is None or answers[depth(key)] is None:
        raise Broken(f"{key} is not decided by {depth(key).name}")
    known = [answer for answer in answers if answer is not None]
    if any(known) is not all(known):
        raise Broken(f"{key} is {answers}")
    found = envelope(header)
    subject = base_subject(found.subject)
    sent(found.date, row.internal_date)
    made = []
    for number, id_ in enumerate((ids(found.message_id or b"") + references(header))[:20], 1):
        made.append(
            Message(UID(number), *subject, sent=number % 3, id=id_, references=references(header)[number % 2 :: 2])
        )
    for put in (Conversations.by_subject, Conversations.by_references):
        together = Conversations()
        for one in made:
            together.add(one)
        _now(put(together))
        numbers = []
        waiting = list(together.roots)
        while waiting:
            node = waiting.pop()
            numbers.append(together.number(node))
            waiting += together.below(node)
        same("messages in threads", sorted(n for n in numbers if n is not None), [one.number for one in made])


Result = TypeVar("Result")


def _now(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of what only gives others a turn, of whom there are none here."""
    while True:
        try:
            work.send(None)
        except StopIteration as done:
            result: Result = done.value
            return result


TARGETS = {
    target.name: target
    for target in (
        Target(
            "command",
            command,
            ("imap",),
            seeds.commands,
            (
                b"{3}\r\n",
                b"{3+}\r\n",
                b"~{3}\r\n",
                b"{4096+}\r\n",
                b"NIL",
                b"&AOk-",
                b"DONE\r\n",
                b"e ENABLE IMAP4rev2\r\n",
                b"UTF8 (~{3+}\r\nabc)",
                '"R&D é"'.encode(),
                b"UID ",
                b"$",
                b"<0.1>",
            ),
        ),
        Target(
            "response",
            response,
            ("imap",),
            lambda: [b"+ go\r\n+ go\r\nm1 OK [CAPABILITY IMAP4rev1 LITERAL-] x\r\nm2 OK\r\n", *seeds.responses()],
            (
                b"m1",
                b"m2",
                b"m3",
                b"+ ",
                b"{3}\r\n",
                b"NIL",
                b"&AOk-",
                b"* ",
                b"BODY[1.2.MIME]<5>",
                b"BINARY[1]",
                b"))",
            ),
        ),
        Target("smtp", smtp, ("smtp",), seeds.smtp, (b"BDAT 3 LAST\r\n", b"\r\n.\r\n", b"RET=HDRS", b"XFORWARD")),
        Target(
            "managesieve",
            managesieve,
            ("managesieve",),
            seeds.managesieve,
            (b"{3+}\r\n", b"{3}\r\n", b"{99999+}\r\n", b'"*"\r\n', b'"AGEAYg=="', b'"bW9yZQ=="\r\n', b'\\"'),
        ),
        Target(
            "mime",
            mime,
            ("mime", "imap/grammar/body.py", "imap/grammar/envelope.py"),
            seeds.letters,
            (
                b"=?utf-8?q?",
                b"?=",
                b"*0*=",
                b"''",
                b"--",
                b"\n--",
                b"message/rfc822",
                b"multipart/",
                b"quoted-printable",
                b"utf-7",
                b"+2AA-",
                b"base64",
            ),
            lines=1_500,
        ),
        Target(
            "sieve",
            sieve,
            ("sieve",),
            seeds.scripts,
            (b"text:\r\n", b"\r\n.\r\n", b"/*", b"*/", b"${unicode:", b"${hex:"),
        ),
        Target(
            "search",
            search,
            ("server/imap/matching.py", "server/imap/subject.py", "server/imap/sorting.py", "server/imap/threads.py"),
            seeds.searches,
            (
                b"References: ",
                b"In-Reply-To: ",
                b"<a@b>",
                b"Re: ",
                b"[x] ",
                b"(fwd)",
                b"[Fwd: ",
                b"=?utf-8?q?",
                b"\xc3\x9f",
            ),
            lines=2_000,
        ),
    )
}
"""By name."""
