"""`mailhorn serve` killed without warning, again and again, and started without its database."""

import imaplib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.deliveries import Deliveries, body_of
from tests.kit.process import PATIENCE, Server, contents, message, running, running_server

DELIVERIES = 2_000
KILLS = 20
READY_WITHIN = 2.0
"""Seconds from the start of the process to its ready line, less what others kept the processor from it."""


class Book:
    """
    What one client has ever been told by a server that forgets nothing.

    Attributes:
        moved: Subjects whose move was acknowledged.
        marked: Subjects whose flags were acknowledged.

    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, int, int], str] = {}
        self._highest: dict[tuple[str, int], int] = {}
        self._validity: dict[str, int] = {}
        self.moved: set[str] = set()
        self.marked: set[str] = set()

    def opened(self, mailbox: str, validity: int, uid_next: int) -> None:
        """SELECT said this."""
        assert self._validity.setdefault(mailbox, validity) == validity
        assert uid_next > self._highest.get((mailbox, validity), 0)

    def saw(self, mailbox: str, found: dict[int, str]) -> None:
        """FETCH said this: UID to Subject."""
        validity = self._validity.get(mailbox, 0)
        assert validity or not found, "what nobody has opened or moved to has messages"
        for uid, subject in sorted(found.items()):
            if (mailbox, validity, uid) not in self._given:
                assert uid > self._highest.get((mailbox, validity), 0), f"{uid} came after a higher one"
                self._highest[mailbox, validity] = uid
            self.gave(mailbox, validity, uid, subject)

    def gave(self, mailbox: str, validity: int, uid: int, subject: str) -> None:
        """This message has this UID."""
        assert self._given.setdefault((mailbox, validity, uid), subject) == subject, "a UID was given twice"
        assert validity == self._validity.setdefault(mailbox, validity)

    def next_of(self, mailbox: str) -> int:
        """The UID after the highest that was seen."""
        return self._highest.get((mailbox, self._validity[mailbox]), 0) + 1


class Reader(threading.Thread):
    """
    A mail client that reads what arrives, and, told so, marks it and moves every third message.

    Attributes:
        busy: Set while it is to change things.
        finished: Set when it is to end.

    """

    def __init__(self, server: Server, book: Book, deliveries: Deliveries) -> None:
        super().__init__()
        self._server = server
        self._deliveries = deliveries
        self._book = book
        self.busy = threading.Event()
        self.has_marked = threading.Event()
        self.finished = threading.Event()
        self.up = threading.Event()
        self.problem: AssertionError | None = None

    def run(self) -> None:
        while not self.finished.is_set():
            self.up.wait(PATIENCE)
            try:
                with self._server.imap() as session:
                    self._opened(session, "INBOX")
                    seen = 0
                    while not self.finished.is_set():
                        seen = self._deliveries.wait_for_more(seen)
                        self._look(session)
            except (OSError, imaplib.IMAP4.abort):
                pass  # it was killed
            except AssertionError as problem:
                self.problem = problem
                return

    def _opened(self, session: imaplib.IMAP4, mailbox: str) -> None:
        kind, data = session.select(mailbox)
        assert kind == "OK", data
        validity, uid_next = (int(session.response(code)[1][0]) for code in ("UIDVALIDITY", "UIDNEXT"))
        self._book.opened(mailbox, validity, uid_next)

    def _look(self, session: imaplib.IMAP4) -> None:
        found = fetched(session, f"{self._book.next_of('INBOX')}:*")
        self._book.saw("INBOX", found)
        if not self.busy.is_set():
            return
        for uid, subject in found.items():
            kind, data = session.uid("STORE", str(uid), "+FLAGS", r"(\Flagged seen-by-test)")
            assert kind == "OK", data
            if data != [None]:
                self._book.marked.add(subject)
                self.has_marked.set()
            if uid % 3 == 0 and subject not in self._book.moved:
                self._move(session, uid, subject)

    def _move(self, session: imaplib.IMAP4, uid: int, subject: str) -> None:
        kind, data = session.uid("MOVE", str(uid), "Moved")
        assert kind == "OK", data
        code = session.response("COPYUID")[1][0]
        assert code is not None, "the message had vanished"
        validity, source, target = code.decode().split()
        assert int(source) == uid
        self._book.gave("Moved", int(validity), int(target), subject)
        self._book.moved.add(subject)


def fetched(session: imaplib.IMAP4, uids: str) -> dict[int, str]:
    """Return subject by UID."""
    kind, data = session.uid("FETCH", uids, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    assert kind == "OK", data
    found = {}
    for item in data:
        if isinstance(item, tuple):
            uid = re.search(rb"UID (\d+)", item[0] + data[data.index(item) + 1])
            assert uid
            found[int(uid[1])] = item[1].decode().partition(":")[2].strip()
    return found


@pytest.mark.timeout(180)  # twenty starts, on a machine that may be busy
def test_kill(tmp_path: Path) -> None:
    """Killed twenty times during 2,000 deliveries, flag changes and moves, the server loses and doubles nothing."""
    server = Server(tmp_path)
    with running(server):
        server.start()
        with server.imap() as session:
            assert session.create("Moved")[0] == "OK"
        book = Book()
        deliveries = Deliveries(server, "ann")
        reader = Reader(server, book, deliveries)
        restarts = []
        reader.up.set()
        reader.start()
        try:
            with deliveries.under_way(DELIVERIES):
                for kill in range(1, KILLS + 1):
                    if kill == KILLS // 2:
                        reader.busy.set()
                    deliveries.wait_for(kill * DELIVERIES // (KILLS + 1))
                    if kill == KILLS // 2 + 1:
                        assert reader.has_marked.wait(60), reader.problem
                    reader.up.clear()
                    deliveries.server_is(up=False)
                    server.kill()
                    restarts.append(server.start())
                    deliveries.server_is(up=True)
                    reader.up.set()
        finally:
            reader.finished.set()
            reader.up.set()
            reader.join()
        assert reader.problem is None, reader.problem
        assert max(restarts) < READY_WITHIN, restarts

        inbox, moved = server.mailbox("INBOX"), server.mailbox("Moved")
        book.saw("INBOX", {uid: entry.subject for uid, entry in inbox.items()})
        book.saw("Moved", {uid: entry.subject for uid, entry in moved.items()})
        count = Counter(entry.subject for entry in (*inbox.values(), *moved.values()))
        assert deliveries.acknowledged <= count.keys() <= deliveries.tried
        assert set(count.values()) == {1}
        assert book.moved <= {entry.subject for entry in moved.values()}
        flags = {entry.subject: entry.flags for entry in (*inbox.values(), *moved.values())}
        assert book.marked and all({"\\Flagged", "seen-by-test"} <= flags[subject] for subject in book.marked)
        with server.imap() as session:
            for mailbox in ("INBOX", "Moved"):
                check_bodies(session, mailbox)
        print(f"ready again after {min(restarts):.2f} to {max(restarts):.2f} s; {len(count)} messages")

        server.stop()
        lose_database(server)
        server.start()
        assert (server.mailbox("INBOX"), server.mailbox("Moved")) == (inbox, moved)


def check_bodies(session: imaplib.IMAP4, mailbox: str) -> None:
    """Every message has the text that it was sent with."""
    for uids in chunks(sorted(contents(session, mailbox)), 200):
        kind, data = session.uid("FETCH", ",".join(map(str, uids)), "(BODY.PEEK[])")
        assert kind == "OK"
        for item in data:
            if isinstance(item, tuple):
                subject = re.search(rb"^Subject: message (\d+)\r$", item[1], re.MULTILINE)
                assert subject
                text = item[1].partition(b"\r\n\r\n")[2].decode().replace("\r\n", "\n")
                assert text == body_of(int(subject[1])), subject


def chunks(numbers: list[int], size: int) -> Iterator[list[int]]:
    """Yield so many at a time."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def lose_database(server: Server) -> None:
    """Delete it, as an accident would."""
    for file in server.data.glob("index.sqlite*"):
        file.unlink()


NAMES = ("Work", "Work/Reports", "Work/Reports/2026", "a.b", "Gr&APYA3w-e", "with space", "Empty", "&ZeVnLIqe-")
"""Mailboxes, in modified UTF-7."""


def picture(server: Server, login: str) -> dict[str, object]:
    """Return all that a client can see of an account: mailboxes, subscriptions, UIDs, flags, dates, bodies."""
    found: dict[str, object] = {}
    with server.imap(login) as session:
        found["subscribed"] = sorted(session.lsub()[1])
        for line in session.list()[1]:
            name = re.fullmatch(rb'\(.*\) "/" ("?)(.*)\1', line)
            assert name, line
            mailbox = name[2].decode()
            status = session.status(f'"{mailbox}"', "(UIDVALIDITY UIDNEXT MESSAGES UNSEEN)")
            assert status[0] == "OK", status
            assert session.select(f'"{mailbox}"', readonly=True)[0] == "OK"
            kind, data = session.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
            assert kind == "OK", data
            found[mailbox] = (status[1][-1], [same_order(item) for item in data])
    return found


def same_order(item: object) -> object:
    """Flags have no order."""
    if isinstance(item, tuple):
        return (same_order(item[0]), *item[1:])
    if not isinstance(item, bytes):
        return item
    return re.sub(rb"FLAGS \(([^)]*)\)", lambda m: b"FLAGS (%b)" % b" ".join(sorted(m[1].split())), item)


def fill(session: imaplib.IMAP4) -> None:
    """Make mailboxes and messages, 40 keywords in one mailbox, gaps in the UIDs, and a last one that is gone."""
    for mailbox in NAMES:
        assert session.create(f'"{mailbox}"')[0] == "OK"
    for mailbox in ("INBOX", "Work/Reports", "Gr&APYA3w-e"):
        assert session.subscribe(mailbox)[0] == "OK"
    for number in range(40):
        mailbox = ("INBOX", "Work/Reports/2026", "a.b", "Gr&APYA3w-e")[number % 4]
        flags = rf"(\Seen \Flagged keyword{number})" if number % 3 else rf"(\Answered \Draft keyword{number} $Junk)"
        date = imaplib.Time2Internaldate(1_500_000_000.0 + 100_000 * number)
        assert session.append(f'"{mailbox}"', flags, date, message(f"message {number}", "line\n" * number))[0] == "OK"
    assert session.select("INBOX")[0] == "OK"
    for number in range(40):
        assert session.uid("STORE", "2:4", "+FLAGS.SILENT", f"(more{number})")[0] == "OK"
    assert session.uid("STORE", "3,10", "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
    assert session.expunge()[0] == "OK"
    assert session.uid("COPY", "1:*", '"with space"')[0] == "OK"
    assert session.uid("MOVE", "1", "Work")[0] == "OK"
    assert session.uid("STORE", "5", "-FLAGS", r"(\Seen)")[0] == "OK"


def test_database_lost(tmp_path: Path) -> None:
    """With the database deleted after a clean stop, accounts come back from their Maildirs as they were."""
    logins = ("ann", "bob@example.org", "idle")
    with running_server(tmp_path, *logins) as server:
        with server.imap() as session:
            fill(session)
        server.deliver("bob", "for bob")
        server.deliver("ann", "big", "a line of text\n" * 30_000)
        before = {login: picture(server, login) for login in logins}
        assert len(before["ann"]) == 2 + len(NAMES)
        server.stop()
        lose_database(server)
        server.start()
        assert {login: picture(server, login) for login in logins} == before

        server.deliver("ann", "afterwards")
        uids = sorted(server.mailbox())
        status = before["ann"]["INBOX"][0]
        assert b"UIDNEXT %d " % uids[-1] in status, "the next message has the next UID, not one that was given before"
