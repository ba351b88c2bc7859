"""What the journal tells of what was done. It is read beside a running watcher, and never written here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from ..model.flags import Flag
from ..model.ids import UID, UIDValidity
from .act import Kind, Step
from .journal import FORM, JournalError
from .ledger import ActionState, Place


@dataclass(frozen=True, slots=True)
class Doing:
    """
    One step that was done to a message, or is to be.

    Attributes:
        step: What, and by which rule.
        state: How far it is.
        target: UIDVALIDITY and UID of the message in its new place, if the server said so.
        changed_at: Seconds since 1970: when it came to that state.
        errand: A person wanted it, not the watcher.
        undoes: It takes another message's actions back: the number of that one; 0 if not.

    """

    step: Step
    state: ActionState
    target: tuple[UIDValidity, UID] | None
    changed_at: int
    errand: bool
    undoes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A message and what was done to it.

    Attributes:
        number: The journal's.
        place: Where it was.
        uid_validity: The epoch of its UID.
        uid: Its UID there.
        message_id: Its Message-ID, "" if it has none.
        internal_date: Seconds since 1970, UTC.
        size: Octets.
        sender: Its From.
        subject: Its subject.
        recorded_at: Seconds since 1970: when the watcher saw it.
        trouble: Why no rule was asked, or why the server refused what was to be done; "" if all went well.
        doings: What was done, in order.

    """

    number: int
    place: Place
    uid_validity: UIDValidity
    uid: UID
    message_id: str
    internal_date: int
    size: int
    sender: str
    subject: str
    recorded_at: int
    trouble: str
    doings: tuple[Doing, ...]

    @property
    def net_flags(self) -> tuple[Flag, ...]:
        """The flags that were added and are still there, as far as we did it."""
        flags: set[Flag] = set()
        for doing in self.doings:
            if doing.state is ActionState.DONE and not doing.undoes:
                if doing.step.kind is Kind.ADD_FLAGS:
                    flags |= set(doing.step.flags)
                elif doing.step.kind is Kind.REMOVE_FLAGS:
                    flags -= set(doing.step.flags)
        return tuple(sorted(flags))


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which messages; None and "" mean any.

    Attributes:
        last: So many, the newest.
        rule: Something that this rule did.
        since: Something that was done since, seconds since 1970.
        account: Of this account.
        mailbox: Found in this mailbox.
        uid: With this UID.
        message_id: With this Message-ID.
        state: Something that is in this state.
        untouched: Also those to which nothing was done.

    """

    last: int | None = None
    rule: str | None = None
    since: float | None = None
    account: str | None = None
    mailbox: str | None = None
    uid: int | None = None
    message_id: str | None = None
    state: ActionState | None = None
    untouched: bool = False


def entries(journal: Path, wanted: Wanted) -> list[Entry]:
    """
    Return messages and what was done to them, the latest last.

    Raises:
        JournalError: There is no journal, or it cannot be read.

    """
    if not journal.exists():
        raise JournalError(f"there is no journal at {journal}: nothing was watched yet, or with other settings")
    try:
        db = apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            db.set_busy_timeout(5000)
            version = db.pragma("user_version")
            if version != FORM:
                raise JournalError(
                    f"journal {journal} is of form {version}, this mailhorn reads form {FORM}; "
                    "it is brought up to date when `mailhorn watch` starts"
                )
            return list(reversed(list(_read(db, wanted))))
        finally:
            db.close()
    except apsw.Error as error:
        raise JournalError(f"journal {journal}: {error}") from error


def _read(db: apsw.Connection, wanted: Wanted) -> Iterator[Entry]:
    """Yield them, the latest first."""
    rows: list[tuple[Any, ...]] = db.execute(
        "SELECT m.id, b.account, b.name, m.uid_validity, m.uid, m.message_id, m.internal_date, m.size, m.sender,"
        " m.subject, m.recorded_at, m.trouble"
        " FROM message m JOIN mailbox b ON b.id = m.mailbox LEFT JOIN action a ON a.message = m.id"
        " WHERE (:account IS NULL OR b.account = :account) AND (:mailbox IS NULL OR b.name = :mailbox)"
        " AND (:uid IS NULL OR m.uid = :uid)"
        " AND (:message_id IS NULL OR m.message_id = :message_id)"
        " AND (:rule IS NULL OR a.rule = :rule) AND (:state IS NULL OR a.state = :state)"
        " AND (:since IS NULL OR coalesce(a.changed_at, m.recorded_at) >= :since)"
        " AND (:untouched OR a.id IS NOT NULL OR m.trouble <> '')"
        " GROUP BY m.id ORDER BY max(coalesce(a.changed_at, m.recorded_at)) DESC, m.id DESC LIMIT :last",
        {
            "account": wanted.account,
            "mailbox": wanted.mailbox,
            "uid": wanted.uid,
            "message_id": wanted.message_id,
            "rule": wanted.rule,
            "state": None if wanted.state is None else wanted.state.value,
            "since": wanted.since,
            "untouched": wanted.untouched,
            "last": -1 if wanted.last is None else wanted.last,
        },
    ).fetchall()
    for row in rows:
        number, account, name, uid_validity, uid, message_id, date, size, sender, subject, recorded_at, trouble = row
        yield Entry(
            number,
            Place(account, name),
            UIDValidity(uid_validity),
            UID(uid),
            message_id,
            date,
            size,
            sender,
            subject,
            recorded_at,
            trouble,
            tuple(_doings(db, number)),
        )


def _doings(db: apsw.Connection, number: int) -> Iterator[Doing]:
    rows: list[tuple[Any, ...]] = db.execute(
        "SELECT kind, target, flags, creates, rule, state, target_uid_validity, target_uid, changed_at, errand, undoes"
        " FROM action WHERE message = ? ORDER BY step",
        (number,),
    ).fetchall()
    for kind, target, flags, creates, rule, state, uid_validity, uid, changed_at, errand, undoes in rows:
        step = Step(Kind(kind), target, tuple(flags.split()), bool(creates), rule)
        now_at = None if uid is None else (UIDValidity(uid_validity), UID(uid))
        yield Doing(step, ActionState(state), now_at, changed_at, bool(errand), undoes)


__all__ = ["Doing", "Entry", "Wanted", "entries"]
