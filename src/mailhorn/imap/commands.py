"""Every command a client can give, as data: what `grammar.command` parses and writes.

Mailbox names are `str` as people read them (modified UTF-7 undone, INBOX in capitals). A set of numbers
is a UIDSet in a UID command and a SeqSet otherwise, so `isinstance` tells which it was.
"""

from enum import Enum

from msgspec import Struct

from ..model.flags import Flag, Flags
from ..model.ids import ModSeq, UIDValidity
from ..model.numbers import SeqSet, UIDSet
from ..model.search import Returns, SearchKey, SortKey, Source, ThreadAlgorithm

NumSet = SeqSet | UIDSet


class Keyword(Enum):
    """Commands that are one word, any state to any other: the word is the value."""

    CAPABILITY = b"CAPABILITY"
    NOOP = b"NOOP"
    LOGOUT = b"LOGOUT"
    STARTTLS = b"STARTTLS"
    CHECK = b"CHECK"
    CLOSE = b"CLOSE"
    UNSELECT = b"UNSELECT"
    UNAUTHENTICATE = b"UNAUTHENTICATE"
    NAMESPACE = b"NAMESPACE"
    IDLE = b"IDLE"


class Simple(Struct, frozen=True):
    """A command without arguments."""

    keyword: Keyword


class Login(Struct, frozen=True):
    """LOGIN (RFC 9051 §6.2.3)."""

    user: bytes
    password: bytes


class Authenticate(Struct, frozen=True):
    """AUTHENTICATE (RFC 9051 §6.2.2); `initial` is decoded, b"" for `=`, None if not given (SASL-IR)."""

    mechanism: str
    initial: bytes | None = None


class Enable(Struct, frozen=True):
    """ENABLE (RFC 9051 §6.3.1)."""

    capabilities: tuple[str, ...]


class Compress(Struct, frozen=True):
    """COMPRESS DEFLATE (RFC 4978)."""


class Id(Struct, frozen=True):
    """ID (RFC 2971); None is NIL."""

    fields: tuple[tuple[str, str | None], ...] | None


class Resync(Struct, frozen=True):
    """
    QRESYNC in SELECT: where the client stood when it left (RFC 7162 §3.2.5).

    Attributes:
        uid_validity: The mailbox's then.
        mod_seq: How far the client knows what happened.
        known: UIDs it wants to hear of, all if None.
        match: Message numbers and, as many, their UIDs as it knows them: what was expunged below is known to it.

    """

    uid_validity: UIDValidity
    mod_seq: ModSeq
    known: UIDSet | None = None
    match: tuple[SeqSet, UIDSet] | None = None


class Select(Struct, frozen=True):
    """SELECT or EXAMINE (RFC 9051 §6.3.2, §6.3.3), with CONDSTORE and QRESYNC (RFC 7162 §3.1.8, §3.2.5)."""

    mailbox: str
    read_only: bool = False
    condstore: bool = False
    resync: Resync | None = None


class Create(Struct, frozen=True):
    """CREATE (RFC 9051 §6.3.4); `uses` is what it is to be for, None if nothing was said (RFC 6154 §3)."""

    mailbox: str
    uses: tuple[str, ...] | None = None


class Delete(Struct, frozen=True):
    """DELETE (RFC 9051 §6.3.5)."""

    mailbox: str


class Rename(Struct, frozen=True):
    """RENAME (RFC 9051 §6.3.6)."""

    mailbox: str
    new_name: str


class Subscribe(Struct, frozen=True):
    """SUBSCRIBE, or UNSUBSCRIBE when `on` is false (RFC 9051 §6.3.7, §6.3.8)."""

    mailbox: str
    on: bool = True


class ListSelect(Enum):
    """list-select-opt (RFC 9051 §6.3.9.1, §9): which mailboxes are listed."""

    SUBSCRIBED = b"SUBSCRIBED"
    SPECIAL_USE = b"SPECIAL-USE"
    REMOTE = b"REMOTE"
    RECURSIVEMATCH = b"RECURSIVEMATCH"


class ListReturn(Enum):
    """return-option (RFC 9051 §6.3.9.2, §9): what is told of them; STATUS has its items and is not among these."""

    SUBSCRIBED = b"SUBSCRIBED"
    SPECIAL_USE = b"SPECIAL-USE"
    CHILDREN = b"CHILDREN"
    MYRIGHTS = b"MYRIGHTS"


class StatusItem(Enum):
    """status-att (RFC 9051 §9, RFC 3501 §9)."""

    MESSAGES = b"MESSAGES"
    RECENT = b"RECENT"
    UIDNEXT = b"UIDNEXT"
    UIDVALIDITY = b"UIDVALIDITY"
    UNSEEN = b"UNSEEN"
    DELETED = b"DELETED"
    SIZE = b"SIZE"
    HIGHESTMODSEQ = b"HIGHESTMODSEQ"
    APPENDLIMIT = b"APPENDLIMIT"
    MAILBOXID = b"MAILBOXID"
    DELETED_STORAGE = b"DELETED-STORAGE"


class List(Struct, frozen=True):
    """
    LIST, or LSUB (RFC 9051 §6.3.9, RFC 3501 §6.3.9).

    Attributes:
        reference: Stands before each pattern.
        pattern: May hold * and %; a tuple of them if they stood in parentheses.
        subscribed: LSUB; none of the following then.
        select: Selection options, None if there were no parentheses for them.
        returns: Return options, None if there was no RETURN.
        status: What STATUS is to tell of each mailbox (RFC 5819); not without `returns`.
        metadata: Which entries METADATA is to tell of each (RFC 9590); not without `returns`.

    """

    reference: str
    pattern: str | tuple[str, ...]
    subscribed: bool = False
    select: frozenset[ListSelect] | None = None
    returns: frozenset[ListReturn] | None = None
    status: tuple[StatusItem, ...] = ()
    metadata: tuple[str, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """All patterns."""
        return (self.pattern,) if isinstance(self.pattern, str) else self.pattern

    @property
    def extended(self) -> bool:
        """Whether the client speaks LIST-EXTENDED, by any of its three signs (RFC 5258 §3)."""
        return self.select is not None or self.returns is not None or not isinstance(self.pattern, str)


class Status(Struct, frozen=True, cache_hash=True):
    """STATUS (RFC 9051 §6.3.11): what some clients say all the time, so its hash is worth keeping."""

    mailbox: str
    items: tuple[StatusItem, ...]


class GetQuota(Struct, frozen=True):
    """GETQUOTA (RFC 9208 §4.1.1)."""

    root: bytes


class GetQuotaRoot(Struct, frozen=True):
    """GETQUOTAROOT (RFC 9208 §4.1.2)."""

    mailbox: str


class GetMetadata(Struct, frozen=True):
    """
    GETMETADATA (RFC 5464 §4.2).

    Attributes:
        mailbox: "" is the server.
        entries: In lower case.
        max_size: Only values of so many octets at most.
        depth: How far below the entries to look, None: to the end.

    """

    mailbox: str
    entries: tuple[str, ...]
    max_size: int | None = None
    depth: int | None = 0


class SetMetadata(Struct, frozen=True):
    """SETMETADATA (RFC 5464 §4.3): entries in lower case; None takes one away."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


class AclChange(Enum):
    """What SETACL does with the rights it is given (RFC 4314 §3.1)."""

    REPLACE = b""
    ADD = b"+"
    REMOVE = b"-"


class SetAcl(Struct, frozen=True):
    """SETACL (RFC 4314 §3.1)."""

    mailbox: str
    identifier: str
    rights: str
    change: AclChange = AclChange.REPLACE


class DeleteAcl(Struct, frozen=True):
    """DELETEACL (RFC 4314 §3.2)."""

    mailbox: str
    identifier: str


class GetAcl(Struct, frozen=True):
    """GETACL (RFC 4314 §3.3)."""

    mailbox: str


class ListRights(Struct, frozen=True):
    """LISTRIGHTS (RFC 4314 §3.4)."""

    mailbox: str
    identifier: str


class MyRights(Struct, frozen=True):
    """MYRIGHTS (RFC 4314 §3.5)."""

    mailbox: str


class Append(Struct, frozen=True):
    """
    APPEND up to the header of its literal (RFC 9051 §6.3.12).

    Attributes:
        internal_date: Seconds since 1970, UTC; None if not given.
        size: Octets of the literal that follows; its bytes are a stream of their own.
        binary: It is a literal8: there may be NUL in it (RFC 3516 §4.4).
        utf8: It stands in `UTF8 (…)`: the literal, which is a literal8, is followed by `)` (RFC 6855 §4).
        replaces: It is REPLACE or UID REPLACE of this one message (RFC 8508).
        urls: CATENATE: what comes before its first text, or all of it; None if it is no CATENATE (RFC 4469).

    """

    mailbox: str
    flags: Flags
    internal_date: int | None
    size: int
    binary: bool = False
    replaces: NumSet | None = None
    utf8: bool = False
    urls: tuple[bytes, ...] | None = None


class AppendStep(Struct, frozen=True):
    """
    What stands before, between and behind the literals of an APPEND with CATENATE (RFC 4469, RFC 3502).

    Attributes:
        urls: What comes next in the message under way.
        closes: That message, a CATENATE, is whole then. One that is none is whole after its literal.
        whole: Messages behind it that have no text of their own.
        message: The message whose first literal follows.
        size: Octets of the literal that follows, None at the end of the command. It is of `message`; else of the
            message under way.
        binary: It is a literal8.
        utf8: It stands in `UTF8 (…)`.

    """

    urls: tuple[bytes, ...] = ()
    closes: bool = False
    whole: tuple[Append, ...] = ()
    message: Append | None = None
    size: int | None = None
    binary: bool = False
    utf8: bool = False

    @property
    def goes_on(self) -> bool:
        """Whether the literal that follows is of the message under way."""
        return self.size is not None and self.message is None


class Expunge(Struct, frozen=True):
    """EXPUNGE, or UID EXPUNGE when `uids` is given (RFC 9051 §6.4.3, §6.4.9)."""

    uids: UIDSet | None = None


class Search(Struct, frozen=True):
    """
    SEARCH or UID SEARCH (RFC 9051 §6.4.4); the answer holds UIDs when `by_uid`.

    Attributes:
        key: What is looked for.
        by_uid: UID SEARCH.
        charset: What the texts were in, if it was said.
        returns: What is to be told, in an ESEARCH response; None: all, in a SEARCH response.

    """

    key: SearchKey
    by_uid: bool = False
    charset: str | None = None
    returns: Returns | None = None


class Sort(Struct, frozen=True):
    """SORT or UID SORT (RFC 5256 §3); `returns` as in Search (RFC 5267 §3)."""

    order: tuple[SortKey, ...]
    charset: str
    key: SearchKey
    by_uid: bool = False
    returns: Returns | None = None


class FindThreads(Struct, frozen=True):
    """THREAD or UID THREAD (RFC 5256 §3)."""

    algorithm: ThreadAlgorithm
    charset: str
    key: SearchKey
    by_uid: bool = False


class MultiSearch(Struct, frozen=True):
    """ESEARCH, a search of several mailboxes (RFC 7377); no sources: what is selected."""

    key: SearchKey
    sources: tuple[Source, ...] = ()
    returns: Returns | None = None
    charset: str | None = None


class CancelUpdate(Struct, frozen=True):
    """CANCELUPDATE (RFC 5267 §4.3.5)."""

    tags: tuple[bytes, ...]


class Watched(Enum):
    """filter-mailboxes (RFC 5465 §6): which mailboxes a client wants to be told of."""

    SELECTED = "selected"
    SELECTED_DELAYED = "selected-delayed"
    INBOXES = "inboxes"
    PERSONAL = "personal"
    SUBSCRIBED = "subscribed"
    SUBTREE = "subtree"
    MAILBOXES = "mailboxes"


class NotifyEvent(Enum):
    """event-name (RFC 5465 §5, §8): what a client wants to be told."""

    MESSAGE_NEW = "MessageNew"
    MESSAGE_EXPUNGE = "MessageExpunge"
    FLAG_CHANGE = "FlagChange"
    ANNOTATION_CHANGE = "AnnotationChange"
    MAILBOX_NAME = "MailboxName"
    SUBSCRIPTION_CHANGE = "SubscriptionChange"
    MAILBOX_METADATA_CHANGE = "MailboxMetadataChange"
    SERVER_METADATA_CHANGE = "ServerMetadataChange"


class Events(Struct, frozen=True):
    """
    events (RFC 5465 §8); nothing at all is NONE.

    Attributes:
        kinds: What is to be told.
        fetch: What of each new message; only of the selected mailbox.
        others: Events that we do not know, in capitals.

    """

    kinds: frozenset[NotifyEvent] = frozenset()
    fetch: "tuple[FetchItem, ...]" = ()
    others: tuple[str, ...] = ()


class EventGroup(Struct, frozen=True):
    """event-group (RFC 5465 §8): of which mailboxes to tell what; `names` only with SUBTREE and MAILBOXES."""

    watched: Watched
    names: tuple[str, ...]
    events: Events


class Notify(Struct, frozen=True):
    """NOTIFY (RFC 5465 §3.1): SET with its groups, NONE if there are none; `status`: tell first how mailboxes are."""

    groups: tuple[EventGroup, ...] | None
    status: bool = False


class Attribute(Enum):
    """fetch-att without a section (RFC 3501 §9)."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    INTERNALDATE = b"INTERNALDATE"
    RFC822_SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    BODY = b"BODY"
    RFC822 = b"RFC822"
    RFC822_HEADER = b"RFC822.HEADER"
    RFC822_TEXT = b"RFC822.TEXT"
    MODSEQ = b"MODSEQ"
    EMAILID = b"EMAILID"
    THREADID = b"THREADID"
    SAVEDATE = b"SAVEDATE"


class SectionText(Enum):
    """section-text, or the part itself (RFC 9051 §9)."""

    PART = b""
    HEADER = b"HEADER"
    HEADER_FIELDS = b"HEADER.FIELDS"
    HEADER_FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


class Section(Struct, frozen=True):
    """section (RFC 9051 §9): `[]` is Section(); `fields` only with HEADER.FIELDS and HEADER.FIELDS.NOT."""

    part: tuple[int, ...] = ()
    text: SectionText = SectionText.PART
    fields: tuple[bytes, ...] = ()


class BodySection(Struct, frozen=True):
    """BODY[section]<origin.count>, or BODY.PEEK (RFC 9051 §6.4.5)."""

    section: Section
    peek: bool = False
    partial: tuple[int, int] | None = None


class BinarySection(Struct, frozen=True):
    """BINARY[part]<origin.count>, or BINARY.PEEK (RFC 3516 §4.2): a part without its transfer encoding."""

    part: tuple[int, ...] = ()
    peek: bool = False
    partial: tuple[int, int] | None = None


class BinarySize(Struct, frozen=True):
    """BINARY.SIZE[part] (RFC 3516 §4.2)."""

    part: tuple[int, ...] = ()


class Preview(Struct, frozen=True):
    """PREVIEW (RFC 8970 §3.1); `lazy`: only if it costs nothing."""

    lazy: bool = False


FetchItem = Attribute | BodySection | BinarySection | BinarySize | Preview


class Fetch(Struct, frozen=True):
    """
    FETCH or UID FETCH (RFC 9051 §6.4.5); macros are spelled out.

    Attributes:
        numbers: Of which messages.
        items: What of them.
        changed_since: Only of those that changed after this mod-sequence (RFC 7162 §3.1.4.1).
        vanished: Tell those expunged after it, too (RFC 7162 §3.2.6).
        partial: Only of so many of them, from one end; only with UIDs (RFC 9394 §3.3).

    """

    numbers: NumSet
    items: tuple[FetchItem, ...]
    changed_since: ModSeq | None = None
    vanished: bool = False
    partial: tuple[int, int] | None = None


class StoreMode(Enum):
    """What STORE does with the flags it is given."""

    REPLACE = b"FLAGS"
    ADD = b"+FLAGS"
    REMOVE = b"-FLAGS"


class Store(Struct, frozen=True):
    """STORE or UID STORE (RFC 9051 §6.4.6); `unchanged_since`: only if nothing happened after it (RFC 7162 §3.1.3)."""

    numbers: NumSet
    mode: StoreMode
    flags: tuple[Flag, ...]
    silent: bool = False
    unchanged_since: ModSeq | None = None


class Copy(Struct, frozen=True):
    """COPY or UID COPY (RFC 9051 §6.4.7)."""

    numbers: NumSet
    mailbox: str


class Move(Struct, frozen=True):
    """MOVE or UID MOVE (RFC 9051 §6.4.8, RFC 6851)."""

    numbers: NumSet
    mailbox: str


Command = (
    Simple
    | Login
    | Authenticate
    | Enable
    | Compress
    | Id
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | List
    | Status
    | Append
    | Expunge
    | Search
    | Sort
    | FindThreads
    | MultiSearch
    | CancelUpdate
    | Notify
    | Fetch
    | Store
    | Copy
    | Move
    | GetMetadata
    | SetMetadata
    | GetQuota
    | GetQuotaRoot
    | SetAcl
    | DeleteAcl
    | GetAcl
    | ListRights
    | MyRights
)

__all__ = [
    "AclChange",
    "Append",
    "AppendStep",
    "Attribute",
    "Authenticate",
    "BinarySection",
    "BinarySize",
    "BodySection",
    "CancelUpdate",
    "Command",
    "Compress",
    "Copy",
    "Create",
    "Delete",
    "DeleteAcl",
    "Enable",
    "EventGroup",
    "Events",
    "Expunge",
    "Fetch",
    "FetchItem",
    "FindThreads",
    "GetAcl",
    "GetMetadata",
    "GetQuota",
    "GetQuotaRoot",
    "Id",
    "Keyword",
    "List",
    "ListReturn",
    "ListRights",
    "ListSelect",
    "Login",
    "Move",
    "MultiSearch",
    "MyRights",
    "Notify",
    "NotifyEvent",
    "NumSet",
    "Preview",
    "Rename",
    "Resync",
    "Search",
    "Section",
    "SectionText",
    "Select",
    "SetAcl",
    "SetMetadata",
    "Simple",
    "Sort",
    "Status",
    "StatusItem",
    "Store",
    "StoreMode",
    "Subscribe",
    "Watched",
]
