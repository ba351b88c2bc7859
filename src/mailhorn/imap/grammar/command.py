"""command: everything a client says, both ways (RFC 9051 §6, §9; RFC 3501 §6).

The tables at the end are the list of what we speak; a command of one word is a Keyword.

Errors: CommandProblem (a SyntaxProblem that knows the tag) → BAD; UnknownCommand, one kind of it → BAD.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from ...model.numbers import SeqSet, UIDSet
from ..commands import (
    Append,
    AppendStep,
    Authenticate,
    CancelUpdate,
    Command,
    Compress,
    Copy,
    Create,
    Delete,
    DeleteAcl,
    Enable,
    Expunge,
    Fetch,
    FindThreads,
    GetAcl,
    GetMetadata,
    GetQuota,
    GetQuotaRoot,
    Id,
    Keyword,
    List,
    ListRights,
    Login,
    Move,
    MultiSearch,
    MyRights,
    Notify,
    NumSet,
    Rename,
    Search,
    Select,
    SetAcl,
    SetMetadata,
    Simple,
    Sort,
    Status,
    Store,
    Subscribe,
)
from .append import parse_append_message, write_append_message
from .atoms import parse_astring, parse_tag, write_astring, write_tag
from .cursor import STRICT, Cursor, Dialect, SyntaxProblem, Writer
from .ext.acl import parse_deleteacl, parse_listrights, parse_setacl, write_acl_entry, write_setacl
from .ext.catenate import parse_append_step, write_append_step
from .ext.compress import parse_compress
from .ext.condstore import (
    parse_fetch_modifiers,
    parse_store_modifiers,
    write_fetch_modifiers,
    write_store_modifiers,
)
from .ext.context import parse_cancel_update, write_cancel_update
from .ext.enable import parse_enable, write_enable
from .ext.esearch import parse_search_return_opts, write_search_return_opts
from .ext.id import parse_id_params_list, write_id_params_list
from .ext.list_extended import parse_list, write_list
from .ext.metadata import parse_get_metadata, parse_set_metadata, write_get_metadata, write_set_metadata
from .ext.move import parse_move, write_move
from .ext.multisearch import parse_multi_search, write_multi_search
from .ext.notify import parse_notify, write_notify
from .ext.qresync import parse_select_params, write_select_params
from .ext.quota import parse_quota_root_name, write_quota_root_name
from .ext.sasl_ir import parse_authenticate, write_authenticate
from .ext.sort import parse_sort, write_sort
from .ext.special_use import parse_create_params, write_create_params
from .ext.thread import parse_thread, write_thread
from .ext.uidplus import parse_uid_expunge, write_uid_expunge
from .fetch import parse_fetch_atts, parse_known_atts, write_fetch_atts
from .mailbox import parse_list_mailbox, parse_mailbox, write_list_mailbox, write_mailbox
from .search import parse_search_program, write_search_program
from .sequence import parse_sequence_set, write_sequence_set
from .status import parse_status_atts, write_status_atts
from .store import parse_store_att_flags, write_store_att_flags

_WORD = re.compile(rb"[A-Za-z0-9\-]{1,32}(?![^ ])")
_KEYWORDS: Final = {keyword.value: Simple(keyword) for keyword in Keyword}
Parsed = TypeVar("Parsed")


class CommandProblem(SyntaxProblem):
    """A command that is not what the grammar allows. `tag` is b"*" if there is none to be seen."""

    def __init__(self, tag: bytes, position: int, expected: str) -> None:
        super().__init__(position, expected)
        self.tag = tag


class UnknownCommand(CommandProblem):
    """A command word we do not know; `word` is it, b"" if none stands there."""

    def __init__(self, tag: bytes, word: bytes, position: int = 0) -> None:
        super().__init__(tag, position, "a command we know")
        self.word = word


class _Unknown(SyntaxProblem):
    """An UnknownCommand on its way to where the tag is known."""

    def __init__(self, position: int, word: bytes) -> None:
        super().__init__(position, "a command we know")
        self.word = word


def parse_command(frame: bytes, dialect: Dialect = STRICT) -> tuple[bytes, Command]:
    """
    command = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF

    RFC 9051 §9. APPEND is not among them: its head goes to `parse_append_head`.

    Args:
        frame: The whole command without its final end of line, literals inside.
        dialect: What the client was allowed.

    Raises:
        UnknownCommand: The word is none we know.
        CommandProblem: Anything else is wrong.

    """
    usual = _USUAL_FETCH.fullmatch(frame)
    if usual is not None:
        tag, uid, number, rest = usual.groups()
        items = parse_known_atts(rest, dialect)
        if items is not None:
            one = ((int(number), int(number)),)
            return tag, Fetch(UIDSet(one) if uid else SeqSet(one), items)
    asked = _USUAL_STATUS.fullmatch(frame)
    if asked is not None:
        status = _known_status(asked[2], dialect)
        if status is not None:
            return asked[1], status
    return _parsed(frame, dialect, _parse_command)


_USUAL_FETCH = re.compile(rb"([A-Za-z0-9.]+) ((?i:UID ))?(?i:FETCH) ([1-9][0-9]{0,8}) ([^\r\n]+)")
"""A FETCH of one message, which is most of what clients say, if there is nothing behind the items."""

_USUAL_STATUS = re.compile(rb"([A-Za-z0-9.]+) (?i:STATUS)( [A-Za-z0-9/._-]{1,100} \([A-Za-z0-9 .-]{1,100}\))")
"""A STATUS, which some clients give once a minute for each mailbox, if the name is plain."""


@lru_cache(maxsize=256)
def _known_status(rest: bytes, dialect: Dialect) -> Status | None:
    """Return what is asked for, None if it has to be parsed to say what is wrong."""
    cur = Cursor(rest, dialect)
    try:
        status = _parse_status(cur)
    except SyntaxProblem:
        return None
    return status if cur.pos == len(rest) else None


def parse_append_head(head: bytes, dialect: Dialect = STRICT) -> tuple[bytes, Append]:
    """
    append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP (literal / literal8)

    RFC 9051 §6.3.12, RFC 3501 §9.

    Args:
        head: The command up to and including `{n}`, without the end of line.
        dialect: What the client was allowed.

    Raises:
        CommandProblem: It is no APPEND, or not a whole head of one.

    """
    return _parsed(head, dialect, _parse_append)


def parse_append_next(head: bytes, first: Append, dialect: Dialect = STRICT) -> Append:
    """
    SP append-message, behind the literal of the one before it (RFC 3502 §6.3.11).

    Args:
        head: What follows that literal, up to and including `{n}`.
        first: The one before it.
        dialect: What the client was allowed.

    Raises:
        SyntaxProblem: It is no such head.

    """
    cur = Cursor(head, dialect)
    cur.space()
    command = parse_append_message(cur, first.mailbox)
    cur.end()
    return command


def write_append_next(command: Append, dialect: Dialect = STRICT) -> bytes:
    """Return what follows the literal of the message before this one; then as after `write_command` of an Append."""
    out = Writer(dialect, command=True)
    write_append_message(out, command)
    return out.data()


def parse_append_steps(frame: bytes, dialect: Dialect = STRICT) -> tuple[bytes, str, NumSet | None, AppendStep]:
    """
    append = "APPEND" SP mailbox 1*(SP append-message), also REPLACE, where a message may be a CATENATE

    RFC 4469 §5, RFC 8508 §3.5: up to the header of the first literal, or to the end if there is none.

    Returns:
        The tag, the mailbox, what is replaced, and the first step.

    Raises:
        CommandProblem: It is no such command.

    """
    found: list[tuple[str, NumSet | None, AppendStep]] = []

    def parse(cur: Cursor, word: bytes) -> AppendStep:
        replaces = _parse_replaces(cur, word)
        mailbox = _argument(cur)
        if cur.pos == len(frame):
            cur.space()
        step = parse_append_step(cur, mailbox, inside=False)
        if replaces is not None and len(step.whole) + (step.message is not None) > 1:
            raise cur.fails("one message to replace another")
        if replaces is not None:
            whole = tuple([replace(message, replaces=replaces) for message in step.whole])
            message = None if step.message is None else replace(step.message, replaces=replaces)
            step = replace(step, whole=whole, message=message)
        found.append((mailbox, replaces, step))
        return step

    tag, step = _parsed(frame, dialect, parse)
    return tag, *found[0]


def parse_append_rest(rest: bytes, mailbox: str, inside: bool, dialect: Dialect = STRICT) -> AppendStep:
    """
    *(SP cat-part) ")" *(SP append-message), behind a literal of an APPEND (RFC 4469 §5)

    Args:
        rest: What follows that literal, up to and including `{n}`, or to the end of the command.
        mailbox: Where to.
        inside: The literal was a text of a CATENATE; else it was a message.
        dialect: What the client was allowed.

    Raises:
        SyntaxProblem: It is nothing of the kind.

    """
    cur = Cursor(rest, dialect)
    step = parse_append_step(cur, mailbox, inside)
    cur.end()
    return step


def write_append_steps(
    tag: bytes, mailbox: str, replaces: NumSet | None, step: AppendStep, dialect: Dialect = STRICT
) -> bytes:
    """Return an APPEND up to its first literal, or to its end."""
    out = Writer(dialect, command=True)
    write_tag(out, tag)
    if replaces is None:
        out.write(b" APPEND")
    else:
        _write_word(out, b"REPLACE", replaces)
    _write_argument(out, mailbox)
    write_append_step(out, step)
    return out.data() if step.size is not None else out.data() + b"\r\n"


def write_append_rest(step: AppendStep, dialect: Dialect = STRICT) -> bytes:
    """Return what follows a literal, up to the next one or to the end."""
    out = Writer(dialect, command=True)
    write_append_step(out, step)
    return out.data() if step.size is not None else out.data() + b"\r\n"


def write_command(tag: bytes, command: Command, dialect: Dialect = STRICT) -> list[bytes]:
    """
    Return a command in segments; after each but the last, wait for the server's `+`.

    The last segment ends the command with CRLF. For an Append it ends with `{n}` and CRLF instead: wait for `+`
    unless it is `{n+}`, then send `size` octets, `)` if it is `utf8`, and CRLF.

    Raises:
        Unwritable: The command has no form on the wire (NUL in a string, a flag that is none …).

    """
    out = Writer(dialect, command=True)
    write_tag(out, tag)
    word, write = _WRITERS[type(command)]
    out.write(word)
    write(out, command)
    if not isinstance(command, Append):
        out.write(b"\r\n")
    return out.segments()


def _parsed(frame: bytes, dialect: Dialect, parse: Callable[[Cursor, bytes], Parsed]) -> tuple[bytes, Parsed]:
    """Parse the tag and what follows, and give every problem its tag."""
    cur = Cursor(frame, dialect)
    tag = b"*"
    try:
        first = parse_tag(cur)
        if cur.pos == len(frame) or cur.at(b" "):
            tag = first
        cur.space()
        word = _WORD.match(frame, cur.pos)
        if word is None:
            raise UnknownCommand(tag, b"", cur.pos)
        cur.pos = word.end()
        command = parse(cur, word[0].upper())
        cur.end()
    except CommandProblem:
        raise
    except _Unknown as unknown:
        raise UnknownCommand(tag, unknown.word, unknown.position) from None
    except SyntaxProblem as problem:
        raise CommandProblem(tag, problem.position, problem.expected) from None
    return tag, command


def _parse_command(cur: Cursor, word: bytes) -> Command:
    """Parse what follows the word."""
    keyword = _KEYWORDS.get(word)
    if keyword is not None:
        return keyword
    parse = PARSERS.get(word)
    if parse is None:
        raise _Unknown(cur.pos - len(word), word)
    return parse(cur)


def _parse_uid(cur: Cursor) -> Command:
    """
    uid = "UID" SP (copy / move / fetch / search / store / uid-expunge)

    RFC 9051 §6.4.9, §9.
    """
    cur.space()
    found = _WORD.match(cur.data, cur.pos)
    if found is None:
        raise cur.fails("a command after UID")
    cur.pos = found.end()
    word = found[0].upper()
    parse = PARSERS_BEHIND_UID.get(word)
    if parse is None:
        raise _Unknown(found.start(), b"UID " + word)
    return parse(cur)


# Single commands. Each reads on behind its word.


def _parse_status(cur: Cursor) -> Status:
    """
    status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"

    RFC 9051 §6.3.11, §9.
    """
    mailbox = _argument(cur)
    cur.space()
    return Status(mailbox, parse_status_atts(cur))


def _write_status(out: Writer, value: Status) -> None:
    _write_argument(out, value.mailbox)
    out.write(b" ")
    write_status_atts(out, value.items)


def _parse_lsub(cur: Cursor) -> List:
    """
    lsub = "LSUB" SP mailbox SP list-mailbox

    RFC 3501 §6.3.9, §9.
    """
    reference = _argument(cur)
    cur.space()
    return List(reference, parse_list_mailbox(cur), subscribed=True)


def _write_list(out: Writer, value: List) -> None:
    if not value.subscribed or not isinstance(value.pattern, str):
        out.write(b" LIST")
        write_list(out, value)
        return
    out.write(b" LSUB")
    _write_argument(out, value.reference)
    out.write(b" ")
    write_list_mailbox(out, value.pattern)


def _parse_create(cur: Cursor) -> Create:
    """
    create = "CREATE" SP mailbox [SP create-params]

    RFC 9051 §6.3.4, §9; RFC 6154 §3.
    """
    mailbox = _argument(cur)
    if not cur.at(b" ("):
        return Create(mailbox)
    cur.space()
    return Create(mailbox, parse_create_params(cur))


def _write_create(out: Writer, value: Create) -> None:
    _write_argument(out, value.mailbox)
    if value.uses is not None:
        write_create_params(out, value.uses)


def _parse_id(cur: Cursor) -> Id:
    cur.space()
    return Id(parse_id_params_list(cur))


def _write_id(out: Writer, value: Id) -> None:
    out.write(b" ")
    write_id_params_list(out, value.fields)


def _write_simple(out: Writer, value: Simple) -> None:
    out.write(b" " + value.keyword.value)


def _write_rename(out: Writer, value: Rename) -> None:
    _write_argument(out, value.mailbox)
    _write_argument(out, value.new_name)


def _write_subscribe(out: Writer, value: Subscribe) -> None:
    out.write(b" SUBSCRIBE" if value.on else b" UNSUBSCRIBE")
    _write_argument(out, value.mailbox)


def _write_mailbox(out: Writer, value: Delete | GetQuotaRoot | GetAcl | MyRights) -> None:
    _write_argument(out, value.mailbox)


def _write_quota(out: Writer, value: GetQuota) -> None:
    write_quota_root_name(out, value.root)


def _write_enable(out: Writer, value: Enable) -> None:
    write_enable(out, value.capabilities)


def _write_compress(out: Writer, value: Compress) -> None:
    out.write(b" DEFLATE")


def _write_cancel_update(out: Writer, value: CancelUpdate) -> None:
    write_cancel_update(out, value.tags)


def _parse_login(cur: Cursor) -> Login:
    """
    login = "LOGIN" SP userid SP password

    RFC 9051 §6.2.3, §9.
    """
    cur.space()
    user = parse_astring(cur)
    cur.space()
    return Login(user, parse_astring(cur))


def _write_login(out: Writer, value: Login) -> None:
    out.write(b" ")
    write_astring(out, value.user)
    out.write(b" ")
    write_astring(out, value.password)


def _parse_select(cur: Cursor, *, read_only: bool) -> Select:
    """
    select = "SELECT" SP mailbox [SP select-params]

    RFC 9051 §6.3.2, §9; RFC 4466 §2.1.
    """
    mailbox = _argument(cur)
    if not cur.at(b" ("):
        return Select(mailbox, read_only)
    cur.space()
    return Select(mailbox, read_only, *parse_select_params(cur))


def _write_select(out: Writer, value: Select) -> None:
    out.write(b" EXAMINE" if value.read_only else b" SELECT")
    _write_argument(out, value.mailbox)
    write_select_params(out, value.condstore, value.resync)


def _parse_fetch(cur: Cursor, kind: type[NumSet]) -> Fetch:
    """
    fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
    [fetch-modifiers]

    RFC 9051 §6.4.5, §9; RFC 4466 §2.4.
    """
    cur.space()
    numbers = parse_sequence_set(cur, kind)
    cur.space()
    items = parse_fetch_atts(cur)
    if not cur.at(b" ("):
        return Fetch(numbers, items)
    cur.space()
    return Fetch(numbers, items, *parse_fetch_modifiers(cur, by_uid=kind is UIDSet))


def _write_fetch(out: Writer, value: Fetch) -> None:
    _write_word(out, b"FETCH", value.numbers)
    out.write(b" ")
    write_fetch_atts(out, value.items)
    write_fetch_modifiers(out, value.changed_since, value.vanished, value.partial)


def _parse_store(cur: Cursor, kind: type[NumSet]) -> Store:
    """
    store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags

    RFC 9051 §6.4.6, §9; RFC 4466 §2.5.
    """
    cur.space()
    numbers = parse_sequence_set(cur, kind)
    cur.space()
    unchanged_since = None
    if cur.at(b"("):
        unchanged_since = parse_store_modifiers(cur)
        cur.space()
    mode, silent, flags = parse_store_att_flags(cur)
    return Store(numbers, mode, flags, silent, unchanged_since)


def _write_store(out: Writer, value: Store) -> None:
    _write_word(out, b"STORE", value.numbers)
    out.write(b" ")
    if value.unchanged_since is not None:
        write_store_modifiers(out, value.unchanged_since)
        out.write(b" ")
    write_store_att_flags(out, value.mode, value.silent, value.flags)


def _parse_copy(cur: Cursor, kind: type[NumSet]) -> Copy:
    """
    copy = "COPY" SP sequence-set SP mailbox

    RFC 9051 §6.4.7, §9.
    """
    cur.space()
    numbers = parse_sequence_set(cur, kind)
    return Copy(numbers, _argument(cur))


def _write_copy(out: Writer, value: Copy) -> None:
    _write_word(out, b"COPY", value.numbers)
    _write_argument(out, value.mailbox)


def _write_move(out: Writer, value: Move) -> None:
    out.write(b" UID MOVE" if isinstance(value.numbers, UIDSet) else b" MOVE")
    write_move(out, value)


def _write_expunge(out: Writer, value: Expunge) -> None:
    if value.uids is None:
        out.write(b" EXPUNGE")
    else:
        out.write(b" UID EXPUNGE")
        write_uid_expunge(out, value.uids)


def _parse_search(cur: Cursor, *, by_uid: bool) -> Search:
    """
    search = "SEARCH" [search-return-opts] SP search-program

    RFC 9051 §6.4.4, §9.
    """
    returns = parse_search_return_opts(cur)
    cur.space()
    key, charset = parse_search_program(cur)
    return Search(key, by_uid, charset, returns)


def _write_search(out: Writer, value: Search) -> None:
    out.write(b" UID SEARCH" if value.by_uid else b" SEARCH")
    if value.returns is not None:
        write_search_return_opts(out, value.returns)
    out.write(b" ")
    write_search_program(out, value.key, value.charset)


def _refuse_append(cur: Cursor, word: bytes) -> Append:
    """Tell what is wrong with an APPEND that comes as a whole; if nothing is, nobody wanted to stream it."""
    start = cur.pos
    _parse_append(cur, word)
    cur.pos = start
    raise cur.fails("an APPEND whose literal is streamed")


def _refuse_uid_replace(cur: Cursor) -> Append:
    raise cur.fails("a REPLACE whose literal is streamed")


def _parse_append(cur: Cursor, word: bytes) -> Append:
    replaces = _parse_replaces(cur, word)
    mailbox = _argument(cur)
    cur.space()
    command = parse_append_message(cur, mailbox)
    return command if replaces is None else replace(command, replaces=replaces)


def _parse_replaces(cur: Cursor, word: bytes) -> NumSet | None:
    """Parse what is replaced, if it is REPLACE or UID REPLACE."""
    if word == b"UID":
        cur.space()
        return _parse_replaced(cur, cur.need(_WORD, "REPLACE")[0].upper(), UIDSet)
    return None if word == b"APPEND" else _parse_replaced(cur, word, SeqSet)


def _parse_replaced(cur: Cursor, word: bytes, kind: type[NumSet]) -> NumSet:
    """
    replace = "REPLACE" SP seq-number SP mailbox append-message

    RFC 8508 §3.5: one message.
    """
    if word != b"REPLACE":
        raise cur.fails("APPEND or REPLACE")
    cur.space()
    start = cur.pos
    numbers = parse_sequence_set(cur, kind)
    if len(numbers.ranges) != 1 or numbers.ranges[0][0] != numbers.ranges[0][1]:
        raise SyntaxProblem(start, "the number of one message")
    return numbers


def _write_append(out: Writer, command: Append) -> None:
    if command.replaces is None:
        out.write(b" APPEND")
    else:
        _write_word(out, b"REPLACE", command.replaces)
    _write_argument(out, command.mailbox)
    write_append_message(out, command)


def _argument(cur: Cursor) -> str:
    """
    SP mailbox

    RFC 9051 §9, in most commands.
    """
    cur.space()
    return parse_mailbox(cur)


def _write_argument(out: Writer, mailbox: str) -> None:
    out.write(b" ")
    write_mailbox(out, mailbox)


def _write_word(out: Writer, word: bytes, numbers: NumSet) -> None:
    out.write((b" UID " if isinstance(numbers, UIDSet) else b" ") + word + b" ")
    write_sequence_set(out, numbers)


# The list of what we speak.

PARSERS: Final[dict[bytes, Callable[[Cursor], Command]]] = {
    b"FETCH": lambda cur: _parse_fetch(cur, SeqSet),
    b"UID": _parse_uid,
    b"SELECT": lambda cur: _parse_select(cur, read_only=False),
    b"EXAMINE": lambda cur: _parse_select(cur, read_only=True),
    b"STATUS": _parse_status,
    b"STORE": lambda cur: _parse_store(cur, SeqSet),
    b"SEARCH": lambda cur: _parse_search(cur, by_uid=False),
    b"SORT": lambda cur: parse_sort(cur, by_uid=False),
    b"THREAD": lambda cur: parse_thread(cur, by_uid=False),
    b"ESEARCH": parse_multi_search,
    b"CANCELUPDATE": lambda cur: CancelUpdate(parse_cancel_update(cur)),
    b"NOTIFY": parse_notify,
    b"EXPUNGE": lambda cur: Expunge(),
    b"COPY": lambda cur: _parse_copy(cur, SeqSet),
    b"MOVE": lambda cur: parse_move(cur, SeqSet),
    b"LIST": parse_list,
    b"LSUB": _parse_lsub,
    b"LOGIN": _parse_login,
    b"AUTHENTICATE": parse_authenticate,
    b"CREATE": _parse_create,
    b"DELETE": lambda cur: Delete(_argument(cur)),
    b"RENAME": lambda cur: Rename(_argument(cur), _argument(cur)),
    b"SUBSCRIBE": lambda cur: Subscribe(_argument(cur)),
    b"UNSUBSCRIBE": lambda cur: Subscribe(_argument(cur), on=False),
    b"GETMETADATA": parse_get_metadata,
    b"SETMETADATA": parse_set_metadata,
    b"GETQUOTA": lambda cur: GetQuota(parse_quota_root_name(cur)),
    b"GETQUOTAROOT": lambda cur: GetQuotaRoot(_argument(cur)),
    b"SETACL": parse_setacl,
    b"DELETEACL": parse_deleteacl,
    b"GETACL": lambda cur: GetAcl(_argument(cur)),
    b"LISTRIGHTS": parse_listrights,
    b"MYRIGHTS": lambda cur: MyRights(_argument(cur)),
    b"ENABLE": lambda cur: Enable(parse_enable(cur)),
    b"COMPRESS": parse_compress,
    b"ID": _parse_id,
    b"APPEND": lambda cur: _refuse_append(cur, b"APPEND"),
    b"REPLACE": lambda cur: _refuse_append(cur, b"REPLACE"),
}
"""How to read on behind the word of each command that is more than its word."""

PARSERS_BEHIND_UID: Final[dict[bytes, Callable[[Cursor], Command]]] = {
    b"FETCH": lambda cur: _parse_fetch(cur, UIDSet),
    b"STORE": lambda cur: _parse_store(cur, UIDSet),
    b"SEARCH": lambda cur: _parse_search(cur, by_uid=True),
    b"SORT": lambda cur: parse_sort(cur, by_uid=True),
    b"THREAD": lambda cur: parse_thread(cur, by_uid=True),
    b"COPY": lambda cur: _parse_copy(cur, UIDSet),
    b"MOVE": lambda cur: parse_move(cur, UIDSet),
    b"EXPUNGE": parse_uid_expunge,
    b"REPLACE": _refuse_uid_replace,
}
"""The same for what may stand behind UID."""

_WRITERS: Final[dict[type[Command], tuple[bytes, Callable[[Writer, Any], None]]]] = {
    Simple: (b"", _write_simple),
    Fetch: (b"", _write_fetch),
    Select: (b"", _write_select),
    Status: (b" STATUS", _write_status),
    Store: (b"", _write_store),
    Search: (b"", _write_search),
    Sort: (b"", write_sort),
    FindThreads: (b"", write_thread),
    MultiSearch: (b"", write_multi_search),
    CancelUpdate: (b" CANCELUPDATE", _write_cancel_update),
    Notify: (b" NOTIFY", write_notify),
    Expunge: (b"", _write_expunge),
    Copy: (b"", _write_copy),
    Move: (b"", _write_move),
    List: (b"", _write_list),
    Login: (b" LOGIN", _write_login),
    Authenticate: (b" AUTHENTICATE", write_authenticate),
    Create: (b" CREATE", _write_create),
    Delete: (b" DELETE", _write_mailbox),
    Rename: (b" RENAME", _write_rename),
    Subscribe: (b"", _write_subscribe),
    GetMetadata: (b" GETMETADATA", write_get_metadata),
    SetMetadata: (b" SETMETADATA", write_set_metadata),
    GetQuota: (b" GETQUOTA", _write_quota),
    GetQuotaRoot: (b" GETQUOTAROOT", _write_mailbox),
    SetAcl: (b" SETACL", write_setacl),
    DeleteAcl: (b" DELETEACL", write_acl_entry),
    GetAcl: (b" GETACL", _write_mailbox),
    ListRights: (b" LISTRIGHTS", write_acl_entry),
    MyRights: (b" MYRIGHTS", _write_mailbox),
    Enable: (b" ENABLE", _write_enable),
    Compress: (b" COMPRESS", _write_compress),
    Id: (b" ID", _write_id),
    Append: (b"", _write_append),
}
"""The word of each command with the space before it, empty if it depends, and what writes the rest."""
