"""SEARCH against a slow and simple reading of RFC 9051 §6.4.4 by Python's own email package."""

from array import array
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.header import Header, decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import formataddr, getaddresses, parsedate
from pathlib import Path
from unicodedata import normalize

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.stores import account

from mailhorn.imap.view import MailboxView
from mailhorn.model.flags import flag_set
from mailhorn.model.ids import UID, ModSeq
from mailhorn.model.message import MessageRow, Placement
from mailhorn.model.numbers import SAVED, STAR, NumberSet, SeqSet, UIDSet
from mailhorn.model.search import (
    AddressKey,
    AgeKey,
    All,
    And,
    DateField,
    DateKey,
    DateTest,
    HasFlag,
    HeaderKey,
    InSequence,
    InUIDs,
    Not,
    Or,
    SearchKey,
    SizeKey,
    TextKey,
)
from mailhorn.server.digest import digest
from mailhorn.server.imap.matching import Letter, Scope, resolve
from mailhorn.server.imap.searching import find
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.store import Store

NOW = 1_000_000_000
SAVED_UIDS = UIDSet.of([2, 9, 10])
WORDS = ["Straße", "cafe\u0301", "plum", "Pl", "台北", "a b", "ﬁn", "x@y", '"q"', "back\\s", "50%", "İ", "K"]
FLAGS = ["\\Seen", "\\Flagged", "work", "Work2"]

words = st.sampled_from(WORDS)
phrases = st.lists(words, max_size=4).map(" ".join)
needles = st.sampled_from(
    [*WORDS, "strasse", "CAFÉ", "e", "ß", "s", "k", "zz", "", "plum Pl", "@example", "<ann@", ", "]
)
names = st.lists(words, max_size=2).map(" ".join)
people = st.lists(
    st.tuples(names, st.sampled_from(["ann@example.org", "bob.b@x.example", "PLUM@y.example"])), max_size=3
)
days = st.dates(date(1999, 1, 1), date(2001, 12, 31))
zones = st.sampled_from(["+0000", "-1200", "+1400", "-0330"])


@st.composite
def letters(draw: st.DrawFn) -> bytes:
    """A message as a good sender writes it."""
    letter = EmailMessage(policy=policy.SMTP)
    lines = []
    for field in ("From", "To", "Cc", "Bcc"):
        if found := draw(people):
            shown = ", ".join(
                formataddr((name if name.isascii() else str(Header(name, "utf-8", 900).encode()), address))
                for name, address in found
            )
            lines.append(f"{field}: {shown}")
    if draw(st.booleans()):
        subject = draw(phrases)
        lines.append("Subject: " + (subject if subject.isascii() else Header(subject, "utf-8", 900).encode()))
    if draw(st.booleans()):
        lines.append(f"Message-ID: <{draw(st.integers(1, 3))}@x>")
    if draw(st.booleans()):
        day = draw(days)
        lines.append(f"Date: {day.day} {day:%b} {day.year} {draw(st.integers(0, 23)):02}:59:59 {draw(zones)}")
    if draw(st.booleans()):
        lines.append("X-Note: " + draw(st.sampled_from(["", "plum", "a\r\n b"])))
    if draw(st.booleans()):
        letter.set_content(draw(phrases), cte=draw(st.sampled_from(["base64", "quoted-printable", "8bit"])))
        if draw(st.booleans()):
            letter.add_attachment(draw(phrases), filename="plum.txt")
            letter.add_attachment(b"plum Pl", maintype="image", subtype="png")
            letter.set_boundary("=_between")
    return "".join(line + "\r\n" for line in lines).encode() + letter.as_bytes()


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, str, int]:
    """A message, its flags, and its date."""
    flags = " ".join(draw(st.lists(st.sampled_from(FLAGS), unique=True)))
    return draw(letters()), flags, NOW - draw(st.integers(0, 90 * 86400))


_ends = st.integers(0, 14)
sets = st.lists(st.tuples(_ends, _ends), min_size=1, max_size=3).map(tuple) | st.just(SAVED)
leaves = st.one_of(
    st.just(All()),
    st.builds(InSequence, sets.map(SeqSet)),
    st.builds(InUIDs, sets.map(UIDSet)),
    st.builds(HasFlag, st.sampled_from([*FLAGS, "WORK", "\\Recent"]), st.booleans()),
    st.builds(DateKey, st.sampled_from(list(DateField)), st.sampled_from(list(DateTest)), days),
    st.builds(SizeKey, st.booleans(), st.integers(0, 900)),
    st.builds(AgeKey, st.booleans(), st.integers(1, 90 * 86400)),
    st.builds(AddressKey, st.sampled_from(["From", "To", "Cc", "Bcc"]), needles),
    st.builds(HeaderKey, st.sampled_from(["Subject", "message-id", "X-Note", "Content-Type", "Nix"]), needles),
    st.builds(TextKey, needles, st.booleans()),
)
keys = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Or, inner, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


def folded(text: str) -> str:
    return normalize("NFKD", normalize("NFKD", text).casefold())


def contains(text: str, needle: str) -> bool:
    return folded(needle) in folded(text)


def readable(value: str) -> str:
    return str(make_header(decode_header(value.replace("\r\n", ""))))


def written(parsed: Message, field: str, brackets: bool) -> str | None:
    """The addresses of a field as people write them; None if there are none."""
    found = getaddresses([str(value) for value in parsed.get_all(field, [])])
    if not found:
        return None
    bare = "<{}>" if brackets else "{}"
    return ", ".join(f"{readable(name)} <{address}>" if name else bare.format(address) for name, address in found)


def in_set(number: int, numbers: NumberSet, largest: int) -> bool:
    def end(n: int) -> int:
        return largest if n == STAR else n

    return any(min(end(a), end(b)) <= number <= max(end(a), end(b)) for a, b in numbers.ranges)


class Oracle:
    """Says what matches, message by message, with everything read and nothing remembered."""

    def __init__(self, uids: list[int]) -> None:
        self.uids = uids

    def matches(self, key: SearchKey, uid: int, body: bytes, flags: str, internal: int) -> bool:
        def ask(one: SearchKey) -> bool:
            return self.matches(one, uid, body, flags, internal)

        parsed = message_from_bytes(body)
        match key:
            case All():
                return True
            case And(parts):
                return all(map(ask, parts))
            case Or(left, right):
                return ask(left) or ask(right)
            case Not(part):
                return not ask(part)
            case InSequence(numbers) if numbers.ranges == SAVED:
                return uid in SAVED_UIDS
            case InUIDs(numbers) if numbers.ranges == SAVED:
                return uid in SAVED_UIDS
            case InSequence(numbers):
                return in_set(self.uids.index(uid) + 1, numbers, len(self.uids))
            case InUIDs(numbers):
                return in_set(uid, numbers, self.uids[-1])
            case HasFlag(flag, present):
                return (flag.lower() in flags.lower().split()) is present
            case SizeKey(larger, octets):
                return len(body) > octets if larger else len(body) < octets
            case AgeKey(younger, seconds):
                target = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=seconds)
                moment = datetime.fromtimestamp(internal, UTC)
                return moment >= target if younger else moment <= target
            case DateKey(field, test, day):
                if field is DateField.INTERNAL:
                    found = datetime.fromtimestamp(internal, UTC).date()
                elif parsed["Date"] is None:
                    return False
                else:
                    stamp = parsedate(parsed["Date"])
                    assert stamp is not None
                    found = date(*stamp[:3])
                return {DateTest.ON: found == day, DateTest.BEFORE: found < day, DateTest.SINCE: found >= day}[test]
            case AddressKey(field, text):
                shown = written(parsed, field, bool(set(text) & set("<>")))
                return shown is not None and contains(shown, text)
            case HeaderKey(name, text):
                return any(contains(readable(str(value)), text) for value in parsed.get_all(name, []))
            case TextKey(text, body_only):
                texts = [
                    part.get_payload(decode=True).decode(part.get_content_charset("utf-8"))
                    for part in parsed.walk()
                    if part.get_content_maintype() == "text"
                ]
                if not body_only:
                    texts += [
                        "\n".join(f"{name}: {readable(str(value))}" for name, value in part.items())
                        for part in parsed.walk()
                    ]
                return any(contains(one, text) for one in texts)
            case _:
                raise AssertionError(key)


@settings(max_examples=300, deadline=None)
@given(message=messages(), key=keys, position=st.integers(0, 4))
def test_each_message_is_decided_rightly_and_never_too_early(
    message: tuple[bytes, str, int], key: SearchKey, position: int
) -> None:
    """Whatever is known of a message, what is said of it is what reading all of it says."""
    body, flags, internal = message
    uids = [1, 2, 5, 9, 12]
    scope = Scope(MailboxView(array("I", uids), 1), NOW + 0.5, SAVED_UIDS)
    expected = Oracle(uids).matches(key, uids[position], body, flags, internal)
    row = MessageRow(UID(uids[position]), ModSeq(1), flags, internal, len(body))
    made = digest(body)
    test = resolve(key, scope)
    letter = Letter(row)
    assert test(letter) in (None, expected)
    letter = Letter(row, made.envelope)
    assert test(letter) in (None, expected)
    letter.raw_header = body[: made.header_size]
    assert test(letter) in (None, expected)
    letter.take(body)
    assert test(letter) is expected


async def test_a_mailbox_is_searched_rightly(tmp_path: Path) -> None:
    """Forty messages in a real store, a hundred and fifty programs."""
    index = SqliteIndex(tmp_path / "index.db", digest)
    store = Store(index, MaildirBlobs(tmp_path, index, delay=0.0), lambda change: None, digest)
    await store.start()
    try:
        _, mailbox = await account(store)
        letters_: list[tuple[bytes, str, int]] = []
        programs: list[SearchKey] = []

        @settings(max_examples=4, deadline=None, database=None)  # the first one is as simple as can be
        @given(
            st.lists(messages(), min_size=40, max_size=40),
            st.lists(keys, min_size=150, max_size=150),
        )
        def make(some: list[tuple[bytes, str, int]], asked: list[SearchKey]) -> None:
            letters_[:], programs[:] = some, asked

        make()
        for body, flags, internal in letters_:
            staged = store.stage()
            staged.write(body)
            await store.append(staged, [Placement(mailbox, flag_set(flags.split()))], internal)
        mod_seq, uids = await index.uids(mailbox)
        scope = Scope(MailboxView(uids, mod_seq), NOW + 0.5, SAVED_UIDS)
        oracle = Oracle(list(uids))
        for key in programs:
            found = await find(store, mailbox, key, scope)
            assert list(found.uids) == [
                uid for uid, letter in zip(uids, letters_, strict=True) if oracle.matches(key, uid, *letter)
            ], key
    finally:
        await store.close()
