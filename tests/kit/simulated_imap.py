"""A small IMAP server in memory, spoken to in bytes: mailboxes survive, connections do not. No I/O, no clock."""

from dataclasses import dataclass, field

from mailhorn.imap.commands import (
    Attribute,
    Authenticate,
    BodySection,
    Command,
    Copy,
    Create,
    Expunge,
    Fetch,
    GetMetadata,
    Id,
    Keyword,
    List,
    Login,
    Move,
    Search,
    Section,
    SectionText,
    Select,
    Simple,
    Status,
    StatusItem,
    Store,
    StoreMode,
    Subscribe,
)
from mailhorn.imap.framing import NEED_DATA, SERVER_LIMITS, Eof, Frame, Framer, Line, LiteralWanted
from mailhorn.imap.grammar.command import parse_command
from mailhorn.imap.grammar.response import write_response
from mailhorn.imap.responses import (
    BodyItem,
    BodyStructureItem,
    Capabilities,
    Code,
    Condition,
    Continuation,
    CopyUid,
    Exists,
    Expunged,
    Fetched,
    FetchedItem,
    FlagsItem,
    InternalDateItem,
    ListResponse,
    Metadata,
    Namespaces,
    NumberCode,
    Response,
    ResponseCode,
    SearchResponse,
    SizeItem,
    StatusItems,
    StatusResponse,
    Tagged,
    UidItem,
)
from mailhorn.mime.header import header_fields
from mailhorn.mime.packed import part_range
from mailhorn.mime.scan import scan
from mailhorn.mime.structure import body_structure
from mailhorn.model.flags import DELETED
from mailhorn.model.ids import UID, SeqNum, UIDValidity
from mailhorn.model.numbers import NumberSet, UIDSet
from mailhorn.model.search import HeaderKey, InUIDs


@dataclass
class Message:
    """A message in a mailbox."""

    raw: bytes
    date: int
    flags: set[str] = field(default_factory=set)

    def copy(self) -> "Message":
        """Return what a copy of it is in another mailbox."""
        return Message(self.raw, self.date, set(self.flags))


@dataclass
class Box:
    """A mailbox."""

    uid_validity: int
    uid_next: int = 1
    messages: dict[int, Message] = field(default_factory=dict)

    def append(self, message: Message) -> int:
        """Add a message and return its UID."""
        uid, self.uid_next = self.uid_next, self.uid_next + 1
        self.messages[uid] = message
        return uid

    def within(self, numbers: NumberSet) -> list[int]:
        """Return the UIDs of the set that exist."""
        ranges = numbers.resolved(max(self.messages, default=0))
        return sorted(uid for uid in self.messages if any(low <= uid <= high for low, high in ranges))


class Mailboxes:
    """What survives: mailboxes, and what the server can do."""

    def __init__(self, *capabilities: str) -> None:
        self.capabilities = ("IMAP4rev1", *capabilities)
        self.boxes: dict[str, Box] = {"INBOX": Box(1000)}
        self.notes: dict[tuple[str, str], bytes] = {}
        self.password = b"secret"
        self.prefix, self.separator = "", "/"
        self.sessions: list[SimulatedServer] = []

    def create(self, name: str) -> Box:
        """Make a mailbox."""
        self.boxes[name] = Box(1000 + len(self.boxes))
        return self.boxes[name]

    def deliver(self, subject: str, number: int, mailbox: str = "INBOX", came: int = 1_700_000_000) -> int:
        """Put a message into a mailbox, tell those who idle on it, and return its UID."""
        raw = (
            f"Return-Path: <a@example.com>\r\nFrom: a@example.com\r\nTo: ann@example.org\r\nSubject: {subject}\r\n"
            f"Message-ID: <{number}@example.com>\r\n\r\nbody {number}\r\n"
        ).encode()
        return self.put(raw, mailbox, came + number)

    def put(self, raw: bytes, mailbox: str = "INBOX", date: int = 1_700_000_000) -> int:
        """Put any message into a mailbox, tell those who idle on it, and return its UID."""
        uid = self.boxes[mailbox].append(Message(raw, date))
        self.tell()
        return uid

    def tell(self) -> None:
        """Tell those who idle what is new."""
        for session in self.sessions:
            session.tell_idle()


class SimulatedServer:
    """One connection to the mailboxes."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self.mailboxes = mailboxes
        self.torn = False
        """The server dies in the middle of its next MOVE: some messages are copied, none is removed."""
        self.commands: list[Command] = []
        self.closed = False
        self._framer = Framer(SERVER_LIMITS, synchronizing=True)
        self._out = bytearray()
        self._selected: Box | None = None
        self._told: list[int] = []
        self._idle: bytes | None = None
        mailboxes.sessions.append(self)
        self._say(StatusResponse(Condition.OK, None, b"ready"))

    def end(self) -> None:
        """The connection is gone."""
        self.closed = True
        if self in self.mailboxes.sessions:
            self.mailboxes.sessions.remove(self)

    def receive_data(self, data: bytes) -> None:
        """Take bytes and carry out the commands in them."""
        self._framer.receive_data(data)
        while not self.closed:
            event = self._framer.next_event()
            if event is NEED_DATA or isinstance(event, Eof):
                return
            if isinstance(event, LiteralWanted):
                self._say(Continuation(b"go on"))
            elif isinstance(event, Line):
                assert event.data == b"DONE" and self._idle is not None
                self._end(self._idle)
                self._idle = None
            else:
                assert isinstance(event, Frame), event
                tag, command = parse_command(event.data)
                self.commands.append(command)
                self._carry_out(tag, command)

    def data_to_send(self) -> bytes:
        """Return what is to be sent."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def tell_idle(self) -> None:
        """Tell what is new if the client idles."""
        if self._idle is not None:
            self._sync()

    def say(self, response: Response) -> None:
        """Say anything."""
        self._say(response)

    def _say(self, response: Response) -> None:
        self._out += write_response(response)

    def _end(
        self,
        tag: bytes,
        condition: Condition = Condition.OK,
        code: ResponseCode | None = None,
        text: bytes = b"done",
        sync: bool = True,
    ) -> None:
        if sync:
            self._sync()
        self._say(Tagged(tag, condition, code, text))

    def _sync(self) -> None:
        if self._selected is None:
            return
        for i in range(len(self._told), 0, -1):
            if self._told[i - 1] not in self._selected.messages:
                del self._told[i - 1]
                self._say(Expunged(SeqNum(i)))
        new = sorted(uid for uid in self._selected.messages if uid not in set(self._told))
        if new:
            self._told += new
            self._say(Exists(len(self._told)))

    def _carry_out(self, tag: bytes, command: Command) -> None:
        boxes = self.mailboxes.boxes
        match command:
            case Simple(Keyword.CAPABILITY):
                self._say(Capabilities(self.mailboxes.capabilities))
                self._end(tag)
            case Simple(Keyword.IDLE):
                self._framer.expect_line()
                self._idle = tag
                self._sync()
                self._say(Continuation(b"idling"))
            case Simple(Keyword.LOGOUT):
                self._say(StatusResponse(Condition.BYE, None, b"bye"))
                self._end(tag, sync=False)
                self.end()
            case Simple(Keyword.NAMESPACE):
                self._say(Namespaces(((self.mailboxes.prefix, self.mailboxes.separator),), None, None))
                self._end(tag)
            case Simple() | Id() | Subscribe():
                self._end(tag)
            case Login(password=password):
                self._login(tag, password)
            case Authenticate(initial=initial):
                assert initial is not None
                self._login(tag, initial.split(b"\0")[2])
            case GetMetadata(name, entries):
                noted = self.mailboxes.notes
                values = tuple((entry, noted[name, entry]) for entry in entries if (name, entry) in noted)
                if values:
                    self._say(Metadata(name, values))
                self._end(tag)
            case List(status=status):
                for name, box in boxes.items():
                    self._say(ListResponse(("\\Trash",) if name == "Bin" else (), self.mailboxes.separator, name))
                    if status:
                        self._say(StatusItems(name, ((StatusItem.MAILBOXID, f"id{box.uid_validity}"),)))
                self._end(tag)
            case Create(name):
                self.mailboxes.create(name)
                self._end(tag)
            case Status(name, items):
                self._status(tag, name, items, boxes.get(name))
            case Select(name):
                self._select(tag, boxes.get(name))
            case _:
                assert self._selected is not None
                self._in_selected(tag, command, self._selected)

    def _login(self, tag: bytes, password: bytes) -> None:
        if password == self.mailboxes.password:
            self._end(tag)
        else:
            self._end(tag, Condition.NO, Code("AUTHENTICATIONFAILED"), b"no")

    def _select(self, tag: bytes, box: Box | None) -> None:
        self._selected = box
        if box is None:
            self._end(tag, Condition.NO, Code("NONEXISTENT"), b"no such mailbox")
            return
        self._told = sorted(box.messages)
        self._say(Exists(len(self._told)))
        self._say(StatusResponse(Condition.OK, NumberCode("UIDVALIDITY", box.uid_validity), b""))
        self._say(StatusResponse(Condition.OK, NumberCode("UIDNEXT", box.uid_next), b""))
        self._end(tag, code=Code("READ-WRITE"))

    def _status(self, tag: bytes, name: str, items: tuple[StatusItem, ...], box: Box | None) -> None:
        assert box is not self._selected, "the selected mailbox is not asked for its status"
        if box is None:
            self._end(tag, Condition.NO, Code("NONEXISTENT"), b"no such mailbox")
            return
        known = {StatusItem.UIDNEXT: box.uid_next, StatusItem.UIDVALIDITY: box.uid_validity}
        self._say(StatusItems(name, tuple((item, known[item]) for item in items)))
        self._end(tag)

    def _in_selected(self, tag: bytes, command: Command, box: Box) -> None:
        match command:
            case Fetch(numbers, items):
                for uid in box.within(numbers):
                    if uid in self._told:
                        seq = SeqNum(self._told.index(uid) + 1)
                        self._say(Fetched(seq, tuple(_item(uid, box.messages[uid], item) for item in items)))
                self._end(tag)
            case Search(InUIDs(uids)):
                self._say(SearchResponse(tuple(box.within(uids))))
                self._end(tag)
            case Search(HeaderKey(text=text)):
                found = [uid for uid, message in box.messages.items() if text.encode() in message.raw]
                self._say(SearchResponse(tuple(found)))
                self._end(tag)
            case Store(numbers, mode, flags):
                for uid in box.within(numbers):
                    if mode is StoreMode.ADD:
                        box.messages[uid].flags |= set(flags)
                    else:
                        box.messages[uid].flags -= set(flags)
                self._end(tag)
            case Expunge(numbers):
                assert numbers is not None, "a bare EXPUNGE takes what others have deleted"
                for uid in box.within(numbers):
                    if DELETED in box.messages[uid].flags:
                        del box.messages[uid]
                self._end(tag)
            case Copy(numbers, name) | Move(numbers, name):
                self._transfer(tag, box, box.within(numbers), name, isinstance(command, Move))
            case _:
                raise AssertionError(f"the watcher is not expected to say {command}")

    def _transfer(self, tag: bytes, box: Box, uids: list[int], name: str, moves: bool) -> None:
        target = self.mailboxes.boxes.get(name)
        if target is None:
            self._end(tag, Condition.NO, Code("TRYCREATE"), b"no such mailbox")
            return
        if moves and self.torn:
            for uid in uids[: len(uids) // 2 + 1]:
                target.append(box.messages[uid].copy())
            self.end()
            return
        placed = [target.append(box.messages[uid].copy()) for uid in uids]
        code = None
        if uids and "UIDPLUS" in self.mailboxes.capabilities:
            code = CopyUid(UIDValidity(target.uid_validity), UIDSet.of(map(UID, uids)), UIDSet.of(map(UID, placed)))
        if moves:
            for uid in uids:
                del box.messages[uid]
            if code:
                self._say(StatusResponse(Condition.OK, code, b"moved"))
            code = None
        self._end(tag, code=code)
        self.mailboxes.tell()


def _item(uid: int, message: Message, item: Attribute | BodySection) -> FetchedItem:
    match item:
        case Attribute.UID:
            return UidItem(UID(uid))
        case Attribute.FLAGS:
            return FlagsItem(tuple(sorted(message.flags)))
        case Attribute.INTERNALDATE:
            return InternalDateItem(message.date)
        case Attribute.RFC822_SIZE:
            return SizeItem(len(message.raw))
        case Attribute.BODYSTRUCTURE:
            return BodyStructureItem(body_structure(scan(message.raw), message.raw))
        case BodySection(Section(part=(_, *_) as part, text=text) as section):
            span = part_range(scan(message.raw), part, "mime" if text is SectionText.MIME else "body")
            return BodyItem(section, None, None if span is None else message.raw[slice(*span)])
        case BodySection(Section(text=SectionText.PART) as section, partial=(0, count)):
            return BodyItem(section, 0, message.raw[:count])
        case BodySection(Section(text=SectionText.HEADER) as section):
            return BodyItem(section, None, message.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        case BodySection(section):
            head = message.raw.partition(b"\r\n\r\n")[0] + b"\r\n"
            return BodyItem(section, None, header_fields(head, section.fields))
        case _:
            raise AssertionError(f"the watcher is not expected to ask for {item}")
