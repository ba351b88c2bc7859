"""The journal: what it keeps, what it refuses, and that it is the truth after a crash."""

import queue
import shutil
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from mailhorn.model.ids import UID, UIDValidity
from mailhorn.watch import journal as journal_module
from mailhorn.watch.act import Kind, Step
from mailhorn.watch.journal import REST_PAGES, REST_PAGES_AT_LAST, ROOM, Journal, JournalError, JournalThread
from mailhorn.watch.ledger import (
    ActionState,
    Answer,
    Baseline,
    Brake,
    JournalFailed,
    Learn,
    Load,
    Loaded,
    Order,
    Ordered,
    Outcome,
    Parcel,
    Place,
    Record,
    Recorded,
    Release,
    Request,
    Row,
    Settle,
    Settled,
    Task,
)

INBOX = Place("ann", "INBOX")
LISTS = Place("ann", "Lists")
V = UIDValidity(7)
MOVE = Step(Kind.MOVE, "Lists")
FLAG = Step(Kind.ADD_FLAGS, flags=("\\Flagged", "work"))


def row(uid: int, *steps: Step, message_id: str | None = None) -> Row:
    """Return a message to record."""
    return Row(UID(uid), f"<{uid}@x>" if message_id is None else message_id, 1000 + uid, 50 + uid, steps)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An open journal."""
    opened = Journal(tmp_path / "journal")
    yield opened
    opened.close()


def one(journal: Journal, request: Request) -> Answer:
    """Carry out one request."""
    (answer,) = journal.carry_out([request])
    return answer


def test_a_mailbox_never_seen(journal: Journal) -> None:
    """There is no UIDVALIDITY, so nothing there can be taken for known."""
    assert one(journal, Load(INBOX)) == Loaded(None, 1, ())


def test_cursor_and_rows_are_one(journal: Journal) -> None:
    """What is recorded comes back with the cursor; the first step may be done already, the others not."""
    one(journal, Baseline(INBOX, V, 5))
    assert one(journal, Record(INBOX, V, 8, (row(5), row(6, FLAG, MOVE), row(7, MOVE)))) == Recorded()
    assert one(journal, Load(INBOX)) == Loaded(
        V,
        8,
        (
            Task(UID(6), "<6@x>", 1006, 56, ((0, FLAG), (1, MOVE)), sent=True),
            Task(UID(7), "<7@x>", 1007, 57, ((0, MOVE),), sent=True),
        ),
    )


def test_what_is_not_sent_at_once_is_planned(journal: Journal) -> None:
    """Then nothing of it can have been done."""
    one(journal, Baseline(INBOX, V, 5))
    one(journal, Record(INBOX, V, 6, (row(5, MOVE),), sent=False))
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded) and not loaded.unfinished[0].sent


def test_the_cursor_never_goes_back(journal: Journal) -> None:
    """A late transaction of an older connection does not undo a newer one."""
    one(journal, Baseline(INBOX, V, 5))
    one(journal, Record(INBOX, V, 9, ()))
    one(journal, Record(INBOX, V, 7, ()))
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded) and loaded.cursor == 9


def test_a_message_is_recorded_once(journal: Journal) -> None:
    """The second time it has no steps: somebody has them already."""
    one(journal, Baseline(INBOX, V, 5))
    one(journal, Record(INBOX, V, 6, (row(5, MOVE),)))
    assert one(journal, Record(INBOX, V, 6, (row(5, MOVE),))) == Recorded(frozenset({UID(5)}))


def test_settled_steps_are_not_left(journal: Journal) -> None:
    """Done, gone and failed end a step; planned and sent do not, and attempts are kept."""
    one(journal, Baseline(INBOX, V, 1))
    one(journal, Record(INBOX, V, 9, tuple(row(uid, FLAG, MOVE) for uid in (1, 2, 3, 4))))
    outcomes = (
        Outcome(UID(1), 0, ActionState.DONE),
        Outcome(UID(1), 1, ActionState.SENT),
        Outcome(UID(2), 0, ActionState.GONE),
        Outcome(UID(2), 1, ActionState.GONE),
        Outcome(UID(3), 0, ActionState.FAILED, 3),
        Outcome(UID(3), 1, ActionState.FAILED, 3),
        Outcome(UID(4), 0, ActionState.PLANNED, 2),
    )
    assert one(journal, Settle(INBOX, V, outcomes)) == Settled()
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded)
    assert loaded.unfinished == (
        Task(UID(1), "<1@x>", 1001, 51, ((1, MOVE),), sent=True),
        Task(UID(4), "<4@x>", 1004, 54, ((0, FLAG), (1, MOVE)), sent=False, attempts=2),
    )


def test_a_new_epoch_ends_what_was_unfinished(journal: Journal) -> None:
    """Another UIDVALIDITY: old UIDs mean nothing any more, and the same UID may be recorded again."""
    one(journal, Baseline(INBOX, V, 1))
    one(journal, Record(INBOX, V, 6, (row(5, MOVE),)))
    one(journal, Baseline(INBOX, UIDValidity(8), 3))
    assert one(journal, Load(INBOX)) == Loaded(UIDValidity(8), 3, ())
    assert one(journal, Record(INBOX, UIDValidity(8), 6, (row(5, MOVE, message_id="<other@x>"),))) == Recorded()


def test_uids_given_again_are_new(journal: Journal) -> None:
    """A server restored from a backup gives UIDs a second time; a new baseline forgets the first one."""
    one(journal, Baseline(INBOX, V, 1))
    one(journal, Record(INBOX, V, 9, (row(8, MOVE),)))
    one(journal, Baseline(INBOX, V, 6))
    assert one(journal, Record(INBOX, V, 9, (row(8, MOVE),))) == Recorded()


def test_what_we_put_there_is_ours(journal: Journal) -> None:
    """Fault F72: by COPYUID if it is known, else by Message-ID; in that mailbox and of that account only."""
    for place in (INBOX, LISTS, Place("bob", "Lists")):
        one(journal, Baseline(place, V, 1))
    one(journal, Record(INBOX, V, 9, tuple(row(uid, MOVE) for uid in (1, 2, 3))))
    settled = (
        Outcome(UID(1), 0, ActionState.DONE, target=(V, UID(41))),
        Outcome(UID(2), 0, ActionState.DONE),
        Outcome(UID(3), 0, ActionState.GONE),
    )
    one(journal, Settle(INBOX, V, settled))
    found = (
        row(41, FLAG, message_id="<1@x>"),  # it was put there by us
        row(42, FLAG, message_id="<2@x>"),  # so was this, though the server did not say its UID
        row(43, FLAG, message_id="<3@x>"),  # this one not: it was gone
        row(44, FLAG, message_id="<1@x>"),  # nor this one: ours is 41
        row(45, FLAG, message_id=""),
    )
    assert one(journal, Record(LISTS, V, 50, found)) == Recorded(frozenset({UID(41), UID(42)}))
    assert one(journal, Record(Place("bob", "Lists"), V, 50, found)) == Recorded()


def test_requests_are_all_or_nothing(journal: Journal) -> None:
    """One that cannot be carried out takes back the others of its transaction."""
    answers = journal.carry_out([Baseline(INBOX, V, 5), Record(LISTS, V, 9, ())])
    assert all(isinstance(answer, JournalFailed) for answer in answers)
    assert one(journal, Load(INBOX)) == Loaded(None, 1, ())


def test_it_survives(tmp_path: Path) -> None:
    """Closed or not, another process finds what was answered. The file is for its owner only."""
    path = tmp_path / "state" / "journal"
    journal = Journal(path)
    one(journal, Baseline(INBOX, V, 5))
    one(journal, Record(INBOX, V, 6, (row(5, MOVE),)))
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}, "the log beside it, too"
    journal.close()
    again = Journal(path)
    assert one(again, Load(INBOX)) == Loaded(V, 6, (Task(UID(5), "<5@x>", 1005, 55, ((0, MOVE),), sent=True),))
    again.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_old_messages_are_forgotten_unfinished_ones_are_not(tmp_path: Path) -> None:
    """After thirty days; what is still to be done stays whatever its age."""
    path = tmp_path / "journal"
    journal = Journal(path)
    one(journal, Baseline(INBOX, V, 1))
    one(journal, Record(INBOX, V, 9, (row(1), row(2, MOVE), row(3, MOVE))))
    one(journal, Settle(INBOX, V, (Outcome(UID(2), 0, ActionState.DONE),)))
    journal.close()
    database = apsw.Connection(str(path))
    database.execute("UPDATE message SET recorded_at = 0")
    database.close()
    journal = Journal(path)
    one(journal, Record(INBOX, V, 9, ()))
    journal.close()
    database = apsw.Connection(str(path))
    assert database.execute("SELECT uid FROM message").fetchall() == [(3,)]
    assert database.execute("SELECT count(*) FROM action").get == 1
    database.close()


def test_one_watcher_only(tmp_path: Path) -> None:
    """Fault F74: two would do everything twice."""
    journal = Journal(tmp_path / "journal")
    with pytest.raises(JournalError, match="in use by another watcher"):
        Journal(tmp_path / "journal")
    journal.close()
    Journal(tmp_path / "journal").close()


def test_what_is_no_journal(tmp_path: Path) -> None:
    """One clear line, and the lock is let go."""
    (tmp_path / "text").write_text("this is no database, whatever it is" * 100)
    with pytest.raises(JournalError, match="text: "):
        Journal(tmp_path / "text")
    with pytest.raises(JournalError, match="journal "):
        Journal(tmp_path / "text" / "below")
    database = apsw.Connection(str(tmp_path / "newer"))
    database.pragma("user_version", 99)
    database.close()
    for _ in range(2):
        with pytest.raises(JournalError, match="newer mailhorn"):
            Journal(tmp_path / "newer")


def test_thread_answers_in_order_and_closes_when_done(tmp_path: Path) -> None:
    """Requests of several accounts share transactions; one that fails does not take the others with it."""
    thread = JournalThread(tmp_path / "journal")
    answers: queue.SimpleQueue[tuple[int, Answer]] = queue.SimpleQueue()
    places = [Place(f"user{i}", "INBOX") for i in range(100)]
    for i, place in enumerate(places):
        thread.ask(Baseline(place, V, i + 1), lambda answer, i=i: answers.put((i, answer)))
    thread.ask(Record(Place("nobody", "INBOX"), V, 1, ()), lambda answer: answers.put((100, answer)))
    thread.ask(Load(places[41]), lambda answer: answers.put((101, answer)))
    thread.close()
    told = [answers.get() for _ in range(102)]
    assert [number for number, _ in told] == list(range(102))
    assert all(answer == Recorded() for _, answer in told[:100])
    assert isinstance(told[100][1], JournalFailed) and "has no beginning" in told[100][1].reason
    assert told[101][1] == Loaded(V, 42, ())
    assert answers.empty()


class Asked:
    """A journal's thread, of which a mailbox is known, and who answers."""

    def __init__(self, path: Path) -> None:
        self.thread = JournalThread(path)
        self.answers = queue.SimpleQueue[tuple[Answer, bool]]()
        self.uid = 0
        self.ask(Baseline(INBOX, V, 1))
        self.answers.get()

    def ask(self, request: Request) -> None:
        """Ask for something; then it is in `answers`, maybe later, and whether it was answered before this returned."""
        asking = threading.get_ident()
        self.thread.ask(request, lambda answer: self.answers.put((answer, threading.get_ident() == asking)))

    def record(self, rows: int = 1, letters: int = 0) -> bool:
        """Record messages, and return whether that was done at once; they stay recorded in any case."""
        first = self.uid + 1
        self.uid += rows
        parcels = tuple(Parcel(0, "a@x", ("b@x",), b"letter") for _ in range(letters))
        new = tuple(replace(row(uid), parcels=parcels) for uid in range(first, first + rows))
        self.ask(Record(INBOX, V, self.uid + 1, new))
        answer, at_once = self.answers.get()
        assert answer == Recorded()
        return at_once

    def close(self) -> Loaded:
        """Close it and return what is known of the mailbox afterwards."""
        path = self.thread._journal.path
        self.thread.close()
        again = Journal(path)
        loaded = one(again, Load(INBOX))
        again.close()
        assert isinstance(loaded, Loaded)
        return loaded


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """A thread to which every request is a lone one, and every disk is quick."""
    monkeypatch.setattr(journal_module, "LONE", -1.0)
    monkeypatch.setattr(journal_module, "QUICK", 1000.0)
    return Asked(tmp_path / "journal")


def test_a_lone_message_is_recorded_at_once(asked: Asked) -> None:
    """As soon as the thread has nothing to do; what is said to the server next does not wait for two threads."""
    assert any(asked.record() for _ in range(1000))
    for _ in range(10):
        assert asked.record()
    assert asked.close().cursor == asked.uid + 1


@pytest.mark.parametrize(("limit", "value"), [("LONE", 1000.0), ("QUICK", 0.0), ("REST_PAGES", 0)])
def test_who_is_not_alone_does_not_hold_the_others(
    asked: Asked, limit: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a slow disk, nor a log that is to be copied: the thread does it."""
    monkeypatch.setattr(journal_module, limit, value)
    assert not any(asked.record() for _ in range(50))
    assert asked.close().cursor == asked.uid + 1


def test_much_is_recorded_by_the_thread(asked: Asked) -> None:
    """Many messages, or letters, which may be large."""
    assert any(asked.record(8) for _ in range(1000))
    assert not any(asked.record(9) for _ in range(50))
    assert any(asked.record() for _ in range(1000))
    assert not any(asked.record(1, letters=1) for _ in range(50))
    assert asked.close().cursor == asked.uid + 1


def test_an_errand_that_writes_is_not_waited_for(asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread waits for it, for an hour if need be, and the event loop goes on."""
    monkeypatch.setattr(journal_module, "BUSY", 3_600_000)
    assert any(asked.record() for _ in range(1000))
    errand = apsw.Connection(str(tmp_path / "journal"))
    errand.execute("BEGIN IMMEDIATE")
    asked.ask(Record(INBOX, V, 9000, ()))
    assert asked.answers.empty()
    errand.execute("COMMIT")
    errand.close()
    assert asked.answers.get() == (Recorded(), False)
    assert asked.close().cursor == 9000


def test_a_power_cut_leaves_what_was_answered(tmp_path: Path) -> None:
    """What a thread's journal has room for and did not write yet is nothing to who opens it afterwards."""
    path, answers = tmp_path / "journal", queue.SimpleQueue[Answer]()
    thread = JournalThread(path)
    thread.ask(Baseline(INBOX, V, 5), answers.put)
    thread.ask(Record(INBOX, V, 6, (row(5, MOVE),)), answers.put)
    assert [answers.get(), answers.get()] == [Recorded(), Recorded()]
    wal = tmp_path / "journal-wal"
    assert wal.stat().st_size == ROOM
    later = tmp_path / "later"
    later.mkdir()
    for file in (path, wal):
        shutil.copy(file, later)
    thread.close()
    again = Journal(later / "journal")
    assert one(again, Load(INBOX)) == Loaded(V, 6, (Task(UID(5), "<5@x>", 1005, 55, ((0, MOVE),), sent=True),))
    again.close()


@pytest.mark.parametrize(("at_leisure", "most"), [(True, REST_PAGES), (False, REST_PAGES_AT_LAST)])
def test_the_log_is_copied_when_nobody_waits(journal: Journal, at_leisure: bool, most: int) -> None:
    """Else when it is long; what is asked for meanwhile does not wait for it."""
    wal = Path(f"{journal.path}-wal")
    one(journal, Baseline(INBOX, V, 1))
    uid = 0
    while uid < most * 2:
        rows = tuple(replace(row(uid := uid + 1), subject="a page each" * 300) for _ in range(200))
        assert isinstance(one(journal, Record(INBOX, V, uid + 1, rows)), Recorded)
        journal.rest(at_leisure)
    assert most <= wal.stat().st_size / (4096 + 24) <= most * 1.5, "it is written again from its beginning"


def test_what_keeps_coming_back_is_left_alone(journal: Journal) -> None:
    """Fault F72: three times in a day, by Message-ID, date and size; another delivery of it is another message."""
    one(journal, Baseline(INBOX, V, 1))
    for uid in (1, 2, 3):
        again = replace(row(uid, MOVE), message_id="<m@x>", internal_date=9, size=9)
        assert one(journal, Record(INBOX, V, uid + 1, (again,))) == Recorded()
        place = (UIDValidity(8), UID(uid))
        one(journal, Settle(INBOX, V, (Outcome(UID(uid), 0, ActionState.DONE, target=place),)))
    other = replace(again, uid=UID(4), size=10)
    assert one(journal, Record(INBOX, V, 5, (other,))) == Recorded()
    back = replace(again, uid=UID(5))
    assert one(journal, Record(INBOX, V, 6, (back,))) == Recorded(frozenset(), frozenset({UID(5)}))
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded) and [task.uid for task in loaded.unfinished] == [4] and loaded.cursor == 6


def test_what_was_learned_stays(journal: Journal) -> None:
    """How long an IDLE may last, and how often there was mail that was not announced."""
    one(journal, Baseline(INBOX, V, 5))
    assert one(journal, Load(INBOX)) == Loaded(V, 5, ())
    assert one(journal, Learn(INBOX, 45.5, 2)) == Settled()
    assert one(journal, Load(INBOX)) == Loaded(V, 5, (), 45.5, 2)


@pytest.mark.parametrize("form", [1, 2])
def test_a_journal_of_an_earlier_form(tmp_path: Path, form: int) -> None:
    """What it knows is kept, and the new columns are there."""
    path = tmp_path / "journal"
    journal = Journal(path)
    one(journal, Baseline(INBOX, V, 5))
    one(journal, Record(INBOX, V, 6, (row(5, MOVE),)))
    journal.close()
    old = apsw.Connection(str(path))
    old.execute("DROP TABLE letter; DROP TABLE memory; DROP INDEX action_by_rule; DROP INDEX action_held")
    old.execute("DROP INDEX message_without_message_id")
    later = {"mailbox": ["backlog"], "message": ["sender", "subject"], "action": ["rule", "errand", "undoes"]}
    if form == 1:
        later["mailbox"] += ["renewal", "missed"]
        later["message"] += ["trouble"]
    for table, columns in later.items():
        for column in columns:
            old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    old.pragma("user_version", form)
    old.close()
    journal = Journal(path)
    one(journal, Learn(INBOX, 60.0, 1))
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded) and (loaded.cursor, len(loaded.unfinished), loaded.renewal) == (6, 1, 60.0)
    one(journal, Record(INBOX, V, 7, (replace(row(6), trouble="it cannot be read"),)))
    journal.close()
    kept = apsw.Connection(str(path))
    assert kept.execute("SELECT uid FROM message WHERE trouble <> ''").fetchall() == [(6,)]
    kept.close()


def test_the_brake_holds_a_rule_and_keeps_it(tmp_path: Path) -> None:
    """A tenth of the mailbox, fifty at least; once something is held it goes on until somebody releases it."""
    journal = Journal(tmp_path / "journal")
    one(journal, Baseline(INBOX, V, 1))
    move = Step(Kind.MOVE, "Lists", rule="Lists")
    other = Step(Kind.MOVE, "Lists", rule="another")
    rows = [row(uid, move) for uid in range(1, 71)]
    brake = Brake(0.1, 50, 600)
    answer = one(journal, Record(INBOX, V, 71, tuple(rows), False, brake))
    assert isinstance(answer, Recorded) and answer.held == dict.fromkeys(range(61, 71), "Lists")
    answer = one(journal, Record(INBOX, V, 73, (row(71, move), row(72, other)), False, Brake(0.1, 50, 10**6)))
    assert isinstance(answer, Recorded) and answer.held == {71: "Lists"}
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded) and [task.uid for task in loaded.unfinished] == [*range(1, 61), 72]
    assert one(journal, Release(INBOX, V, tuple(range(61, 70)), drop=True)) == Ordered(())
    ordered = one(journal, Release(INBOX, V, (70, 71)))
    assert isinstance(ordered, Ordered) and [task.uid for task in ordered.tasks] == [70, 71]
    answer = one(journal, Record(INBOX, V, 74, (row(73, move),), False, Brake(0.1, 50, 10**6)))
    assert isinstance(answer, Recorded) and not answer.held
    journal.close()


def test_a_backlog_that_somebody_wants_has_no_brake(tmp_path: Path) -> None:
    """What came after it has."""
    journal = Journal(tmp_path / "journal")
    one(journal, Baseline(INBOX, V, 1, backlog=100))
    rows = tuple(row(uid, MOVE) for uid in range(1, 102))
    answer = one(journal, Record(INBOX, V, 102, rows, False, Brake(0.1, 50, 100)))
    assert isinstance(answer, Recorded) and answer.held == {}
    rows = tuple(row(uid, MOVE) for uid in range(102, 152))
    answer = one(journal, Record(INBOX, V, 152, rows, False, Brake(0.1, 50, 100)))
    assert isinstance(answer, Recorded) and set(answer.held) == {150, 151}
    journal.close()


def test_what_an_errand_has_under_way_is_its_own(tmp_path: Path) -> None:
    """The watcher leaves it alone as long as the errand lives, and finishes it afterwards."""
    journal = Journal(tmp_path / "journal")
    one(journal, Baseline(INBOX, V, 9))
    errand = Journal(tmp_path / "journal", errand=True)
    with pytest.raises(JournalError, match="another undo or apply"):
        Journal(tmp_path / "journal", errand=True)
    ordered = one(errand, Order(INBOX, V, (row(3, MOVE), row(4))))
    assert isinstance(ordered, Ordered) and [task.uid for task in ordered.tasks] == [3]
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded) and (loaded.cursor, loaded.unfinished) == (9, ())
    again = one(errand, Order(INBOX, V, (row(3, MOVE),)))
    assert again == Ordered(()), "what is under way is not begun again"
    errand.close()
    loaded = one(journal, Load(INBOX))
    assert isinstance(loaded, Loaded) and [task.uid for task in loaded.unfinished] == [3]
    journal.close()


def test_what_we_put_there_is_known_without_a_message_id(journal: Journal) -> None:
    """By date and size, as long as it is under way; by its new UID afterwards."""
    one(journal, Baseline(INBOX, V, 1))
    lists = Place(INBOX.account, "Lists")
    one(journal, Baseline(lists, V, 1))
    one(journal, Record(INBOX, V, 6, (row(5, MOVE, message_id=""),)))
    back = Step(Kind.MOVE, "INBOX")
    there = replace(row(5, back, message_id=""), uid=UID(1))
    answer = one(journal, Record(lists, V, 2, (there,)))
    assert isinstance(answer, Recorded) and answer.ours == {1}
    one(journal, Settle(INBOX, V, (Outcome(UID(5), 0, ActionState.DONE, 0, (V, UID(1))),)))
    answer = one(journal, Record(lists, V, 3, (replace(there, uid=UID(2)),)))
    assert isinstance(answer, Recorded) and answer.ours == set(), "it is another one"
