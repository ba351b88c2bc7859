"""One watched mailbox: where we stand in it, what is new, and what the rules say to that. Scripts; pure.

Rule 1: EXISTS, RECENT and FETCH are hints; what is new is found by UID from the journal's cursor (faults F21 to F28).
Rule 2: the cursor says that every UID below it is recorded, those that no rule matched as well. Rule 3: a message that
cannot be read is fetched three times more, one that breaks the rules is not tried again; then it is left alone, which
the journal knows, and the others go on (faults F19, F36, F85). Rule 4: a UID that was left out is looked for, for a
while.
"""

from collections.abc import Sequence

from ..imap.commands import Fetch, StatusItem
from ..imap.responses import Code
from ..model.ids import UID, UIDValidity
from ..model.numbers import STAR, UIDSet
from ..model.search import InUIDs
from .account import WatchAccount
from .conversation import Conversation, Script
from .filing import WINDOW, Filing
from .judging import Directory, Judge, items_of, task_of
from .ledger import Baseline, Brake, Load, Loaded, Place, Record, Recorded, Row, Task
from .trouble import Over, Trouble, refused

EMPTY_ROUNDS = 3
"""Times in a row a hint of new mail may lead to none before the next look is delayed."""
EMPTY_PAUSE = 1.0
"""Seconds of that delay: a server that announces mail with every answer must not keep us running."""
RETRY_PAUSES = (0.2, 1.0, 5.0)
"""Seconds before a message is fetched again that was announced and is not readable yet (fault F36)."""
HOLES, HOLES_FOR = 256, 600.0
"""UIDs just below the cursor that were not there, and seconds for which they are looked for as well: where several
machines keep one mailbox, a message may become visible after one that has a higher UID."""
PACKED = 16 * 1024 * 1024
"""Octets of letters after which what was judged is recorded before the next message is judged: they are in memory."""
JUDGED = 5.0
"""Seconds of judging after which it is, too: rules in Python, and those that look into bodies, take their time."""
SEARCH_SPAN = 50_000
"""UIDs searched at once where most of a long range may be gone; doubled as long as nothing is found."""


class Mailbox:
    """
    A watched mailbox, on one connection.

    Attributes:
        place: Which.
        news_at: When there was mail in it last.

    """

    def __init__(self, talk: Conversation, account: WatchAccount, place: Place, directory: Directory) -> None:
        self.place = place
        self.news_at = talk.now
        self._talk = talk
        self._account = account
        self._items = items_of(account)
        self._judge = Judge(talk, account, place.mailbox, directory)
        self._backlog = 0
        self._braked: set[str] = set()
        self._filing = Filing(talk, account, place, self._select)
        self._uid_validity = UIDValidity(0)
        self._uid_next = 0
        self._cursor = 1
        self._span = SEARCH_SPAN
        self._unready: tuple[int, int] = (0, 0)  # UID and how often it was not readable
        self._holes: dict[UID, float] = {}  # UIDs below the cursor that were not there, and until when they are wanted

    @property
    def _name(self) -> str:
        return self.place.mailbox

    def open(self) -> Script[Loaded]:
        """Select it, find where we stood, and finish what was begun. Returns what the journal knew."""
        talk = self._talk
        self._filing.later.clear()  # the journal knows
        loaded = yield from talk.ask(Load(self.place))
        assert isinstance(loaded, Loaded)
        yield from self._select()
        uid_next = talk.numbers.get("UIDNEXT", 0)
        if not uid_next:  # fault F32
            highest = yield from talk.highest_uid()
            uid_next = max(highest, loaded.cursor - 1) + 1
        self._uid_next = uid_next
        if loaded.uid_validity == self._uid_validity and loaded.cursor <= uid_next:
            self._cursor = loaded.cursor
            self._backlog = loaded.backlog
            yield from self._filing.reconcile(loaded.unfinished)
            return loaded
        first = loaded.uid_validity is None
        backlog = self._backlog = uid_next if first and self._account.backlog else 0
        self._cursor = 1 if backlog else uid_next
        yield from talk.ask(Baseline(self.place, self._uid_validity, self._cursor, backlog))
        if not first:
            # Fault F61. What was there when the numbers changed is not filtered again.
            talk.warn(f"the server has numbered {self._name} anew; rules apply to what comes from now on")
        return loaded

    def reopen(self) -> Script[None]:
        """Select it again, after another mailbox had its turn."""
        yield from self._select()

    def _select(self) -> Script[None]:
        done = yield from self._talk.select(self._name)
        if not done.ok:
            raise refused(f"cannot open {self._name}", done, Trouble.MAILBOX)
        if isinstance(done.code, Code) and done.code.name.upper() == "READ-ONLY":
            raise Over(Trouble.MAILBOX, f"{self._name} is read-only")
        uid_validity = UIDValidity(self._talk.numbers.get("UIDVALIDITY", 0))
        if not uid_validity:
            raise Over(Trouble.MAILBOX, f"the server tells no UIDVALIDITY for {self._name}")
        if self._uid_validity and uid_validity != self._uid_validity:
            raise Over(Trouble.NET, f"{self._name} was numbered anew just now")
        self._uid_validity = self._filing.uid_validity = uid_validity

    def has_news(self, status: dict[StatusItem, int | str]) -> bool:
        """Whether its STATUS says that there may be mail that we have not seen; an empty one says nothing else."""
        uid_next = status.get(StatusItem.UIDNEXT, 0)
        uid_validity = status.get(StatusItem.UIDVALIDITY, self._uid_validity)
        seen = max(self._cursor, self._uid_next)
        return not status or uid_validity != self._uid_validity or (isinstance(uid_next, int) and uid_next > seen)

    # new mail

    def catch_up(self, announced: bool) -> Script[bool]:
        """
        Filter what is new until there is nothing new (faults F21 to F28).

        Args:
            announced: Whether it is no wonder if there is mail.

        Returns:
            Whether there was mail that the server had not announced (fault F54).

        """
        talk = self._talk
        again: list[Task] = []
        if not announced:
            again, self._filing.later = self._filing.later, []
        missed = False
        empty = 0
        while True:
            found, more = yield from self._look()
            if found:
                empty = 0
                missed = missed or not (announced or talk.dirty)
                announced = True
            if more:
                continue
            if not talk.dirty:
                break
            if not found:
                empty += 1
                if empty >= EMPTY_ROUNDS:
                    yield from talk.pause(talk.now + EMPTY_PAUSE)
        yield from self._filing.act(again, None)
        return missed

    def _look(self) -> Script[tuple[bool, bool]]:
        """Record and filter the next messages; returns whether there were any, and whether to look again."""
        talk = self._talk
        wanted, upto = yield from self._next_window()
        talk.dirty = False
        heard_at, talk.hinted_at = talk.hinted_at, None
        fetched = yield from talk.fetch(Fetch(wanted, self._items))
        # n:* always brings the last message.
        late = {uid for uid in self._holes.keys() & fetched.keys() if fetched[uid].fields is not None}
        new = sorted({uid for uid in fetched if uid >= self._cursor} | late)
        cursor, more = max(upto, self._cursor), upto > 0
        if talk.dropped and new:
            cursor, more = max(cursor, new[-1] + 1), True
        rows: list[Row] = []
        pause = None
        began, packed, cut = talk.now, 0, False
        for uid in new:
            if fetched[uid].fields is None:
                tries = self._unready[1] + 1 if self._unready[0] == uid else 0
                self._unready = (uid, tries)
                if tries < len(RETRY_PAUSES):
                    pause, more, cursor = RETRY_PAUSES[tries], True, uid
                    break
            row = (yield from self._judge.judge(fetched[uid], is_new=uid >= self._backlog)).row()
            if row.trouble:
                talk.warn(f"message {uid} of {self._name} stays where it is: {row.trouble}")
            rows.append(row)
            packed += sum(len(parcel.content) for parcel in row.parcels)
            if uid != new[-1] and (packed > PACKED or talk.now - began > JUDGED):
                more, cut = True, True
                break
        if rows:
            self.news_at = talk.now
            if cut:
                cursor = max(self._cursor, rows[-1].uid + 1)
            elif pause is None:
                cursor = max(cursor, rows[-1].uid + 1)
            self._note_holes({row.uid for row in rows}, cursor)
            yield from self._record(rows, cursor, heard_at)
        elif upto:
            self._cursor = cursor
        if pause is not None:
            talk.hinted_at = heard_at
            yield from talk.pause(talk.now + pause)
        return bool(rows), more

    def _next_window(self) -> Script[tuple[UIDSet, int]]:
        """Return what to fetch, and where the cursor will be then; 0 if that is the end of the mailbox."""
        while self._uid_next - self._cursor > WINDOW:
            last = min(self._cursor + self._span, self._uid_next) - 1
            numbers, done = yield from self._talk.search(InUIDs(UIDSet(((self._cursor, last),))))
            if not done.ok:
                raise refused("cannot search", done, Trouble.NET)
            found = sorted({uid for uid in numbers if self._cursor <= uid <= last})
            if found:
                chunk = found[:WINDOW]
                return UIDSet.of(chunk), (chunk[-1] if len(chunk) < len(found) else last) + 1
            self._cursor = last + 1
            self._span *= 2
        now = self._talk.now
        self._holes = {uid: until for uid, until in self._holes.items() if until > now}
        return UIDSet((*UIDSet.of(self._holes).ranges, (self._cursor, STAR))), 0

    def _note_holes(self, found: set[UID], cursor: int) -> None:
        """Take note of what is missing below the next cursor."""
        until = self._talk.now + HOLES_FOR
        self._holes |= {UID(uid): until for uid in range(max(self._cursor, cursor - HOLES), cursor)}
        self._holes = {uid: self._holes[uid] for uid in sorted(self._holes.keys() - found)[-HOLES:]}

    def _record(self, rows: Sequence[Row], cursor: int, heard_at: float | None) -> Script[None]:
        # What does not fit into one command is told to the journal when its turn comes: after a cut each one that is
        # SENT has to be looked up.
        at_once = self._filing.takes_at_once(sum(bool(task_of(row, False).steps) for row in rows))
        account = self._account
        brake = Brake(account.brake, account.brake_at_least, self._talk.exists) if account.brake else None
        answer = yield from self._talk.ask(Record(self.place, self._uid_validity, cursor, tuple(rows), at_once, brake))
        assert isinstance(answer, Recorded)
        self._judge.recorded()
        self._cursor = cursor
        for uid in sorted(answer.circling):
            self._talk.warn(f"message {uid} of {self._name} stays where it is: it was moved too often in one day")
        for rule in sorted(set(answer.held.values()) - self._braked):
            self._braked.add(rule)
            self._talk.warn(
                f"{rule} takes too much out of {self._name}, or sends too much: what it matches stays there until you "
                "have looked; "
                "see: mailhorn watch release"
            )
        left = answer.ours | answer.circling | answer.held.keys()
        tasks = [task_of(row, at_once) for row in rows if row.steps and row.uid not in left]
        yield from self._filing.act([task for task in tasks if task.steps], heard_at)


__all__ = ["Directory", "Mailbox"]
