"""A server on the disk of `tests.kit.disk`, and clients that work on it and keep a ledger."""

import contextlib
import hashlib
import imaplib
import os
import random
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .deliveries import Lmtp, RefusedForNow
from .disk import Plan
from .ledger import Attempt, Copy, Ledger, Step, added, copied, flagged, gone
from .process import DOMAIN, PATIENCE, READY, Server, environment, message

BIG = 140_000
"""Octets: more than rides in the index's transaction."""

WRITING = ("write", "sync", "create", "truncate", "rename", "link", "unlink", "mkdir", "utime")
"""Operations that change something."""

FLAGS = ("\\Seen", "\\Flagged", "\\Answered", *(f"k{n}" for n in range(36)))
"""More keywords than a Maildir has letters for."""

Work = Callable[[random.Random], None]
Maker = Callable[[int], Step]
Picture = dict[int, dict[int, tuple[str, frozenset[str]]]]


def text_of(token: str) -> str:
    """Return the text of a message, by its name: nobody else's, and every so often a big one."""
    line = hashlib.sha256(token.encode()).hexdigest() + "\n"
    return line * (BIG // len(line) if line < "1" else 1 + int(line[1:3], 16) // 8)


class SickDiskServer(Server):
    """A server whose way to the disk leads through a plan."""

    plan: Plan | None = None

    @property
    def record(self) -> Path:
        """Where what it does to the disk is written down."""
        return self.folder / "record"

    @property
    def fired(self) -> Path:
        """Made when the plan strikes."""
        return self.folder / "fired"

    @property
    def armed(self) -> Path:
        """Made when the plan may begin to count."""
        return self.folder / "armed"

    @property
    def over(self) -> Path:
        """Made when the plan is over."""
        return self.folder / "over"

    def planned(self, act: str = "", armed: bool = False, **more: Any) -> Plan:
        """
        Return a plan with the files that are ours.

        Args:
            act: What is to happen.
            armed: Begin to count when that file is made, not at the start.
            more: See `Plan`.

        """
        files = {"root": self.data, "record": self.record, "fired": self.fired, "over": self.over}
        return Plan(
            act=act,
            armed=str(self.armed) if armed else "",
            **{name: str(path) for name, path in files.items()},
            **more,
        )

    @contextlib.contextmanager
    def refusing(self, error: str, kinds: Iterable[str], paths: str) -> Iterator[None]:
        """Have the disk refuse, where the plan is to obey: the error's name, operations, and a pattern of the files."""
        orders = self.folder / "orders"
        orders.write_text(f"{error}\n{','.join(kinds)}\n{paths}")
        orders.rename(self.armed)
        try:
            yield
        finally:
            self.armed.unlink()

    def launch(self) -> None:
        if self.plan is None:
            super().launch()
            return
        for path in (self.record, self.fired, self.armed, self.over):
            path.unlink(missing_ok=True)
        self.plan.save(self.folder / "plan.json")
        with self.log.open("ab") as log:
            home = environment(self.folder)
            home["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[2])
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kit.disk", "plan.json", *self._arguments],
                cwd=self.folder,
                env=home,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    def comes_up(self) -> bool:
        """Start it, and return whether it is ready; it may be killed before."""
        self.launch()
        assert self.process.stdout is not None
        output = b""
        deadline = time.monotonic() + 3 * PATIENCE
        while READY not in output:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"it neither came up nor died; its log:\n{self.log_end()}"
            piece = os.read(self.process.stdout.fileno(), 65_536)
            if not piece:
                self._reap()
                assert self.fired.exists(), f"it ended by itself; its log:\n{self.log_end()}"
                return False
            output += piece
        return True

    def dies(self, within: float) -> None:
        """Wait until the plan has killed it; help if nothing happens any more."""
        try:
            self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.over.touch()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1.0)
            self.process.kill()  # it was idle
        self._reap()


def begin_with_archive(server: Server, ledger: Ledger) -> None:
    """Start the server, make a second mailbox, and open the book on both."""
    server.start()
    with server.imap() as session:
        assert session.create("Archive")[0] == "OK"
        for mailbox in ("INBOX", "Archive"):
            validity, uid_next = opened(session, mailbox)
            ledger.uid_next[validity] = uid_next


def picture(server: Server, login: str = "ann") -> tuple[Picture, dict[int, int]]:
    """Return all that a client can see, and UIDNEXT of each mailbox; every body is compared with what was sent."""
    seen: Picture = {}
    uid_next: dict[int, int] = {}
    with server.imap(login) as session:
        for name in names(session):
            place, uid_next_here = opened(session, name)
            uid_next[place] = uid_next_here
            seen[place] = {}
            kind, data = session.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")
            assert kind == "OK", data
            for head, body in (item for item in data if isinstance(item, tuple)):
                uid, token, flags = understood(head, body)
                assert body.partition(b"\r\n\r\n")[2] == text_of(token).replace("\n", "\r\n").encode(), (
                    f"the body of {token} (UID {uid}) is not what was sent"
                )
                seen[place][uid] = token, flags
            (exists,) = session.untagged_responses.get("EXISTS", [None])[-1:]
            assert exists is None or int(exists) == len(seen[place])
    return seen, uid_next


def names(session: imaplib.IMAP4) -> list[str]:
    """Return the names of all mailboxes."""
    found = []
    for line in session.list()[1]:
        name = re.fullmatch(rb'\(.*\) "/" ("?)(.*)\1', line)
        assert name, line
        found.append(name[2].decode())
    return found


def opened(session: imaplib.IMAP4, mailbox: str) -> tuple[int, int]:
    """Open a mailbox, and return UIDVALIDITY and UIDNEXT."""
    kind, data = session.select(f'"{mailbox}"')
    assert kind == "OK", data
    validity, uid_next = (int(session.response(code)[1][0]) for code in ("UIDVALIDITY", "UIDNEXT"))
    return validity, uid_next


def understood(head: bytes, body: bytes) -> tuple[int, str, frozenset[str]]:
    """Return UID, name and flags of a message that was fetched."""
    uid, flags = re.search(rb"UID (\d+)", head), re.search(rb"FLAGS \(([^)]*)\)", head)
    subject = re.search(rb"^Subject: (\S+)\r$", body, re.MULTILINE)
    assert uid and flags and subject, (head, body[:200])
    return int(uid[1]), subject[1].decode(), frozenset(flags[1].decode().split()) - {"\\Recent"}


class Clients:
    """
    Two who deliver, one who files what comes into INBOX, one who tidies up in Archive; until the server dies.

    Attributes:
        refused: How often something was refused for now, if they bear that.

    """

    def __init__(
        self, server: Server, ledger: Ledger, chance: random.Random, prefix: str, bear_refusals: bool = False
    ) -> None:
        """Prepare them."""
        self._server = server
        self._ledger = ledger
        self._prefix = prefix
        self._bear_refusals = bear_refusals
        self.refused = 0
        self._answered = threading.Condition()
        self._answers = 0
        self._stop = threading.Event()
        self._problems: list[BaseException] = []
        self._tidy = [random.Random(chance.random()) for _ in range(4)]
        self._threads = [
            threading.Thread(target=self._until_it_dies, args=(work, own))
            for work, own in zip((self._send, self._append, self._file, self._prune), self._tidy, strict=True)
        ]

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Let them work until the server dies or the block ends."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
        if self._problems:
            raise self._problems[0]

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many more commands have been answered, with whatever it was."""
        with self._answered:
            wanted = self._answers + count
            done = self._answered.wait_for(lambda: self._answers >= wanted or bool(self._problems), 3 * PATIENCE)
        assert done, "nothing is answered any more"

    def _was_answered(self, attempt: Attempt | None = None, refused: bool = False) -> None:
        """Take note of an answer; a refusal says that nothing has happened, and is borne or is a mistake."""
        if refused and attempt is not None:
            attempt.refused()
        with self._answered:
            self._answers += 1
            self.refused += refused
            self._answered.notify_all()

    def _is_refused(self, kind: str, data: list[Any]) -> bool:
        """Return whether a command was refused for now; any other refusal is a mistake."""
        refused = self._bear_refusals and kind == "NO" and data[-1].startswith(b"[UNAVAILABLE]")
        assert refused or kind == "OK", data
        return refused

    def _until_it_dies(self, work: Work, chance: random.Random) -> None:
        try:
            work(chance)
        except (OSError, imaplib.IMAP4.abort):
            pass  # it was killed
        except BaseException as problem:
            with self._answered:
                self._problems.append(problem)
                self._answered.notify_all()

    def _send(self, chance: random.Random) -> None:
        with Lmtp(self._server) as lmtp:
            for number in range(10_000):
                if self._stop.is_set():
                    return
                token = f"{self._prefix}-s{number}"
                with self._ledger.attempt({token: added(Copy(self._inbox, None))}) as attempt:
                    try:
                        lmtp.deliver(f"ann@{DOMAIN}", message(token, text_of(token)))
                    except RefusedForNow:
                        if not self._bear_refusals:
                            raise
                        self._was_answered(attempt, refused=True)
                        lmtp.reset()
                    else:
                        attempt.done()
                        self._was_answered()

    def _append(self, chance: random.Random) -> None:
        with self._server.imap() as session:
            for number in range(10_000):
                if self._stop.is_set():
                    return
                token = f"{self._prefix}-a{number}"
                flags = frozenset(chance.sample(FLAGS, chance.randrange(3)))
                with self._ledger.attempt({token: added(Copy(self._inbox, None, flags))}) as attempt:
                    kind, data = session.append("INBOX", f"({' '.join(flags)})", "", message(token, text_of(token)))
                    refused = self._is_refused(kind, data)
                    if not refused:
                        attempt.done()
                    self._was_answered(attempt, refused)

    @property
    def _inbox(self) -> int:
        return min(self._ledger.uid_next)

    @property
    def _archive(self) -> int:
        return max(self._ledger.uid_next)

    def _file(self, chance: random.Random) -> None:
        """In INBOX: flag, unflag, copy, move, expunge, one message or a few at a time."""
        self._work_in("INBOX", self._inbox, "Archive", self._archive, chance)

    def _prune(self, chance: random.Random) -> None:
        """The same in Archive."""
        self._work_in("Archive", self._archive, "INBOX", self._inbox, chance)

    def _work_in(self, mailbox: str, place: int, other: str, target: int, chance: random.Random) -> None:
        with self._server.imap() as session:
            while self._is_refused(*session.select(mailbox)):
                self._was_answered(refused=True)
                if self._stop.is_set():
                    return
            while not self._stop.is_set():
                kind, data = session.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
                self._was_answered(refused=self._is_refused(kind, data))
                here = {}
                for head, body in (item for item in data if isinstance(item, tuple)):
                    uid, token, flags = understood(head, body)
                    self._ledger.saw(token, place, uid)
                    here[uid] = token, flags
                for uids in _handfuls(sorted(here), chance):
                    if self._stop.is_set():
                        return
                    chosen = {uid: here[uid][0] for uid in uids}
                    if len(set(chosen.values())) == len(uids):
                        self._one_thing(session, place, chosen, other, target, chance)

    def _one_thing(
        self,
        session: imaplib.IMAP4,
        place: int,
        chosen: dict[int, str],
        other: str,
        target: int,
        chance: random.Random,
    ) -> None:
        uids = ",".join(map(str, chosen))
        match chance.choices(("flag", "unflag", "copy", "move", "expunge"), (5, 2, 1, 3, 2))[0]:
            case "flag":
                flags = frozenset(chance.sample(FLAGS, 3))
                self._do(
                    session,
                    chosen,
                    lambda uid: flagged(place, uid, flags, frozenset()),
                    "STORE",
                    uids,
                    "+FLAGS",
                    f"({' '.join(flags)})",
                )
            case "unflag":
                flags = frozenset(chance.sample(FLAGS, 15))
                self._do(
                    session,
                    chosen,
                    lambda uid: flagged(place, uid, frozenset(), flags),
                    "STORE",
                    uids,
                    "-FLAGS",
                    f"({' '.join(flags)})",
                )
            case "copy" | "move" as verb:
                self._copy(session, place, chosen, other, target, verb == "move")
            case _:
                deleted = frozenset(("\\Deleted",))
                marked = self._do(
                    session,
                    chosen,
                    lambda uid: flagged(place, uid, deleted, frozenset()),
                    "STORE",
                    uids,
                    "+FLAGS.SILENT",
                    "(\\Deleted)",
                )
                if marked:
                    self._do(session, chosen, lambda uid: gone(place, uid), "EXPUNGE", uids)

    def _do(self, session: imaplib.IMAP4, chosen: dict[int, str], step: Maker, *command: str) -> bool:
        """Return whether it has been done."""
        with self._ledger.attempt({token: step(uid) for uid, token in chosen.items()}) as attempt:
            kind, data = session.uid(*command)
            refused = self._is_refused(kind, data)
            if not refused:
                attempt.done()
            self._was_answered(attempt, refused)
        return not refused

    def _copy(
        self, session: imaplib.IMAP4, place: int, chosen: dict[int, str], other: str, target: int, move: bool
    ) -> None:
        steps = {token: copied(place, uid, target, None, move) for uid, token in chosen.items()}
        with self._ledger.attempt(steps) as attempt:
            kind, data = session.uid("MOVE" if move else "COPY", ",".join(map(str, chosen)), other)
            if self._is_refused(kind, data):
                self._was_answered(attempt, refused=True)
                return
            code = session.response("COPYUID")[1][-1]
            assert code is not None, "the messages had vanished"
            validity, source, new = code.decode().split()
            told = dict(zip(numbers(source), numbers(new), strict=True))
            assert int(validity) == target and told.keys() == chosen.keys()
            for uid, token in chosen.items():
                self._ledger.tell(token, target, told[uid])
            attempt.done({token: copied(place, uid, target, told[uid], move) for uid, token in chosen.items()})
            self._was_answered()


def numbers(text: str) -> list[int]:
    """Return the numbers of a UID set."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found


@dataclass
class Standing:
    """Where a client stood once: what it knew of a mailbox, and up to which mod-sequence."""

    mod_seq: int
    known: dict[int, frozenset[str]]


class Mirror:
    """A client that comes back after each crash and asks what has changed since (RFC 7162 §3.2.5)."""

    def __init__(self) -> None:
        self._stood: dict[int, list[Standing]] = {}

    def comes_back(self, server: Server, seen: Picture, login: str = "ann") -> None:
        """From everywhere it ever stood, what it is told over the wire must make it know what is there."""
        with server.imap(login) as session:
            assert session.enable("QRESYNC")[0] == "OK"
            for name in names(session):
                place, _ = opened(session, name)
                there = {uid: flags for uid, (_, flags) in seen[place].items()}
                stood = self._stood.setdefault(place, [])
                for number, standing in enumerate(stood):
                    known, highest = self._told(session, name, place, standing, some=number % 2 == 1)
                    expected = {uid: there[uid] for uid in there if number % 2 == 0 or uid in standing.known}
                    assert known == expected, f"from {standing.mod_seq} to {highest}"
                    stands = highest
                if not stood:
                    stands = int(session.response("HIGHESTMODSEQ")[1][-1])
                stood.append(Standing(stands, there))

    def _told(
        self, session: imaplib.IMAP4, mailbox: str, place: int, standing: Standing, some: bool
    ) -> tuple[dict[int, frozenset[str]], int]:
        """Return what it knows after coming back, if `some` of what it knew alone, and where it stands then."""
        uids = ",".join(map(str, sorted(standing.known)))
        asked = f"{place} {standing.mod_seq}"
        if some and uids:
            asked += f" {uids} (1:{len(standing.known)} {uids})"
        session.untagged_responses.clear()
        kind, data = session._simple_command("SELECT", f'"{mailbox}" (QRESYNC ({asked}))')
        assert kind == "OK", data
        known = {} if some and not uids else dict(standing.known)
        for vanished in session.response("VANISHED")[1]:
            if vanished is not None:
                earlier, _, gone = vanished.decode().partition(" ")
                assert earlier == "(EARLIER)"
                for uid in numbers(gone):
                    known.pop(uid, None)
        for line in session.response("FETCH")[1]:
            if line is not None and not (some and not uids):
                told = re.fullmatch(rb"\d+ \(UID (\d+) FLAGS \((.*)\) MODSEQ \((\d+)\)\)", line)
                assert told and int(told[3]) > standing.mod_seq, line
                known[int(told[1])] = frozenset(told[2].decode().split())
        return known, int(session.response("HIGHESTMODSEQ")[1][-1])


def _handfuls(uids: list[int], chance: random.Random) -> Iterator[list[int]]:
    """Yield some of them, by one to three, newest first."""
    left = [uid for uid in reversed(uids) if chance.random() < 0.6]
    while left:
        size = chance.choice((1, 1, 1, 2, 3))
        yield sorted(left[:size])
        del left[:size]
