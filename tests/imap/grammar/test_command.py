"""Commands: RFC examples, what is refused and with which tag, and the work that hostile ones cause."""

import time

import pytest
from msgspec.structs import replace

from mailhorn.imap import commands as c
from mailhorn.imap.grammar.command import (
    CommandProblem,
    UnknownCommand,
    parse_append_head,
    parse_command,
    write_command,
)
from mailhorn.imap.grammar.cursor import Dialect, Unwritable
from mailhorn.model.numbers import SAVED, SeqSet, UIDSet
from mailhorn.model.search import (
    All,
    HasFlag,
    Return,
    Returns,
    SortField,
    SortKey,
    Source,
    SourceKind,
    ThreadAlgorithm,
)


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        (b"abcd CAPABILITY", c.Simple(c.Keyword.CAPABILITY)),
        (b"a002 noop", c.Simple(c.Keyword.NOOP)),
        (b"a LOGIN SMITH SESAME", c.Login(b"SMITH", b"SESAME")),
        (b'a LOGIN {5}\r\nSMITH {3}\r\na"b', c.Login(b"SMITH", b'a"b')),
        (b"A AUTHENTICATE plain", c.Authenticate("PLAIN")),
        (b"A AUTHENTICATE PLAIN dGVzdAB0ZXN0AHRlc3Q=", c.Authenticate("PLAIN", b"test\0test\0test")),
        (b"A AUTHENTICATE EXTERNAL =", c.Authenticate("EXTERNAL", b"")),
        (b"t1 ENABLE CONDSTORE X-GOOD-IDEA", c.Enable(("CONDSTORE", "X-GOOD-IDEA"))),
        (b"a023 ID NIL", c.Id(None)),
        (b'a ID ("name" "sodr" "version" NIL)', c.Id((("name", "sodr"), ("version", None)))),
        (b"A142 SELECT INBOX", c.Select("INBOX")),
        (b"A932 EXAMINE blurdybloop", c.Select("blurdybloop", True)),
        (b"A003 CREATE owatagusiam/", c.Create("owatagusiam/")),
        (b"A682 DELETE blurdybloop", c.Delete("blurdybloop")),
        (b"A683 RENAME blurdybloop sarasoop", c.Rename("blurdybloop", "sarasoop")),
        (b"A002 SUBSCRIBE #news.comp.mail.mime", c.Subscribe("#news.comp.mail.mime")),
        (b"A002 UNSUBSCRIBE #news.comp.mail.mime", c.Subscribe("#news.comp.mail.mime", False)),
        (b"A101 LIST #news.comp.mail.misc %", c.List("#news.comp.mail.misc", "%")),
        (b'A102 LSUB "" "*"', c.List("", "*", True)),
        (
            b"A042 STATUS blurdybloop (UIDNEXT MESSAGES)",
            c.Status("blurdybloop", (c.StatusItem.UIDNEXT, c.StatusItem.MESSAGES)),
        ),
        (b"A202 EXPUNGE", c.Expunge()),
        (b"A003 UID EXPUNGE 3000:3002", c.Expunge(UIDSet(((3000, 3002),)))),
        (b"A282 SEARCH ALL", c.Search(All())),
        (b"A282 UID SEARCH CHARSET UTF-8 ALL", c.Search(All(), True, "UTF-8")),
        (
            b"A282 SEARCH RETURN (MIN COUNT) FLAGGED",
            c.Search(HasFlag("\\Flagged"), returns=Returns(frozenset({Return.MIN, Return.COUNT}))),
        ),
        (
            b"E01 UID SORT RETURN () (REVERSE DATE) UTF-8 ALL",
            c.Sort((SortKey(SortField.DATE, True),), "UTF-8", All(), True, Returns()),
        ),
        (
            b"A02 UID SEARCH RETURN (PARTIAL -1:-100) ALL",
            c.Search(All(), True, None, Returns(frozenset(), (-1, -100))),
        ),
        (
            b"A283 THREAD ORDEREDSUBJECT UTF-8 ALL",
            c.FindThreads(ThreadAlgorithm.ORDEREDSUBJECT, "UTF-8", All()),
        ),
        (
            b'tag1 ESEARCH IN (mailboxes "folder1" subtree "folder2") RETURN (COUNT) ALL',
            c.MultiSearch(
                All(),
                (Source(SourceKind.MAILBOXES, ("folder1",)), Source(SourceKind.SUBTREE, ("folder2",))),
                Returns(frozenset({Return.COUNT})),
            ),
        ),
        (b'B04 CANCELUPDATE "B01"', c.CancelUpdate((b"B01",))),
        (b"A654 FETCH $ FLAGS", c.Fetch(SeqSet(SAVED), (c.Attribute.FLAGS,))),
        (b"A654 FETCH 2:4 (FLAGS)", c.Fetch(SeqSet(((2, 4),)), (c.Attribute.FLAGS,))),
        (b"A999 UID FETCH 4827313:4828442 FLAGS", c.Fetch(UIDSet(((4827313, 4828442),)), (c.Attribute.FLAGS,))),
        (b"A003 STORE 2:4 +FLAGS (\\Deleted)", c.Store(SeqSet(((2, 4),)), c.StoreMode.ADD, ("\\Deleted",))),
        (b"A003 COPY 2:4 MEETING", c.Copy(SeqSet(((2, 4),)), "MEETING")),
        (b"a UID MOVE 42:69 foo", c.Move(UIDSet(((42, 69),)), "foo")),
        (b"a NAMESPACE", c.Simple(c.Keyword.NAMESPACE)),
        (b"a IDLE", c.Simple(c.Keyword.IDLE)),
        (b"a UNSELECT", c.Simple(c.Keyword.UNSELECT)),
        (b"a STARTTLS", c.Simple(c.Keyword.STARTTLS)),
    ],
)
def test_a_command(frame: bytes, command: c.Command) -> None:
    """The examples of RFC 9051 §6, and what is written is read as the same."""
    tag = frame.split(b" ")[0]
    assert parse_command(frame) == (tag, command)
    written = b"".join(write_command(tag, command))
    assert parse_command(written[:-2]) == (tag, command)


@pytest.mark.parametrize(
    ("frame", "tag", "position"),
    [
        (b"", b"*", 0),
        (b"* NOOP", b"*", 0),
        (b"+a NOOP", b"*", 0),
        (b"a{ NOOP", b"*", 1),
        (b"a", b"a", 1),
        (b"a  NOOP", b"a", 2),
        (b"a NOOP ", b"a", 6),
        (b"a SELECT", b"a", 8),
        (b"a SELECT x y", b"a", 10),
        (b'a LOGIN "x', b"a", 8),
        (b"a LOGIN x {3}\r\nab", b"a", 15),
        (b"a SELECT &x", b"a", 9),
        (b"a UID", b"a", 5),
        (b"a UID NOOP", b"a", 6),
        (b"a FETCH 1", b"a", 9),
        (b"a AUTHENTICATE PLAIN x", b"a", 21),
        (b"a AUTHENTICATE PLAIN ====", b"a", 22),
        (b"a APPEND x {3}\r\nabc", b"a", 8),
    ],
)
def test_a_problem_knows_its_tag_and_place(frame: bytes, tag: bytes, position: int) -> None:
    """The answer is `tag BAD`, or `* BAD` where there is no tag."""
    with pytest.raises(CommandProblem) as caught:
        parse_command(frame)
    assert (caught.value.tag, caught.value.position) == (tag, position)


@pytest.mark.parametrize(
    ("frame", "word"), [(b"a FOO", b"FOO"), (b"a foo bar", b"FOO"), (b"a UID FOO", b"UID FOO"), (b"a ", b"")]
)
def test_an_unknown_command_is_told_apart(frame: bytes, word: bytes) -> None:
    """It is a CommandProblem as well."""
    with pytest.raises(UnknownCommand) as caught:
        parse_command(frame)
    assert (caught.value.tag, caught.value.word) == (b"a", word)
    assert isinstance(caught.value, CommandProblem)


def test_the_head_of_an_append() -> None:
    """RFC 9051 §6.3.12, RFC 3501 §6.3.11."""
    head = b'A003 APPEND saved-messages (\\Seen work) " 1-Jan-1970 00:00:10 +0000" {326}'
    command = c.Append("saved-messages", frozenset({"\\Seen", "work"}), 10, 326)
    assert parse_append_head(head) == (b"A003", command)
    assert parse_append_head(b"a append {5}\r\nInBoX {0+}") == (b"a", c.Append("INBOX", frozenset(), None, 0))
    assert write_command(b"a", c.Append("x", frozenset(), None, 7)) == [b"a APPEND x {7}\r\n"]
    assert write_command(b"a", c.Append("x", frozenset(), None, 7), Dialect(literal_plus=True)) == [
        b"a APPEND x {7+}\r\n"
    ]


@pytest.mark.parametrize(
    "head",
    [
        *(b"a NOOP {3}", b"a APPEND {3}", b"a APPEND x", b"a APPEND x (a {3}", b'a APPEND x "now" {3}'),
        *(b"a APPEND x {9223372036854775808}", b"a APPEND x {99999999999999999999}", b"a APPEND x {3} ", b"{3}"),
    ],
)
def test_what_is_no_head_of_an_append(head: bytes) -> None:
    """Among them the head of an APPEND whose mailbox is still to come."""
    with pytest.raises(CommandProblem):
        parse_append_head(head)


def test_a_command_waits_where_it_must() -> None:
    """Each segment but the last ends with a literal's announcement."""
    command = c.Login(b"a\nb", "é".encode())
    assert write_command(b"t", command) == [b"t LOGIN {3}\r\n", b"a\nb {2}\r\n", "é\r\n".encode()]
    assert write_command(b"t", command, Dialect(literal_plus=True)) == ["t LOGIN {3+}\r\na\nb {2+}\r\né\r\n".encode()]


@pytest.mark.parametrize(
    "command",
    [
        c.Login(b"a\0", b"b"),
        c.Enable(()),
        c.Enable(("A\r\nB",)),
        c.Authenticate("PLAIN x"),
        c.Fetch(SeqSet(()), (c.Attribute.UID,)),
        c.Store(SeqSet(((1, 1),)), c.StoreMode.ADD, ("a b",)),
        c.Id((("a\0", None),)),
    ],
)
def test_what_would_break_out_is_refused(command: c.Command) -> None:
    """Fault F90: an attacker's folder name or flag never becomes a command."""
    with pytest.raises(Unwritable):
        write_command(b"a", command)
    with pytest.raises(Unwritable):
        write_command(b"a\r\nb", c.Simple(c.Keyword.NOOP))


N = 60_000
HOSTILE = {
    "an open string": b'SELECT "' + b"x" * N,
    "escapes": b'SELECT "' + b'\\"' * N,
    "ampersands": b"SELECT " + b"&" * N,
    "shifts": b"SELECT " + b"&AOk-" * N,
    "an endless shift": b"SELECT &" + b"A" * N,
    "a set without end": b"FETCH " + b"1," * N + b" FLAGS",
    "a large set": b"FETCH " + b"1:2," * N + b"1 FLAGS",
    "digits": b"FETCH " + b"1" * N + b" FLAGS",
    "flags": b"STORE 1 FLAGS (" + b"x " * N,
    "sections": b"FETCH 1 BODY[" + b"1." * N + b"]",
    "parentheses": b"SEARCH " + b"(" * N,
    "negations": b"SEARCH " + b"NOT " * N,
    "alternatives": b"SEARCH " + b"OR " * N,
    "keys": b"SEARCH " + b"SEEN " * N,
    "items": b"FETCH 1 (" + b"UID " * N + b")",
    "spaces": b" " * N,
    "a word": b"x" * N,
    "base64": b"AUTHENTICATE PLAIN " + b"A" * N,
    "an ID": b"ID (" + b'"a" NIL ' * N,
    "a size": b"SEARCH LARGER " + b"9" * N,
    "octets": bytes(range(1, 256)) * (N // 256),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_commands_cost_little(name: str) -> None:
    """Parsed or refused in time that grows with their length and no faster."""
    started = time.process_time()
    try:
        parse_command(b"a " + HOSTILE[name])
    except CommandProblem as problem:
        assert problem.tag == b"a"
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("uid", [b"", b"UID "])
@pytest.mark.parametrize("number", [b"7", b"999999999", b"4294967295", b"7:7", b"*"])
@pytest.mark.parametrize(
    "rest",
    [
        b"FLAGS",
        b"(flags BODY.PEEK[1.2.MIME]<0.5>)",
        b"fast",
        b"(FLAGS) (CHANGEDSINCE 5)",
        b"(FLAGS) ",
        b"FLAGS UID",
        b"(FLAGS",
        b"BODY[HEADER.FIELDS (To)]",
        b"BODY[HEADER.FIELDS ({2}\r\nTo)]",
        b"(" + b"FLAGS " * 80 + b"UID)",
        b"",
    ],
)
def test_the_usual_fetch_is_read_like_any_other(uid: bytes, number: bytes, rest: bytes) -> None:
    """One message and a list of items take a shorter way; a set that says the same does not."""

    def parsed(numbers: bytes) -> object:
        try:
            tag, command = parse_command(b"a1 %bFETCH %b %b" % (uid, numbers, rest))
        except CommandProblem as problem:
            return problem.tag, problem.expected, problem.position - len(numbers)
        assert isinstance(command, c.Fetch)
        return tag, type(command.numbers), command.numbers.resolved(5), replace(command, numbers=SeqSet(()))

    assert parsed(number) == parsed(number + b"," + number)
