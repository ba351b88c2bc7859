"""Is the store what it says it is: the index in itself, the Maildirs, and the two together; and mending what is not.

Rule 1: what is checked does not check itself: the database is read here, with nothing between. Rule 2: what the next
start of the server sees to by itself (it was killed, or another program has been at a Maildir) is told, and is no
finding. Rule 3: mending loses no body: what belongs to nobody becomes mail again or goes to `lost+found`; a message
is expunged only if its file is gone or is not what it was. Rule 4: mending twice changes nothing.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from ..model.credential import parameters_of
from ..model.flags import SEEN
from ..model.ids import MailboxId
from ..model.mailbox import INBOX
from .abc import StoreUnavailable
from .journal import Body, read_body, read_journal
from .names import InvalidName, file_name, flags_of_letters, folder_of, login_dir, parse_file_name, system_letters
from .settle import MAILBOX_FILE, Keywords, Places, list_messages, read_settings, sign, write_file
from .texts import TEXTS, mailboxes_in, path_of

LOST_AND_FOUND = "lost+found"
"""Directory below the data directory for what nobody can be found for."""

ONLY_AN_INDEX = re.compile(r"missing from index|wrong # of entries in index|non-unique entry in index|NULL value")
"""What SQLite says of damage that REINDEX mends, because the table itself is whole."""

MAX_DAMAGE = 20
"""Lines of SQLite about a damaged file: it has many pages."""

MAX_TRIES = 2_000
"""Reads of a damaged table that may fail before the rest of it is given up: beyond, its root is gone."""

STEP = 500
"""Messages between two reports of how far it is."""

BUSY_MS = 5_000
"""How long to wait for a server that writes."""

UNREADABLE = (apsw.CorruptError, apsw.NotADBError, apsw.IOError)
"""What SQLite raises where a page is not what it should be."""

Mend = Callable[["Mending"], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Something that is not as it should be.

    Attributes:
        kind: Which sort, one word: for programs.
        where: File, mailbox or table.
        what: What is wrong, for people.
        repair: What mending it does.

    """

    kind: str
    where: str
    what: str
    repair: str
    mend: Mend = field(compare=False, repr=False)


@dataclass(slots=True)
class Report:
    """
    What a check found.

    Attributes:
        findings: What is wrong.
        pending: What the next start of the server sees to, or is seeing to.
        damaged: The database itself; then nothing else could be checked.
        messages: How many were looked at.
        mailboxes: How many.

    """

    findings: list[Finding] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    damaged: bool = False
    messages: int = 0
    mailboxes: int = 0


@dataclass(slots=True)
class Mending:
    """What a mend works with: the database in a transaction, the places, and the mailboxes to be counted again."""

    db: apsw.Connection
    places: Places
    recount: set[int] = field(default_factory=set)
    references: bool = False

    def run(self, sql: str, *values: Any) -> None:
        """Change the database."""
        self.db.execute(sql, values)

    def expunge(self, mailbox: int, uid: int) -> None:
        """Take a message out; who comes back to the mailbox is told that it is gone."""
        (after,) = _one(
            self.db,
            "UPDATE mailbox SET highest_mod_seq = highest_mod_seq + 1 WHERE id = ? RETURNING highest_mod_seq",
            (mailbox,),
        )
        for blob, size in _all(
            self.db, "DELETE FROM message WHERE mailbox = ? AND uid = ? RETURNING blob, size", (mailbox, uid)
        ):
            self.db.execute(
                "INSERT OR IGNORE INTO leaving (mailbox, uid, name, blob, size, due) VALUES (?, ?, NULL, ?, ?, 0)",
                (mailbox, uid, blob, size),
            )
            self.db.execute(
                "INSERT OR IGNORE INTO tombstone (mailbox, mod_seq, uid) VALUES (?, ?, ?)", (mailbox, after, uid)
            )
        self.recount.add(mailbox)

    def keep(self, path: str) -> None:
        """Move a file to where lost things are kept."""
        _keep(self.places, path)

    def set_aside(self, path: Path) -> None:
        """Give a damaged database another name."""
        _aside(path)

    def as_new_mail(self, path: str) -> None:
        """Have a file taken in as new mail: it loses the UID in its name and goes where new mail is dropped."""
        folder, name = os.path.split(path)
        key, _, _, letters = parse_file_name(name)
        target = f"{os.path.dirname(folder)}/{'cur' if letters else 'new'}/{key}R{time.time_ns()}"
        os.rename(path, f"{target}:2,{letters}" if letters else target)

    def write(self, name: str, body: bytes) -> None:
        """Keep a body that is in no file."""
        place = self.places.data / LOST_AND_FOUND
        place.mkdir(0o700, exist_ok=True)
        write_file(place / name, body)


def _keep(places: Places, path: str) -> None:
    place = places.data / LOST_AND_FOUND
    place.mkdir(0o700, exist_ok=True)
    target = place / os.path.basename(path)
    os.rename(path, target if not os.path.lexists(target) else f"{target}-{time.time_ns()}")


def _aside(path: Path) -> Path:
    """Give a damaged database another name, and what lies beside it; return that name."""
    aside = path.with_name(f"{path.name}-damaged-{time.strftime('%Y%m%d-%H%M%S')}")
    for ending in ("-wal", "-shm", ""):
        old = path.with_name(path.name + ending)
        if old.exists():
            old.rename(aside.with_name(aside.name + ending))
    return aside


def _remove_texts(path: Path) -> None:
    for ending in ("-shm", "-wal", ""):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _lines(said: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return what SQLite says of a file; it may begin with the name of the database, which tells nothing."""
    return [line for (text,) in said for line in str(text).splitlines() if not line.startswith("*** in database")]


def _all(db: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
    return db.execute(sql, values).fetchall()


def _one(db: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> Any:
    return next(iter(_all(db, sql, values)), None)


class Checker:
    """Checks one data directory, and mends it."""

    def __init__(self, data: Path, live: bool, beside: Mapping[str, str] | None = None) -> None:
        """
        Make it.

        Args:
            data: The directory of everything.
            live: A server is at work in it: nothing may be mended, and what is under way looks wrong for a moment.
            beside: Other databases in the directory, by name, with what it means to do without what is in one.

        """
        self._places = Places(data)
        self._beside = {data / name: loss for name, loss in (beside or {}).items()}
        self._path = data / "index.sqlite"
        self._texts = data / TEXTS
        self._live = live
        self._journal = self._path.with_suffix(".journal")
        self._journaled: dict[int, tuple[str, Body]] = {}
        self._unentered: set[tuple[int, int]] = set()
        self._progress: Callable[[int], None] = lambda done: None

    def _open(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READONLY if self._live else apsw.SQLITE_OPEN_READWRITE
        db = apsw.Connection(str(self._path), flags=flags)
        db.set_busy_timeout(BUSY_MS)
        if not self._live:
            db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # a check changes nothing
        return db

    def check(self, login: str | None = None, progress: Progress = lambda done, total: None) -> Report:
        """
        Look at everything, or at all that is of one account.

        Args:
            login: Whose; None: everybody's, and the database as a whole.
            progress: Called with messages looked at, and how many there are.

        Raises StoreUnavailable if the disk does not let it, or there is nothing to check.

        """
        if not self._path.exists():
            raise StoreUnavailable(f"there is no index at {self._path}: nothing to check; the server makes it")
        if not self._places.lock.exists():  # made by every start
            raise StoreUnavailable(f"the Maildirs are not at {self._places.root}: is their disk mounted?")
        report = Report()
        try:
            db = self._open()
            try:
                with db:
                    self._read_journal(db, report)
                    if login is None and not self._whole(db, report):
                        return report
                    self._look(db, login, report, progress)
            finally:
                db.close()
        except (*UNREADABLE, apsw.SQLError) as problem:  # SQLError: there is no such table
            report.findings, report.damaged = [], True
            self._damage(report, str(problem))
        except apsw.Error as problem:
            raise StoreUnavailable(f"the index {self._path} cannot be read ({problem}): see to the disk") from problem
        except OSError as problem:
            raise StoreUnavailable(f"the Maildirs cannot be read ({problem}): see to the disk") from problem
        return report

    def _read_journal(self, db: apsw.Connection, report: Report) -> None:
        """Learn which bodies are in the journal only, and what the tables do not have yet."""
        self._journaled, self._unentered = {}, set()
        try:
            identity, entered = _one(db, "SELECT journal, entered FROM server")
        except (apsw.Error, TypeError):
            return  # made by an older mailhorn, or not to be read
        records, lost = read_journal(self._journal, identity)
        if lost and not self._live:
            report.findings.append(
                Finding(
                    "journal",
                    str(self._journal),
                    f"{lost} records cannot be read: see to the disk; mail that was only in them is lost",
                    "nothing; the next start takes all the others",
                    lambda mending: None,
                )
            )
        for number, entry, body in records:
            if body is not None:
                self._journaled[entry.blob] = entry.key, body
            if number > entered:
                self._unentered.update((place.mailbox, place.uid) for place in entry.places)
        if self._unentered:
            report.pending.append(f"{len(self._unentered)} messages are in the journal: the server enters them")

    # the database

    def _damage(self, report: Report, what: str) -> None:
        report.findings.append(
            Finding(
                "damaged",
                str(self._path),
                f"the database is damaged: {what}",
                "set it aside, make it anew from the Maildirs, with what can be read of mail that is not there yet",
                lambda mending: None,
            )
        )

    def _whole(self, db: apsw.Connection, report: Report) -> bool:
        """Ask SQLite; return whether the rest can be trusted enough to be looked at."""
        said = _lines(db.execute(f"PRAGMA integrity_check({MAX_DAMAGE})"))
        if said == ["ok"]:
            return True
        if all(ONLY_AN_INDEX.search(line) for line in said):
            report.findings.append(
                Finding(
                    "lookup",
                    str(self._path),
                    f"a lookup table is damaged: {said[0]}",
                    "make the lookup tables anew",
                    lambda mending: mending.run("REINDEX"),
                )
            )
            return True
        report.damaged = True
        self._damage(report, said[0])
        return False

    def _look(self, db: apsw.Connection, login: str | None, report: Report, progress: Progress) -> None:
        boxes = _all(
            db,
            "SELECT mailbox.id, login, name, mailbox.uid_validity, folder.dir FROM mailbox"
            " JOIN account ON account.id = mailbox.account LEFT JOIN folder ON folder.mailbox = mailbox.id"
            " WHERE ?1 IS NULL OR login = ?1 ORDER BY login, name",
            (login,),
        )
        if login is not None and not boxes:
            raise StoreUnavailable(f"there is no account {login} in {self._path}; see: mailhorn account list")
        report.mailboxes = len(boxes)
        (total,) = _one(
            db,
            "SELECT coalesce(sum(messages), 0) FROM mailbox JOIN account ON account.id = mailbox.account"
            " WHERE ?1 IS NULL OR login = ?1",
            (login,),
        )
        self._progress = lambda done: progress(done, max(total, done))
        self._progress(0)
        texts = set(mailboxes_in(self._texts))
        for mailbox, owner, name, uid_validity, directory in boxes:
            where = f"{owner}: {name}"
            self._count(db, mailbox, where, report)
            self._folder(db, mailbox, where, uid_validity, directory, report)
            if mailbox in texts:
                self._index_of_texts(db, mailbox, where, uid_validity, report)
            self._progress(report.messages)
        if login is None:
            nobodys = texts - {mailbox for mailbox, *_ in boxes}
            if nobodys:
                report.pending.append(f"{self._texts}: {len(nobodys)} files of no mailbox, removed at the next start")
            self._references(db, report)
            self._nobodys(db, report)
            self._leftovers(db, report)
            self._others(report)

    def _count(self, db: apsw.Connection, mailbox: int, where: str, report: Report) -> None:
        """Compare what a mailbox's row tells with its messages."""
        told = dict(
            zip(_COUNTS, _one(db, f"SELECT {', '.join(_COUNTS)} FROM mailbox WHERE id = ?", (mailbox,)), strict=True)
        )
        counted = dict(
            zip(_COUNTS, _one(db, f"SELECT {', '.join(_COUNTS.values())}", (mailbox,) * _PARAMETERS), strict=True)
        )
        for name in _COUNTS:
            if told[name] == counted[name] or (name in _AT_LEAST and told[name] > counted[name]):
                continue
            report.findings.append(
                Finding(
                    "count",
                    where,
                    f"{name} is {told[name]}, and should be {counted[name]}",
                    f"set it to {counted[name]}",
                    lambda mending: mending.recount.add(mailbox),
                )
            )
        for (uid,) in _all(
            db,
            "SELECT uid FROM leaving JOIN message USING (mailbox, uid) WHERE mailbox = ?1"
            " UNION SELECT uid FROM tombstone JOIN message USING (mailbox, uid) WHERE mailbox = ?1",
            (mailbox,),
        ):
            report.findings.append(
                Finding(
                    "revenant",
                    f"{where}: UID {uid}",
                    "it is a message and an expunged one at a time",
                    "keep the message",
                    lambda mending, uid=uid: _forget_expunge(mending, mailbox, uid),  # type: ignore[misc]
                )
            )

    def _index_of_texts(self, db: apsw.Connection, mailbox: int, where: str, uid_validity: int, report: Report) -> None:
        """See whether searches can rely on a mailbox's index of texts: it may not leave out a message it covers."""
        path = path_of(self._texts, MailboxId(mailbox))
        wrong = ""
        try:
            texts = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            try:
                texts.set_busy_timeout(BUSY_MS)
                with texts:
                    about = _one(texts, "SELECT uid_validity, covered FROM about")
                    known = {uid for (uid,) in _all(texts, "SELECT id FROM trigrams_docsize")}
                    _all(texts, "CREATE VIRTUAL TABLE temp.word USING fts5vocab ('main', 'trigrams', 'row')")
                    _one(texts, "SELECT sum(cnt) FROM word")  # reads all of it
                    wrong = "" if _one(texts, "PRAGMA quick_check(1)") == ("ok",) else "it is damaged"
            finally:
                texts.close()
            of, covered = about or (0, 0)
            there = _all(db, "SELECT uid FROM message WHERE mailbox = ? AND uid <= ?", (mailbox, covered))
            missing = sum(uid not in known for (uid,) in there)
            if about is None:
                wrong = "it does not say what it knows"
            elif of == uid_validity and missing:
                wrong = f"it leaves out {missing} of the {len(there)} messages it should know"
        except apsw.Error as problem:
            wrong = f"it is damaged: {problem}"
        if wrong:
            report.findings.append(
                Finding(
                    "texts",
                    str(path),
                    f"the index of texts of {where} is no good: {wrong}",
                    "remove it; the next search makes it anew",
                    lambda mending: _remove_texts(path),
                )
            )

    def _references(self, db: apsw.Connection, report: Report) -> None:
        for blob, told, counted in _all(
            db,
            "SELECT id, refs, coalesce(n, 0) FROM blob LEFT JOIN (SELECT blob, count(*) AS n FROM"
            " (SELECT blob FROM message UNION ALL SELECT blob FROM leaving WHERE blob IS NOT NULL) GROUP BY blob)"
            " ON blob = id WHERE refs <> coalesce(n, 0)",
        ):
            report.findings.append(
                Finding(
                    "references",
                    f"body {blob}",
                    f"{told} messages are said to share it, there are {counted}",
                    f"set it to {counted}" if counted else "remove its record; the body itself goes to lost+found",
                    _recount_references,
                )
            )

    def _nobodys(self, db: apsw.Connection, report: Report) -> None:
        """Look for rows that are of nothing."""
        for (blob,) in _all(db, "SELECT blob FROM inline_body WHERE blob NOT IN (SELECT id FROM blob)"):
            report.findings.append(
                Finding(
                    "orphan",
                    f"body {blob}",
                    "it is of no message",
                    f"move it to {LOST_AND_FOUND}",
                    lambda mending, blob=blob: _rescue(mending, blob),  # type: ignore[misc]
                )
            )
        tables = {name for (name,) in _all(db, "SELECT name FROM sqlite_schema WHERE type = 'table'")}
        rows = {
            "message": "mailbox NOT IN (SELECT id FROM mailbox)",
            "tombstone": "mailbox NOT IN (SELECT id FROM mailbox)",
            "digest": "blob NOT IN (SELECT id FROM blob)",
        }
        for table, nobodys in rows.items():
            if table not in tables:
                continue
            (count,) = _one(db, f"SELECT count(*) FROM {table} WHERE {nobodys}")
            if count:
                report.findings.append(
                    Finding(
                        "orphan",
                        f"table {table}",
                        f"{count} rows are of nothing that exists",
                        "remove them; files stay",
                        lambda mending, t=table, n=nobodys: (
                            mending.db.execute(  # type: ignore[misc]
                                f"DELETE FROM {t} WHERE {n}"
                            )
                            and None
                        ),
                    )
                )

    def _others(self, report: Report) -> None:
        """Ask SQLite about the databases beside the index: a server does not start with a damaged one."""
        for path, loss in self._beside.items():
            if not path.exists():
                continue
            try:
                other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
                try:
                    other.set_busy_timeout(BUSY_MS)
                    said = _lines(other.execute("PRAGMA quick_check(1)"))
                finally:
                    other.close()
            except UNREADABLE as problem:
                said = [str(problem)]
            except apsw.Error as problem:
                raise StoreUnavailable(f"{path} cannot be read ({problem}): see to the disk") from problem
            if said != ["ok"]:
                report.findings.append(
                    Finding(
                        "beside",
                        str(path),
                        f"the database is damaged: {said[0] if said else 'SQLite does not say how'}",
                        f"set it aside; {loss}",
                        partial(Mending.set_aside, path=path),
                    )
                )

    # the Maildirs

    def _folder(
        self, db: apsw.Connection, mailbox: int, where: str, uid_validity: int, directory: str | None, report: Report
    ) -> None:
        """Compare a mailbox with its directory."""
        waits = bool(_one(db, "SELECT 1 FROM dirty_mailbox WHERE mailbox = ?", (mailbox,)))
        path = f"{self._places.root}/{directory}"
        there = directory is not None and os.path.isdir(f"{path}/cur")
        if there:
            signed = read_settings(f"{path}/{MAILBOX_FILE}").get("uid_validity", 0)
            if signed != uid_validity and not waits:
                report.findings.append(
                    Finding(
                        "signature",
                        f"{path}/{MAILBOX_FILE}",
                        f"it tells UIDVALIDITY {signed or 'not at all'}, the mailbox has {uid_validity}",
                        "write it anew",
                        lambda mending: _mark_mailbox(mending, mailbox),
                    )
                )
        elif directory is not None and not waits:
            report.findings.append(
                Finding(
                    "directory",
                    path,
                    f"the directory of {where} is gone",
                    "make it anew; its messages are expunged: restore it from a backup first if there is one",
                    lambda mending: _mark_mailbox(mending, mailbox),
                )
            )
        files = list_messages(path) if there else {}
        used: set[str] = set()
        keywords = Keywords.load(path) if there else Keywords()
        for row in db.execute(_MESSAGES, (mailbox,)):
            report.messages += 1
            if not report.messages % STEP:
                self._progress(report.messages)
            self._message(db, mailbox, where, path, files, used, keywords, row, report)
        if there:
            unknown = {base: file for base, file in files.items() if base not in used}
            self._strangers(db, mailbox, unknown, report)

    def _message(
        self,
        db: apsw.Connection,
        mailbox: int,
        where: str,
        folder: str,
        files: dict[str, str],
        used: set[str],
        keywords: Keywords,
        row: tuple[Any, ...],
        report: Report,
    ) -> None:
        uid, flags, size, letters, dirty, origin, key, blob, inline = row
        where = f"{where}: UID {uid}"

        def gone(what: str, kind: str = "vanished", path: str | None = None) -> None:
            mail = path is not None and stat.S_ISREG(os.lstat(path).st_mode) and os.path.getsize(path) > 0

            def mend(mending: Mending) -> None:
                if path is not None:
                    if mail:
                        mending.as_new_mail(path)
                    else:
                        mending.keep(path)
                mending.expunge(mailbox, uid)

            left = "becomes a new message" if mail else f"goes to {LOST_AND_FOUND}"
            repair = "expunge it" if path is None else f"expunge it; what is left {left}"
            report.findings.append(Finding(kind, where, what, repair, mend))

        if key is None:
            used.update(base for base in files if f",U={uid}" in base)
            path = next((files[base] for base in files if f",U={uid}" in base), None)
            gone("the record of its body is gone", "record", path)
            return
        name = file_name(key, size, uid, letters or "")
        base = name.partition(":")[0]
        path = files.get(base)
        if path is not None:
            used.add(base)
        if letters is None:  # not at rest
            if inline is None and blob in self._journaled and self._journaled[blob][0] == key:
                inline = self._journaled[blob][1].octets
            if origin is None and inline is None and path is None and not (self._places.spool / key).exists():
                gone(f"its body is nowhere: neither in the index nor {self._places.spool / key}")
            elif inline is not None and inline != size:
                gone(f"its body has {inline} octets in the index, and should have {size}", "truncated")
            elif origin is not None and path is None and not self._origin(db, origin):
                gone(f"the file it is a copy of is gone: {origin}")
            return
        if path is None:
            gone(f"its file is gone: {folder}/cur/{name}")
            return
        try:
            status = os.lstat(path)
        except FileNotFoundError:  # renamed or removed since the directory was read
            return
        if not stat.S_ISREG(status.st_mode):
            gone(f"it has no file, something else is called so: {path}", "vanished", path)
            return
        there = status.st_size
        if there != size:
            gone(f"its file has {there} octets, and should have {size}: {path}", "truncated", path)
            return
        told = parse_file_name(os.path.basename(path))[3]
        if told != letters:
            report.pending.append(f"{path}: another program changed its flags; the server takes them over")
        elif not dirty and not _tells(flags, letters, keywords, uid):
            report.findings.append(
                Finding(
                    "flags",
                    where,
                    f"the name of its file does not tell its flags ({flags or 'none'}): {path}",
                    "rename the file",
                    lambda mending: mending.run(
                        "UPDATE message SET dirty = 1 WHERE mailbox = ? AND uid = ?", mailbox, uid
                    ),
                )
            )

    def _origin(self, db: apsw.Connection, origin: str) -> bool:
        """Return whether the file that a copy is to be made of is there."""
        mailbox, _, name = origin.partition("/")
        folder = _one(db, "SELECT dir FROM folder WHERE mailbox = ?", (int(mailbox),))
        return folder is not None and name.partition(":")[0] in list_messages(f"{self._places.root}/{folder[0]}")

    def _strangers(self, db: apsw.Connection, mailbox: int, files: dict[str, str], report: Report) -> None:
        """Look at files that are of no message."""
        dropped = 0
        for base, path in files.items():
            if base.startswith("."):
                continue
            uid = parse_file_name(base)[2]
            if uid is None:
                dropped += os.path.isfile(path) and not os.path.islink(path)  # all else is no mail
            elif (mailbox, uid) in self._unentered:
                pass  # told already
            elif _one(db, "SELECT 1 FROM leaving WHERE mailbox = ? AND uid = ?", (mailbox, uid)):
                report.pending.append(f"{path}: expunged, it is removed soon")
            else:
                report.findings.append(
                    Finding(
                        "stranger",
                        path,
                        "it is called as a message of ours, and there is no such message",
                        "make it a new message",
                        lambda mending, path=path: mending.as_new_mail(path),  # type: ignore[misc]
                    )
                )
        if dropped:
            report.pending.append(
                f"{os.path.dirname(path)}: {dropped} files of another program; the server takes them in"
            )

    def _leftovers(self, db: apsw.Connection, report: Report) -> None:
        """Look at what is beside the mailboxes."""
        places = self._places
        (count,) = _one(db, "SELECT count(*) FROM message WHERE letters IS NULL")
        if count:
            report.pending.append(f"{count} messages are safe in the index and have no file yet")
        waiting = {key for (key,) in db.execute("SELECT key FROM blob JOIN message ON blob = id WHERE letters IS NULL")}
        waiting |= {key for (key,) in db.execute("SELECT key FROM blob JOIN leaving ON blob = id WHERE name IS NULL")}
        spare = [name for name in _names(places.spool) if name not in waiting]
        if spare:
            report.pending.append(
                f"{places.spool}: {len(spare)} files nobody was told are safe, removed at the next start"
            )
        if not _one(db, "SELECT 1 FROM dirty_account WHERE account = 0"):
            told = _accounts_told(places)
            known = {
                login_dir(login): stored for login, stored in db.execute("SELECT login, password_hash FROM account")
            }
            others = [
                (told[directory], stored)
                for directory, stored in known.items()
                if told.get(directory, stored) != stored
            ]
            if told.keys() == known.keys() and all(_was_upgraded(old, stored) for old, stored in others):
                if others:
                    report.pending.append(f"{places.accounts}: {len(others)} passwords have better hashes in the index")
            else:
                report.findings.append(
                    Finding(
                        "accounts",
                        str(places.accounts),
                        "it does not name the accounts that there are, with their passwords",
                        "write it anew",
                        lambda mending: mending.run("INSERT OR IGNORE INTO dirty_account (account) VALUES (0)"),
                    )
                )

    # mending

    def mend(self, report: Report, progress: Progress = lambda done, total: None) -> None:
        """
        Mend what was found, but a damaged database, for which there is `salvage`.

        What is to be written into the Maildirs is written when the store is started next. Raises StoreUnavailable.
        """
        try:
            db = self._open()
            try:
                db.execute("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")
                mending = Mending(db, self._places)
                for done, finding in enumerate(report.findings, 1):
                    finding.mend(mending)
                    progress(done, len(report.findings))
                for mailbox in mending.recount:
                    db.execute(_RECOUNT, (mailbox,) * (_PARAMETERS + 1))
                if mending.references or mending.recount:
                    _set_references(mending)
                os.sync()  # files have been moved: before the index says so
                db.execute("COMMIT")
            finally:
                db.close()
        except apsw.Error as problem:
            raise StoreUnavailable(f"the index {self._path} cannot be mended ({problem}); nothing was") from problem
        except OSError as problem:
            raise StoreUnavailable(f"the Maildirs cannot be mended ({problem}); see to the disk") from problem

    def salvage(self) -> tuple[int, Path]:
        """
        Bring all that can be read of a damaged database into the Maildirs, and set it aside.

        Returns how many messages that had no file yet have one now, and where the damaged file is. Call it with the
        server stopped; then have the index made anew. Raises StoreUnavailable.
        """
        places = self._places
        saved = 0
        try:
            try:
                db = self._open()
                try:
                    self._read_journal(db, Report())
                    saved = _Salvage(db, places, self._journal, self._journaled).run()
                finally:
                    db.close()
            except apsw.Error:
                pass  # nothing of it can be read
            for name in _names(places.spool):  # whose they were is not known any more, and a start clears the spool
                _keep(places, f"{places.spool}/{name}")
            places.running.touch(0o600)  # UIDNEXT is not sure: leave a gap
            os.sync()
            aside = _aside(self._path)
        except OSError as problem:
            raise StoreUnavailable(f"the index cannot be set aside ({problem}); see to the disk") from problem
        return saved, aside


class _Salvage:
    """Reads what can be read: small bodies, and where they belong."""

    def __init__(
        self, db: apsw.Connection, places: Places, journal: Path, journaled: dict[int, tuple[str, Body]]
    ) -> None:
        self._db = db
        self._places = places
        self._journal = journal
        self._journaled = journaled

    def _rows(self, sql: str, first: int, last: int) -> Iterator[Any]:
        """Yield rows by number; what lies on a damaged page is left out, and what is beside it is not."""
        left, tries = [(first, last)], MAX_TRIES
        while left and tries:
            first, last = left.pop()
            try:
                found = _all(self._db, sql, (first, last))
            except apsw.Error:
                tries -= 1
                if first < last:
                    middle = (first + last) // 2
                    left += [(middle + 1, last), (first, middle)]
                continue
            tries += bool(found)
            yield from found

    def _last(self, table: str, column: str) -> int:
        try:
            found = _one(self._db, f"SELECT max({column}) FROM {table}")
        except apsw.Error:
            found = None
        return (found[0] or 0) if found else 100_000

    def run(self) -> int:
        """Write them into the Maildirs; return how many."""
        logins = dict(
            self._rows("SELECT id, login FROM account WHERE id BETWEEN ? AND ?", 1, self._last("account", "id"))
        )
        homes: dict[int, str] = {}
        boxes = "SELECT id, account, name, uid_validity, uid_next FROM mailbox WHERE id BETWEEN ? AND ?"
        for mailbox, account, name, uid_validity, uid_next in self._rows(boxes, 1, self._last("mailbox", "id")):
            try:
                home = login_dir(logins[account]) + (f"/{folder_of(name)}" if name != INBOX else "")
            except (InvalidName, KeyError):
                continue
            homes[mailbox] = home
            self._sign(home, uid_validity, uid_next)
        homes.update(
            self._rows("SELECT mailbox, dir FROM folder WHERE mailbox BETWEEN ? AND ?", 1, max(homes, default=0))
        )
        saved = 0
        last = self._last("inline_body", "blob")
        bodies = "SELECT blob, body FROM inline_body WHERE blob BETWEEN ? AND ?"
        owners: dict[int, list[Any]] = {}
        messages = (
            "SELECT blob, mailbox, uid, flags, internal_date, size FROM message"
            " WHERE mailbox BETWEEN ? AND ? AND letters IS NULL"
        )
        for blob, *owner in self._rows(messages, 1, max(homes, default=0)):
            owners.setdefault(blob, []).append(owner)
        keys = dict(self._rows("SELECT id, key FROM blob WHERE id BETWEEN ? AND ?", 1, self._last("blob", "id")))
        for blob, body in self._rows(bodies, 1, last):
            owned = [owner for owner in owners.pop(blob, []) if owner[0] in homes]
            key = keys.get(blob, f"salvaged-{blob}")
            if not owned:
                Mending(self._db, self._places).write(key, body)
            for owner in owned:
                self._file(homes[owner[0]], key, owner, body)
                saved += 1
        for blob, left in owners.items():  # in the journal, or if they are big, in the spool
            key, place = self._journaled.get(blob, ("", None))
            if place is not None and key == keys.get(blob, key):
                body = read_body(self._journal, place)
                for owner in left:
                    if owner[0] in homes:
                        self._file(homes[owner[0]], key, owner, body)
                        saved += 1
                continue
            spooled = self._places.spool / keys.get(blob, "")
            if blob not in keys or not spooled.is_file():
                continue
            for mailbox, uid, flags, date, size in left:
                if mailbox in homes and spooled.stat().st_size == size:
                    self._link(homes[mailbox], keys[blob], uid, flags, date, spooled)
                    saved += 1
            spooled.unlink()
        return saved

    def _folder(self, home: str) -> str:
        path = f"{self._places.root}/{home}"
        for part in ("cur", "new", "tmp"):
            os.makedirs(f"{path}/{part}", 0o700, exist_ok=True)
        return path

    def _sign(self, home: str, uid_validity: int, uid_next: int) -> None:
        """Write down the numbers, where the mailbox has a directory."""
        path = f"{self._places.root}/{home}"
        if os.path.isdir(f"{path}/cur") and read_settings(f"{path}/{MAILBOX_FILE}").get("uid_validity") == uid_validity:
            sign(path, uid_validity, uid_next)

    def _file(self, home: str, key: str, owner: list[Any], body: bytes) -> None:
        _, uid, flags, date, size = owner
        path = self._folder(home)
        name = file_name(key, size, uid, system_letters(flags.split())[0])
        if name.partition(":")[0] not in list_messages(path):
            write_file(f"{path}/tmp/{key}", body)
            os.utime(f"{path}/tmp/{key}", (date, date))
            os.rename(f"{path}/tmp/{key}", f"{path}/cur/{name}")

    def _link(self, home: str, key: str, uid: int, flags: str, date: int, spooled: Path) -> None:
        path = self._folder(home)
        name = file_name(key, spooled.stat().st_size, uid, system_letters(flags.split())[0])
        if name.partition(":")[0] not in list_messages(path):
            os.utime(spooled, (date, date))
            os.link(spooled, f"{path}/cur/{name}")


_SEEN = f"instr(' ' || flags || ' ', ' {SEEN} ')"
_COUNTS = {
    "messages": "(SELECT count(*) FROM message WHERE mailbox = ?)",
    "unseen": f"(SELECT count(*) FROM message WHERE mailbox = ? AND NOT {_SEEN})",
    "deleted": "(SELECT count(*) FROM message WHERE mailbox = ? AND instr(' ' || flags || ' ', ' \\Deleted '))",
    "size": "(SELECT coalesce(sum(size), 0) FROM message WHERE mailbox = ?)",
    "uid_next": "(SELECT max(coalesce((SELECT max(uid) FROM message WHERE mailbox = ?), 0),"
    " coalesce((SELECT max(uid) FROM tombstone WHERE mailbox = ?), 0)) + 1)",
    "highest_mod_seq": "(SELECT max(coalesce((SELECT max(mod_seq) FROM message WHERE mailbox = ?), 1),"
    " coalesce((SELECT max(mod_seq) FROM tombstone WHERE mailbox = ?), 1)))",
}
"""What a mailbox's row tells, and how to count it."""

_AT_LEAST = ("uid_next", "highest_mod_seq")
_PARAMETERS = sum(sql.count("?") for sql in _COUNTS.values())
_RECOUNT = (
    "UPDATE mailbox SET "
    + ", ".join(f"{name} = " + (f"max({name}, {sql})" if name in _AT_LEAST else sql) for name, sql in _COUNTS.items())
    + " WHERE id = ?"
)
_MESSAGES = (
    "SELECT uid, flags, message.size, letters, dirty, origin, key, message.blob, length(inline_body.body) FROM message"
    " LEFT JOIN blob ON blob.id = message.blob LEFT JOIN inline_body ON inline_body.blob = message.blob"
    " WHERE mailbox = ? ORDER BY uid"
)


def _tells(flags: str, letters: str, keywords: Keywords, uid: int) -> bool:
    """Return whether the letters of a name, with the folder's keywords, are these flags."""
    told = {*flags_of_letters(letters), *keywords.flags(letters), *keywords.more.get(uid, ())}
    return {flag.lower() for flag in told} == {flag.lower() for flag in flags.split()}


def _names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.is_dir() else []


def _accounts_told(places: Places) -> dict[str, str]:
    """Return the password hashes by directory, as the file of accounts tells them."""
    told = {}
    if places.accounts.exists():
        for line in places.accounts.read_text("utf-8", "replace").splitlines():
            directory, colon, rest = line.partition(":")
            if colon and not line.startswith("#"):
                told[directory] = rest.rpartition(":")[0]
    return told


def _was_upgraded(told: str, stored: str) -> bool:
    """Return whether a login may have made the one of the other (`set_password_hash`): that changes its parameters."""
    before, after = parameters_of(told), parameters_of(stored)
    return before is not None and after is not None and before != after


def _forget_expunge(mending: Mending, mailbox: int, uid: int) -> None:
    for table in ("leaving", "tombstone"):
        mending.db.execute(f"DELETE FROM {table} WHERE mailbox = ? AND uid = ?", (mailbox, uid))
    mending.references = True


def _mark_mailbox(mending: Mending, mailbox: int) -> None:
    mending.db.execute("INSERT OR IGNORE INTO dirty_mailbox (mailbox) VALUES (?)", (mailbox,))


def _recount_references(mending: Mending) -> None:
    mending.references = True


def _set_references(mending: Mending) -> None:
    """Count how many messages share each body; bodies of none are kept elsewhere."""
    db = mending.db
    counted = (
        "(SELECT blob, count(*) AS n FROM"
        " (SELECT blob FROM message UNION ALL SELECT blob FROM leaving WHERE blob IS NOT NULL) GROUP BY blob)"
        " AS counted"
    )
    db.execute(f"UPDATE blob SET refs = 0 WHERE id NOT IN (SELECT blob FROM {counted})")
    db.execute(f"UPDATE blob SET refs = n FROM {counted} WHERE counted.blob = blob.id AND refs <> n")
    for (blob,) in _all(db, "SELECT id FROM blob WHERE refs = 0"):
        _rescue(mending, blob)
        db.execute("DELETE FROM blob WHERE id = ?", (blob,))


def _rescue(mending: Mending, blob: int) -> None:
    """Keep a body that is of no message."""
    found = _one(mending.db, "SELECT key, body FROM inline_body LEFT JOIN blob ON id = blob WHERE blob = ?", (blob,))
    if found is not None:
        mending.write(found[0] or f"body-{blob}", found[1])
        mending.db.execute("DELETE FROM inline_body WHERE blob = ?", (blob,))


__all__ = ["LOST_AND_FOUND", "Checker", "Finding", "Report"]
