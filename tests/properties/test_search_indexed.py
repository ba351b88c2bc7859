"""What is kept in memory and in the index of texts never changes an answer: each is what every message says alone."""

import asyncio
import random
from array import array
from datetime import date
from pathlib import Path

from tests.kit.letters import AWKWARD, generated
from tests.kit.stores import account

from mailhorn.imap.view import MailboxView
from mailhorn.model.flags import flag_set
from mailhorn.model.ids import UID, MailboxId
from mailhorn.model.message import Placement
from mailhorn.model.numbers import UIDSet
from mailhorn.model.search import (
    AddressKey,
    And,
    DateField,
    DateKey,
    DateTest,
    HasFlag,
    HeaderKey,
    InUIDs,
    Not,
    Or,
    SearchKey,
    SizeKey,
    TextKey,
)
from mailhorn.net.deadlines import Deadlines
from mailhorn.server.digest import digest
from mailhorn.server.imap.columns import Columns
from mailhorn.server.imap.matching import Letter, Scope, resolve, searchable
from mailhorn.server.imap.searching import find
from mailhorn.store.blobs.maildir import MaildirBlobs
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.index.text import SqliteTexts
from mailhorn.store.store import Store

MESSAGES = 2_000
QUESTIONS = 12
"""Of each kind of moment; a quarter of them reads many messages."""

ODD = (
    b"Subject: nul\r\n\r\nbefore\x00after \x00\x00\r\n",
    b"Subject: =?utf-8?q?a=00b?= c\r\nX-Odd: =?utf-8?b?5Y+w?= =?utf-8?b?5YyX?=\r\n\r\n",
    "Subject: 台北\r\n\r\n我住在台北。\r\n鯨\r\n".encode(),
    b"Subject: =?iso-8859-1?q?Gr=FC?=\r\n =?utf-8?q?=C3=9Fe?= aus der =?koi8-r?b?7c/Ty9fB?=\r\n\r\n",
    b"Content-Type: text/plain; charset=utf-16\r\nContent-transfer-encoding:base64\r\n\r\n/v8AUwB0AHIAYQDfAGX//w==\r\n",
    b"Content-Type: text/plain; charset=shift_jis\r\n\r\n\x91\xe4\x96k \xb1\r\n",
    b'From: "quoted ""twice""" <a@b>\r\n\r\n"quotes" AND NOT OR ^ * ( ) : -\r\n',
    b"Subject: \r\n\r\nab",
    b"x",
    "Subject: e\u0301\u0327 ﬁn İ\r\n\r\nﬁnal \U0001f600 \ufffe\r\n".encode(),
)
FLAGS = ("\\Seen", "\\Flagged", "work")


class Corpus:
    """A mailbox, and each of its messages alone."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.letters: dict[int, Letter] = {}
        self.texts: list[str] = []

    async def append(self, store: Store, inbox: MailboxId, bodies: list[bytes]) -> None:
        """Append messages, with flags and dates of all sorts."""

        async def one(body: bytes) -> UID:
            staged = store.stage()
            staged.write(body)
            flags = flag_set(self.dice.sample(FLAGS, self.dice.randrange(3)))
            placed = await store.append(staged, [Placement(inbox, flags)], self.dice.randrange(2_000_000_000))
            return placed[0].uid

        for start in range(0, len(bodies), 200):
            some = bodies[start : start + 200]
            uids = await asyncio.gather(*map(one, some))
            rows = {row.uid: row for row in await store.index.rows(inbox, uids)}
            for uid, body in zip(uids, some, strict=True):  # not as they were numbered: the dice ask the same each time
                letter = Letter(rows[uid], digest(body).envelope)
                letter.take(body)
                self.letters[uid] = letter
                self.texts.append(f"{letter.headers}\n{letter.text}")

    def needle(self) -> str:
        """Return something that some message says, in a way, or something else."""
        dice = self.dice
        if dice.random() < 0.1:
            return dice.choice(
                ["", "\0", "zz", "zebra", "台", "台北", "鯨", "ß", "GRÜSSE aus", '"', "a\0b", "\ufffd", "Москва"]
            )
        text = dice.choice(self.texts)
        if not text:
            return "e"
        length = dice.choice((1, 2, 3, 5, 8, 8, 13, 40))
        at = dice.randrange(len(text))
        found = text[at : at + length]
        return dice.choice((found, found, found.upper(), found.title()))

    def key(self, depth: int = 0) -> SearchKey:
        """Return any key."""
        dice = self.dice
        kind = dice.randrange(12 if depth < 2 else 8)
        if kind < 3:
            return TextKey(self.needle(), dice.random() < 0.5)
        if kind == 3:
            return HeaderKey(dice.choice(("Subject", "subject", "Message-ID", "In-Reply-To", "X-Odd")), self.needle())
        if kind == 4:
            return HeaderKey(dice.choice(("X-Mailer", "Content-Type", "Received", "From")), self.needle())
        if kind == 5:
            return AddressKey(dice.choice(("From", "To", "Cc", "Bcc")), self.needle())
        if kind == 6:
            field = dice.choice(list(DateField))
            return DateKey(field, dice.choice(list(DateTest)), date(dice.randrange(1990, 2030), 11, 21))
        if kind == 7:
            return dice.choice([
                HasFlag("\\seen", dice.random() < 0.5),
                SizeKey(dice.random() < 0.5, dice.randrange(2_000)),
                InUIDs(UIDSet(((dice.randrange(1, 1_000), dice.randrange(1_000, 3_000)),))),
            ])  # fmt: skip
        if kind == 8:
            return Not(self.key(depth + 1))
        if kind == 9:
            return Or(self.key(depth + 1), self.key(depth + 1))
        return And(tuple(self.key(depth + 1) for _ in range(dice.randrange(1, 4))))


async def test_no_answer_is_changed_by_what_is_kept_ready(tmp_path: Path) -> None:
    """Before there is an index, while it covers a part or all, after expunges and after a start, at random."""
    corpus = Corpus(random.Random(7))
    index = SqliteIndex(tmp_path / "index.db", digest)

    def texts() -> SqliteTexts:
        return SqliteTexts(tmp_path / "text", index, searchable, "rules")

    store = Store(index, MaildirBlobs(tmp_path, index, delay=0.0), lambda change: None, digest, texts=texts())
    await store.start()
    loop = asyncio.get_running_loop()
    columns = Columns(Deadlines(loop), loop.time)
    _, inbox = await account(store)

    async def compare(questions: int) -> None:
        mod_seq, uids = await index.uids(inbox)
        scope = Scope(MailboxView(array("I", uids), mod_seq), 1_000_000_000)
        for _ in range(questions):
            key = corpus.key()
            test = resolve(key, scope)
            expected = [uid for uid in uids if test(corpus.letters[uid])]
            found = await find(store, inbox, key, scope, columns=columns)
            assert found.uids.tolist() == expected, key

    bodies = [generated(seed) for seed in range(MESSAGES - len(AWKWARD) - len(ODD))] + [*AWKWARD.values(), *ODD]
    corpus.dice.shuffle(bodies)
    await corpus.append(store, inbox, bodies[:1_500])
    await compare(5)  # the first of them make it
    await compare(QUESTIONS)
    await corpus.append(store, inbox, bodies[1_500:])
    await compare(QUESTIONS)
    assert isinstance(store.texts, SqliteTexts)
    while learning := list(store.texts._tasks.values()):
        await asyncio.gather(*learning)
    covered = (await store.texts.hints(inbox, ["needle"])).covered
    assert covered == MESSAGES  # or all this has shown nothing
    assert len(columns) >= 5
    _, uids = await index.uids(inbox)
    await index.expunge(inbox, [UID(uid) for uid in corpus.dice.sample(list(uids), 200)], deleted_only=False)
    await compare(QUESTIONS // 3)
    await store.texts.close()  # as if it had been killed and started again
    store.texts = texts()
    store.texts.begin(store.body)
    await compare(QUESTIONS // 3)
    assert (await store.texts.hints(inbox, ["needle"])).covered == covered
    await store.close()
