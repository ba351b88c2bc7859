"""One connection as the scripts of a machine see it: what was heard, and how to wait for more. Pure.

Rule 1: what is heard is noted before any script goes on, the same whatever is being waited for (faults F10, F11, F26).
Rule 2: a script is suspended at a `yield`, with the deadline until which it is content; only an event resumes it.
Rule 3: every wait for the server has a limit; what breaks one is a dead connection.
"""

import math
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import chain, islice
from typing import TypeVar

from ..imap.client import (
    ClientConnection,
    ClientEvent,
    Completed,
    ContinuationReceived,
    Eof,
    Greeting,
    ProtocolViolation,
    UntaggedReceived,
)
from ..imap.commands import (
    Attribute,
    BodySection,
    Command,
    Fetch,
    FetchItem,
    GetMetadata,
    Keyword,
    List,
    ListReturn,
    Search,
    Select,
    Simple,
    StatusItem,
)
from ..imap.responses import (
    Condition,
    CopyUid,
    ESearchResponse,
    Exists,
    Fetched,
    ListResponse,
    Metadata,
    Namespaces,
    NumberCode,
    Recent,
    ResponseCode,
    SearchResponse,
    StatusItems,
    StatusResponse,
    UidItem,
    Unknown,
    Untagged,
)
from ..model.ids import UID
from ..model.numbers import STAR, UIDSet
from ..model.search import SearchKey
from .events import (
    Answered,
    Ask,
    Authorized,
    Bound,
    Consult,
    Consulted,
    DeadlineReached,
    Derived,
    Event,
    Handed,
    Heard,
    Lost,
    Output,
    Started,
    StopRequested,
    Upgraded,
    Wanted,
    Warned,
    Woke,
)
from .facts import WHOLE, Gathered
from .ledger import Answer, JournalFailed, Request
from .parts import put_together, sections_of
from .spelling import Spelling
from .trouble import Over, Trouble, good_bye, refused

COMMAND_PATIENCE = 60.0
"""Seconds without a byte from the server while a command runs (fault F06)."""
COMMAND_LIMIT = 600.0
"""Seconds for one command however much comes: a server that drips bytes is no use either."""
DONE_PATIENCE = 15.0
"""Seconds for the end of IDLE: this is the proof of life (faults F05, F06)."""
RULE_PATIENCE = 3700.0
"""Seconds for a rule in Python: more than any is given by the settings, which end it."""
JOURNAL_PATIENCE = 60.0
"""Seconds for the journal: a disk that takes longer is broken."""
STOP_PATIENCE = 0.35
"""Seconds the answer to a command that changes the mailbox is waited for when stopping."""
MAX_VIOLATIONS = 20
"""Responses of a connection that may make no sense before it is given up; each is logged."""
MAX_KEPT = 2000
"""Messages kept from one FETCH, the first, whatever the server sends; the rest is fetched again."""
MAX_MAILBOXES = 100_000
"""Mailboxes of an account that are looked at."""
MAX_FOUND = 1_000_000
"""UIDs taken of what is said to one SEARCH, the first: a range of any size is a few octets."""
MAX_COPIED = 100
"""COPYUID codes kept of one command; a server tells one, or one for each message."""

_ENTRY = re.compile(r"/(?:private|shared)/[A-Za-z0-9._/-]{1,200}", re.IGNORECASE)
"""An entry that can be asked for (RFC 5464 §3.1)."""
_NOT_THERE = frozenset({"\\noselect", "\\nonexistent"})
"""The second one means the first one as well (RFC 9051 §7.3.1)."""

T = TypeVar("T")
Script = Generator[float | None, None, T]
"""Yields the deadline until which it is content to wait; resumed by the next event, whatever it is."""


class Stop(Exception):
    """Somebody wants us to end."""


class Conversation:
    """
    What scripts share. Lives as long as its machine; `begin` forgets a connection.

    Attributes:
        now: Seconds, of the step that is being taken.
        roll: A random number in [0, 1), of the same step.
        out: What is to be done when the step is over.
        connection: The connection, between Connect and Disconnect.
        stop_at: When waiting for anything is over because we are to end; None as long as we are not.
        woke: Whether the machine is to prove now that the server lives: we slept, and the network may be another.
        acting: Whether a command that changes the mailbox may be on its way.
        heard_at: When the server's last byte came, or the connection was begun.
        dirty: Whether there may be news in the selected mailbox.
        hinted_at: When the first hint of that came.
        others: The mailboxes beside the selected one whose STATUS is of interest.
        statuses: What was told of those.
        numbers: What the last SELECT told: UIDVALIDITY and UIDNEXT.
        sends_password: The server offers SCRAM and refused it, and took the password: it is not tried again.
        challenge: The text of the last continuation request.
        bound: The answer to Bind.
        derived: The answer to the last Derive.
        authorized: The answer to Authorize.
        refused_token: The access token that was refused last.
        login_ends: When the login expires; infinite if it does not.
        logged_in_by: The mechanism that was used, or LOGIN; "" as long as none was.
        exists: How many messages are in the selected mailbox, as far as was told.
        copied: The COPYUID codes of the last COPY or MOVE.
        idling: The tag of the IDLE whose end was not seen yet.

    """

    def __init__(self) -> None:
        self.now = 0.0
        self.roll = 0.5
        self.out: list[Output] = []
        self.stop_at: float | None = None
        self.woke = False
        self.pipelines = True
        self.sends_password = False
        self.refused_token = ""
        self.others: frozenset[str] = frozenset()
        self._asked = 0
        self._consulting = 0
        self._consulted: Consulted | None = None
        self._wanted = False
        self._answers: dict[int, Answer] = {}
        self._awaited: set[int] = set()
        self.begin()

    def begin(self) -> None:
        """Forget the last connection."""
        self.connection: ClientConnection | None = None
        self.greeting: StatusResponse | None = None
        self.gone: Over | None = None
        self.upgraded = False
        self.continued = False
        self.challenge = b""
        self.bound: Bound | None = None
        self.derived: Derived | None = None
        self.authorized: Authorized | None = None
        self.login_ends = math.inf
        self.logged_in_by = ""
        self.heard_at = self.now
        self.idling: bytes | None = None
        self.acting = False
        self.woke = False
        self.dirty = False
        self.hinted_at: float | None = None
        self.numbers: dict[str, int] = {}
        self.exists = 0
        self.statuses: dict[str, dict[StatusItem, int | str]] = {}
        self.copied: list[CopyUid] = []
        self.completed: dict[bytes, Completed] = {}
        self._violations = 0
        self._journal_trouble: str | None = None
        self._fetched: dict[UID, Gathered] | None = None
        self.dropped = False
        self._found: list[int] | None = None
        self._listed: list[ListResponse] | None = None
        self._ids: dict[str, str] | None = None
        self._noted: dict[str, bytes | None] | None = None
        self._namespaces: Namespaces | None = None

    @property
    def imap(self) -> ClientConnection:
        """The connection; to be asked for only between Connect and Disconnect."""
        assert self.connection is not None, "only between Connect and Disconnect"
        return self.connection

    def warn(self, text: str) -> None:
        """Tell the user."""
        self.out.append(Warned(text))

    # hearing

    def note(self, event: Event) -> None:
        """Take note of an event before any script goes on."""
        match event:
            case Heard(events):
                self.heard_at = self.now
                for heard in events:
                    self._hear(heard)
            case Upgraded():
                self.upgraded = True
            case Bound():
                self.bound = event
            case Derived():
                self.derived = event
            case Authorized():
                self.authorized = event
            case Lost(reason):
                self.gone = self.gone or Over(Trouble.NET, reason)
            case Answered(number, answer):
                if isinstance(answer, JournalFailed):
                    self._journal_trouble = answer.reason
                elif number in self._awaited:
                    self._answers[number] = answer
            case Wanted(number):
                self._wanted = self._wanted or number == self._consulting
            case Consulted(number=number):
                if number == self._consulting:
                    self._consulted = event
            case StopRequested():
                if self.stop_at is None:
                    self.stop_at = self.now + STOP_PATIENCE
            case Woke():
                self.woke = True
            case Started() | DeadlineReached():
                pass

    def _hear(self, event: ClientEvent) -> None:
        match event:
            case Greeting(response):
                self.greeting = response
                self._hear_status(response)
            case UntaggedReceived(response):
                self._hear_untagged(response)
            case ContinuationReceived(text):
                self.continued = True
                self.challenge = text
            case Completed(tag=tag):
                self.completed[tag] = event
                self._hear_code(event.code)
            case ProtocolViolation(reason, fatal):
                self._violated(reason, fatal)
            case Eof():
                self.gone = self.gone or Over(Trouble.NET, "the server closed the connection")

    def _violated(self, reason: str, fatal: bool) -> None:
        self._violations += 1
        if fatal or self._violations > MAX_VIOLATIONS:
            self.gone = self.gone or Over(Trouble.PROTOCOL, reason)
        else:
            self.warn(f"the server broke the protocol: {reason}")

    def _hear_untagged(self, response: Untagged) -> None:
        match response:
            case Exists(count):
                self.exists = count
                self.hint()
            case Recent():
                self.hint()
            case Fetched():
                self._hear_fetched(response)
            case StatusResponse():
                self._hear_status(response)
            case StatusItems(mailbox, items):
                if mailbox in self.others:
                    self.statuses[mailbox] = dict(items)
                if self._ids is not None and len(self._ids) < MAX_MAILBOXES:
                    self._ids |= {str(id): mailbox for item, id in items if item is StatusItem.MAILBOXID}
            case Namespaces():
                self._namespaces = response
            case Metadata(_, values):
                if self._noted is not None and len(self._noted) < MAX_COPIED:
                    self._noted |= {name.lower(): value for name, value in values}
            case SearchResponse(numbers):
                self._hear_found(numbers)
            case ESearchResponse(by_uid=True, numbers=UIDSet() as uids):  # what IMAP4rev2 alone says (RFC 9051 §7.3.4)
                self._hear_found(chain.from_iterable(range(low, high + 1) for low, high in uids.resolved(0)))
            case ListResponse():
                if self._listed is not None and len(self._listed) < MAX_MAILBOXES:
                    self._listed.append(response)
            case Unknown() if self._fetched is not None:
                # What cannot be read of one message must not keep us from the others (fault F19).
                self._violated("an answer to FETCH that makes no sense", False)
            case _:
                pass

    def _hear_status(self, response: StatusResponse) -> None:
        self._hear_code(response.code)
        if response.condition is Condition.BYE:
            self.gone = self.gone or good_bye(response)

    def _hear_code(self, code: ResponseCode | None) -> None:
        if isinstance(code, NumberCode) and code.name.upper() in ("UIDVALIDITY", "UIDNEXT"):
            self.numbers[code.name.upper()] = code.number
        elif isinstance(code, CopyUid) and len(self.copied) < MAX_COPIED:
            self.copied.append(code)

    def _hear_found(self, numbers: Iterable[int]) -> None:
        if self._found is not None:
            self._found += islice(numbers, MAX_FOUND - len(self._found))

    def _hear_fetched(self, response: Fetched) -> None:
        uid = next((item.uid for item in response.items if isinstance(item, UidItem)), None)
        if self._fetched is None or uid is None:
            self.hint()
            return
        known = self._fetched.get(uid)
        if known is None and len(self._fetched) >= MAX_KEPT:
            self.dropped = True
            last = max(self._fetched)
            if uid > last:
                return
            del self._fetched[last]
        try:
            self._fetched[uid] = (known or Gathered(uid)).with_items(response.items)
        except Exception as error:  # a bug of ours must not cost the messages behind this one (fault F85)
            self._fetched[uid] = known or Gathered(uid)
            self.warn(f"a bug with message {uid}, please report it: {type(error).__name__}: {error}")

    def hint(self) -> None:
        """There may be news in the selected mailbox."""
        if not self.dirty:
            self.dirty = True
            self.hinted_at = self.now

    # waiting

    def check(self) -> None:
        """
        Raise what ends the present connection, if anything does.

        Raises:
            Stop: We are to end, and nothing has to be finished.
            Over: The connection, or the journal, is of no more use.

        """
        if self.stop_at is not None and (not self.acting or self.now >= self.stop_at):
            raise Stop
        if self._journal_trouble is not None:
            reason, self._journal_trouble = self._journal_trouble, None
            raise Over(Trouble.JOURNAL, reason)
        if self.gone is not None:
            raise self.gone

    def wait(self, ready: Callable[[], bool], deadline: Callable[[], float], what: str) -> Script[None]:
        """Wait for something that must come."""
        while not ready():
            limit = deadline()
            if self.now >= limit:
                raise Over(Trouble.NET, f"{what}: no answer in time")
            yield limit if self.stop_at is None else min(limit, self.stop_at)
            self.check()

    def pause(self, until: float, ready: Callable[[], bool] = lambda: False) -> Script[None]:
        """Wait until a time, or for something that may come before."""
        while not ready() and self.now < until:
            yield until
            self.check()

    # the journal

    def ask(self, request: Request) -> Script[Answer]:
        """Ask the journal and wait for the answer."""
        number = self.tell(request)
        self._awaited.add(number)
        limit = self.now + JOURNAL_PATIENCE
        try:
            while number not in self._answers:
                if self.now >= limit:
                    raise Over(Trouble.JOURNAL, "the journal does not answer")
                yield limit
                self.check()
            return self._answers.pop(number)
        finally:
            self._awaited.discard(number)
            self._answers.pop(number, None)

    def tell(self, request: Request) -> int:
        """Ask the journal without waiting: its requests are carried out in order."""
        self._asked += 1
        self.out.append(Ask(self._asked, request))
        return self._asked

    # rules in Python

    def consult(self, mailbox: str, message: Gathered) -> Script[Consulted]:
        """Ask the account's rule about a message, and fetch the message if the rule wants to see it."""
        self._consulting += 1
        self._consulted, self._wanted = None, False
        self.out.append(Consult(self._consulting, mailbox, message))
        limit = self.now + RULE_PATIENCE
        while self._consulted is None:
            if self._wanted:
                self._wanted = False
                whole = yield from self.whole(message.uid)
                self.out.append(Handed(self._consulting, whole))
            elif self.now >= limit:
                return Consulted(self._consulting, None, "the rule does not end")
            else:
                yield limit
                self.check()
        return self._consulted

    # the server

    def whole(self, uid: UID) -> Script[bytes | None]:
        """Return a message itself, its beginning if it is huge (`facts.LARGEST`); None if it cannot be had."""
        fetched = yield from self.fetch(Fetch(UIDSet.of((uid,)), WHOLE))
        return fetched[uid].whole if uid in fetched else None

    def texts(self, uid: UID) -> Script[bytes | None]:
        """Return a message without what is attached to it, or all of it where that is not possible; None as `whole`."""
        fetched = yield from self.fetch(Fetch(UIDSet.of((uid,)), (Attribute.UID, Attribute.BODYSTRUCTURE)))
        structure = fetched[uid].structure if uid in fetched else None
        wanted = None if structure is None else sections_of(structure)
        if structure is not None and wanted is not None:
            items: tuple[FetchItem, ...] = (Attribute.UID, *(BodySection(one, peek=True) for one in wanted))
            fetched = yield from self.fetch(Fetch(UIDSet.of((uid,)), items))
            message = put_together(structure, dict(fetched[uid].sections)) if uid in fetched else None
            if message is not None:
                return message
        return (yield from self.whole(uid))

    def run(self, command: Command) -> Script[Completed]:
        """Send a command and wait for its end."""
        return (yield from self.answer(self.imap.send(command)))

    def answer(self, tag: bytes, patience: float = COMMAND_PATIENCE) -> Script[Completed]:
        """Wait for the end of a command."""
        limit = self.now + COMMAND_LIMIT
        since = self.now
        yield from self.wait(
            lambda: tag in self.completed,
            lambda: min(limit, max(since, self.heard_at) + patience),
            "the server",
        )
        return self.completed.pop(tag)

    def end_idle(self) -> Script[None]:
        """Wait for the end of the IDLE after whose DONE nothing was sent yet."""
        if self.idling is not None:
            tag, self.idling = self.idling, None
            yield from self.answer(tag, DONE_PATIENCE)

    def select(self, mailbox: str, read_only: bool = False) -> Script[Completed]:
        """Select a mailbox; what it tells of its numbers is in `numbers`."""
        self.numbers = {}
        return (yield from self.run(Select(mailbox, read_only=read_only)))

    def fetch(self, command: Fetch) -> Script[dict[UID, Gathered]]:
        """Run a FETCH, right behind the DONE of an IDLE if there is one, and return what it brought."""
        self._fetched, self.dropped = {}, False
        tag = self.imap.send(command)
        done = None
        if self.idling is not None:
            yield from self.end_idle()
            done = yield from self.answer(tag)
            if done.condition is Condition.BAD and self.pipelines:
                self.pipelines = False  # it wants to end IDLE in peace first
                tag = self.imap.send(command)
                done = None
        if done is None:
            done = yield from self.answer(tag)
        fetched, self._fetched = self._fetched, None
        if not done.ok and not fetched:
            raise refused("cannot fetch", done, Trouble.NET)
        return fetched

    def highest_uid(self) -> Script[int]:
        """Return the UID of the last message, 0 if there is none."""
        fetched = yield from self.fetch(Fetch(UIDSet(((STAR, STAR),)), (Attribute.UID,)))
        return max(fetched, default=0)

    def search(self, key: SearchKey) -> Script[tuple[list[int], Completed]]:
        """Run a UID SEARCH and return what it found, and its end."""
        self._found = []
        done = yield from self.run(Search(key, by_uid=True))
        found, self._found = self._found, None
        return found, done

    def note_of(self, mailbox: str | None, name: str) -> Script[tuple[str, ...]]:
        """
        Return an annotation (RFC 5464), nothing if there is none or the server has no such thing.

        Args:
            mailbox: Of which mailbox; None for the server.
            name: The entry, as "/private/comment".

        """
        able = self.imap.has("METADATA") or (mailbox is None and self.imap.has("METADATA-SERVER"))
        if not able or not _ENTRY.fullmatch(name):
            return ()
        self._noted = {}
        yield from self.run(GetMetadata(mailbox or "", (name.lower(),)))
        found, self._noted = self._noted, None
        value = (found or {}).get(name.lower())
        return () if value is None else (value.decode("utf-8", "replace"),)

    def mailbox_ids(self) -> Script[dict[str, str]]:
        """Return the mailboxes by their MAILBOXID (RFC 8474), if the server can tell all of them at once (RFC 5819)."""
        if not (self.imap.has("OBJECTID") and self.imap.has("LIST-STATUS")):
            return {}
        self._ids = {}
        yield from self.run(List("", "*", returns=frozenset(), status=(StatusItem.MAILBOXID,)))
        found, self._ids = self._ids, None
        return found or {}

    def spelling(self) -> Script[Spelling]:
        """Return how the server spells names (RFC 2342), as rules do if it does not say."""
        if not self.imap.has("NAMESPACE"):
            return Spelling()
        yield from self.run(Simple(Keyword.NAMESPACE))
        return Spelling() if self._namespaces is None else Spelling.told(self._namespaces)

    def list_mailboxes(self) -> Script[Sequence[ListResponse]]:
        """Return all mailboxes that can be selected, with their special uses (RFC 6154 §2) if the server tells them."""
        self._listed = []
        told = self.imap.has("SPECIAL-USE") and self.imap.has("LIST-EXTENDED")
        returns = frozenset((ListReturn.SPECIAL_USE,)) if told else None
        done = yield from self.run(List("", "*", returns=returns))
        listed, self._listed = self._listed, None
        if not done.ok:
            raise refused("cannot list mailboxes", done, Trouble.NET)
        return [one for one in listed if _NOT_THERE.isdisjoint(map(str.lower, one.attributes))]
