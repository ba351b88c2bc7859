"""SEARCH, SORT, THREAD, ESEARCH and CANCELUPDATE (RFC 9051 §6.4.4; RFC 4731, 5182, 5256, 5267, 5957, 7377, 9394).

Rule 1: what is looked for is resolved to UIDs, and told as sequence numbers by the view only when the answer is made.
Rule 2: the answer stands for the mailbox as the client knows it: nothing is told of changes before the command ends.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import cast

from msgspec import structs

from ....imap.commands import (
    CancelUpdate,
    Command,
    Copy,
    Expunge,
    Fetch,
    FetchItem,
    FindThreads,
    Move,
    MultiSearch,
    Search,
    Sort,
    Store,
)
from ....imap.grammar.ext.thread import thread_data
from ....imap.grammar.response import write_response
from ....imap.grammar.search import CHARSETS
from ....imap.responses import (
    BadCharset,
    Condition,
    ESearchResponse,
    MessageLimit,
    NoUpdate,
    SearchResponse,
    SortResponse,
    StatusResponse,
)
from ....imap.view import MailboxView
from ....model.ids import UID, MailboxId, ModSeq
from ....model.mailbox import DELIMITER, INBOX, Mailbox
from ....model.numbers import SAVED, NumberSet, SeqSet, UIDSet
from ....model.search import Return, Returns, Source, SourceKind, ThreadAlgorithm, wants_mod_seq
from ....store.abc import MailboxMissing
from .. import messagelimit, sorting, threads
from ..contexts import MAX_SORTED, Context, Contexts
from ..conversation import Conversation
from ..matching import Scope
from ..partial import part_of
from ..ranges import ranges_among, ranges_of, written
from ..reach import Act, of_others
from ..reply import BadArguments, CommandRefused, Reply, ok
from ..searching import Filter, Pace, find
from ..selected import Selected

NOTHING_SAVED = UIDSet(())

NUMBERS = 1_000
"""Numbers looked up or written in one go: half a millisecond."""

WORDS = 2_000
"""Words of THREAD written in one go, some three for each message: a millisecond."""


async def search(conversation: Conversation, command: Search) -> Reply:
    """Answer with what matches now, ascending."""
    selected = conversation.open_mailbox
    returns = command.returns
    if returns is None and conversation.core.dialect.rev2:
        returns = Returns()  # RFC 9051 §6.4.4: ESEARCH always, with ALL where nothing is asked for
    _fresh_tag(conversation, returns)
    scope = _scope(conversation, selected, returns)
    refusal = _refusal(conversation, command)
    if refusal is not None:
        return refusal
    store = conversation.context.store
    found = await find(
        store, selected.mailbox, command.key, scope, conversation.progress, columns=conversation.context.columns
    )
    mod_seq = found.mod_seq or None
    if not wants_mod_seq(command.key):
        mod_seq = None
    if returns is None:
        numbers = await _numbers(selected.view, found.uids, command.by_uid)
        await _tell(conversation, b"SEARCH", numbers, mod_seq)
    else:
        if mod_seq is not None:
            mod_seq = await _told_mod_seq(conversation, selected.mailbox, found.uids, returns, mod_seq)
        await answer(conversation, selected, found.uids, found.uids, returns, command.by_uid, mod_seq)
        if Return.UPDATE in returns.options:
            filter_ = Filter(store, selected.mailbox, command.key, replace(scope, lasting=True))
            context = Context(conversation.core.tag, command.by_uid, filter_, found.uids, fetch=_fetch(returns))
            _keep(conversation, selected, context)
    return ok(b"UID SEARCH completed" if command.by_uid else b"SEARCH completed")


async def sort(conversation: Conversation, command: Sort) -> Reply:
    """Answer with what matches, in the order that is asked for (RFC 5256 §3)."""
    selected = conversation.open_mailbox
    returns = command.returns
    _fresh_tag(conversation, returns)
    scope = _scope(conversation, selected, returns)
    refusal = _refusal(conversation, command)
    if refusal is not None:
        return refusal
    store = conversation.context.store
    found = await find(
        store, selected.mailbox, command.key, scope, conversation.progress, 2, conversation.context.columns
    )
    ordered = await sorting.in_order(
        await sorting.entries(store, selected.mailbox, found.uids, command.order, conversation.progress), command.order
    )
    uids = await sorting.uids_of(ordered)
    mod_seq = (found.mod_seq or None) if wants_mod_seq(command.key) else None
    if returns is None:
        await _tell(conversation, b"SORT", await _numbers(selected.view, uids, command.by_uid), mod_seq)
    else:
        if mod_seq is not None:
            mod_seq = await _told_mod_seq(conversation, selected.mailbox, uids, returns, mod_seq)
        await answer(conversation, selected, uids, found.uids, returns, command.by_uid, mod_seq)
        if Return.UPDATE in returns.options:
            filter_ = Filter(store, selected.mailbox, command.key, replace(scope, lasting=True))
            sorted_ = (command.order, ordered)
            context = Context(
                conversation.core.tag, command.by_uid, filter_, found.uids, sorted_, fetch=_fetch(returns)
            )
            _keep(conversation, selected, context, too_many=len(ordered) > MAX_SORTED)
    if len(ordered) > MAX_SORTED:  # else a search that is kept up to date may have them
        await sorting.forget(ordered)
    return ok(b"UID SORT completed" if command.by_uid else b"SORT completed")


async def thread(conversation: Conversation, command: FindThreads) -> Reply:
    """Answer with what matches, put together as conversations (RFC 5256 §3)."""
    selected = conversation.open_mailbox
    scope = _scope(conversation, selected, None)
    refusal = _refusal(conversation, command)
    if refusal is not None:
        return refusal
    store, by_references = conversation.context.store, command.algorithm is ThreadAlgorithm.REFERENCES
    found = await find(
        store, selected.mailbox, command.key, scope, conversation.progress, 2, conversation.context.columns
    )
    view, by_uid = selected.view, command.by_uid
    made = await threads.conversations(
        store,
        selected.mailbox,
        found.uids,
        by_references,
        lambda uid: uid if by_uid else view.seq_of(uid) or uid,
        conversation.progress,
    )
    await (made.by_references() if by_references else made.by_subject())
    await _tell_threads(conversation, made)
    return ok(b"UID THREAD completed" if command.by_uid else b"THREAD completed")


async def multi_search(conversation: Conversation, command: MultiSearch) -> Reply:
    """Search the selected mailbox, or any others, and answer by UID for each in which something matches (RFC 7377)."""
    selected = conversation.selected
    sources = command.sources or (Source(SourceKind.SELECTED),)
    returns = command.returns or Returns()
    here = all(source.kind is SourceKind.SELECTED for source in sources)
    if selected is None and any(source.kind is SourceKind.SELECTED for source in sources):
        raise BadArguments("No mailbox is selected")
    if Return.SAVE in returns.options and not here:
        raise BadArguments("Only a search of the selected mailbox can be saved")
    if Return.UPDATE in returns.options and selected is None:
        raise BadArguments("No mailbox is selected")
    refusal = _refusal(conversation, command)
    if refusal is not None:
        return refusal
    _fresh_tag(conversation, returns)
    context, core = conversation.context, conversation.core
    saved = NOTHING_SAVED if selected is None else selected.saved
    with_mod_seq = wants_mod_seq(command.key)
    mailboxes = await _in_sources(conversation, sources)
    if conversation.progress is not None:
        conversation.progress.expect(len(mailboxes))
    for number, mailbox in enumerate(mailboxes):
        if conversation.progress is not None:
            conversation.progress.done = number
        at_hand = selected is not None and selected.mailbox == mailbox.id
        try:
            if selected is not None and at_hand:
                view, here_saved = selected.view, saved
            else:
                mod_seq, all_uids = await context.store.index.uids(mailbox.id)
                view, here_saved = MailboxView(all_uids, mod_seq), NOTHING_SAVED
            scope = Scope(view, context.wall_clock(), here_saved)
            limit = context.options.message_limit
            key, lowest = messagelimit.searched(view, command.key, here_saved, conversation, limit)
            if lowest is not None:  # of which mailbox it is the code cannot say
                messagelimit.tell(conversation, MessageLimit(limit))
            found = await find(context.store, mailbox.id, key, scope, columns=context.columns)
        except MailboxMissing:
            continue
        if selected is not None and Return.SAVE in returns.options:
            selected.saved = UIDSet(await ranges_of(to_save(found.uids, found.uids, returns)))
        if found.uids and not (returns.options == {Return.SAVE} and returns.partial is None):
            mod_seq_told = None
            if with_mod_seq:
                mod_seq_told = await _told_mod_seq(conversation, mailbox.id, found.uids, returns, found.mod_seq)
            told = esearch(core.tag, found.uids, returns, UIDSet, mod_seq_told)
            told = structs.replace(told, mailbox=mailbox.name, uid_validity=mailbox.uid_validity)
            await _tell_esearch(conversation, told, found.uids, returns)
        if selected is not None and at_hand and Return.UPDATE in returns.options:
            filter_ = Filter(context.store, mailbox.id, key, replace(scope, lasting=True))
            named = mailbox.name, mailbox.uid_validity
            context_ = Context(
                core.tag, True, filter_, found.uids, mailbox=named, dialect=core.dialect, fetch=_fetch(returns)
            )
            _keep(conversation, selected, context_)
        await conversation.room()
    return ok(b"ESEARCH completed")


def _fetch(returns: Returns) -> tuple[FetchItem, ...]:
    """Return what is to be told of new messages among the results (RFC 5465 §7)."""
    return cast(tuple[FetchItem, ...], returns.fetch)


async def _in_sources(conversation: Conversation, sources: Iterable[Source]) -> list[Mailbox]:
    """Return the mailboxes that exist of those that are to be searched, each once; the selected one first."""
    index, owner = conversation.context.store.index, conversation.owner
    own = await index.mailboxes(owner.id)
    opened = None if conversation.selected is None else conversation.selected.mailbox
    others = await of_others(conversation, Act.SELECT)
    others = [one for one in others if one.may(Act.SEARCH) or one.mailbox.id == opened]
    there = [*own, *(structs.replace(one.mailbox, name=one.name) for one in others)]
    wanted: dict[str, None] = {}
    for source in sources:
        match source.kind:
            case SourceKind.SELECTED:
                mailbox = conversation.open_mailbox.mailbox
                names = [one.name for one in there if one.id == mailbox]
            case SourceKind.INBOXES:
                names = [INBOX]
            case SourceKind.PERSONAL:
                names = [one.name for one in own]
            case SourceKind.SUBSCRIBED:
                names = await index.subscriptions(owner.id)
            case SourceKind.MAILBOXES:
                names = list(source.mailboxes)
            case _:
                names = [one.name for one in there if _is_below(one.name, source)]
        wanted.update(dict.fromkeys(names))
    found = [mailbox for mailbox in there if mailbox.name in wanted]
    if conversation.selected is not None:
        selected = conversation.selected.mailbox
        found.sort(key=lambda mailbox: mailbox.id != selected)
    return found


def _is_below(name: str, source: Source) -> bool:
    """Whether it is one of these mailboxes or below one, by one level only with SUBTREE_ONE."""
    for top in source.mailboxes:
        if name == top:
            return True
        rest = name.removeprefix(top + DELIMITER)
        if rest != name and (source.kind is SourceKind.SUBTREE or DELIMITER not in rest):
            return True
    return False


def _refusal(conversation: Conversation, command: Search | Sort | FindThreads | MultiSearch) -> Reply | None:
    """Return why it is refused, None if it is not: then its client knows of mod-sequences if it asks for one."""
    dialect = conversation.core.dialect
    if dialect.utf8 and not dialect.rev2 and command.charset is not None:
        has_to = isinstance(command, Sort | FindThreads)  # say a charset (RFC 6855 §3 and its erratum 4029)
        if not has_to or command.charset.upper() != "UTF-8":
            raise BadArguments("With UTF8=ACCEPT enabled all text is UTF-8, whatever charset is said")
    refusal = unknown_charset(command.charset)
    if refusal is None and wants_mod_seq(command.key):
        conversation.aware()
    return refusal


def _scope(conversation: Conversation, selected: Selected, returns: Returns | None) -> Scope:
    """Return what a key means now; a search that is to be saved clears `$` until it succeeds (RFC 5182 §2.1)."""
    scope = Scope(selected.view, conversation.context.wall_clock(), selected.saved)
    if returns is not None and Return.SAVE in returns.options:
        selected.saved = NOTHING_SAVED
    return scope


async def spelled_out(conversation: Conversation, command: Command) -> Command:
    """Return the command with the numbers that `$` stands for (RFC 5182 §2.1); it may name none at all."""
    if isinstance(command, Fetch | Store | Copy | Move):
        if command.numbers.ranges != SAVED:
            return command
        selected = conversation.open_mailbox
        if isinstance(command.numbers, UIDSet):
            return structs.replace(command, numbers=selected.saved)
        return structs.replace(command, numbers=SeqSet.of(await _numbers(selected.view, selected.saved, by_uid=False)))
    if isinstance(command, Expunge) and command.uids is not None and command.uids.ranges == SAVED:
        return structs.replace(command, uids=conversation.open_mailbox.saved)
    return command


def unknown_charset(charset: str | None) -> Reply | None:
    """Return the refusal of a charset that is none of ours, with the ones we know."""
    if charset is None or charset.upper() in CHARSETS:
        return None
    return Reply(Condition.NO, BadCharset(tuple(sorted(CHARSETS))), b"There is no such charset here")


async def answer(
    conversation: Conversation,
    selected: Selected,
    uids: Sequence[int],
    ascending: Sequence[int],
    returns: Returns,
    by_uid: bool,
    mod_seq: ModSeq | None,
) -> None:
    """Tell in an ESEARCH response what was asked for, and save what is to be saved; `ascending` has all of the UIDs."""
    if Return.SAVE in returns.options:
        selected.saved = UIDSet(await ranges_of(to_save(uids, ascending, returns)))
        if returns.partial is None and returns.options == {Return.SAVE}:
            return  # nothing else was asked for (RFC 5182 §2.1)
    kind = UIDSet if by_uid else SeqSet
    numbers = await _numbers(selected.view, uids, by_uid)
    told = esearch(conversation.core.tag, numbers, returns, kind, mod_seq)
    await _tell_esearch(conversation, told, numbers, returns)


def esearch(
    tag: bytes, numbers: Sequence[int], returns: Returns, kind: type[SeqSet] | type[UIDSet], mod_seq: ModSeq | None
) -> ESearchResponse:
    """Return what was asked for of a result, but for ALL, in the order asked for (RFC 4731 §3.1, RFC 5267 §3.1)."""
    options = returns.options
    partial: tuple[tuple[int, int], NumberSet | None] | None = None
    if returns.partial is not None:
        part = part_of(numbers, returns.partial)
        partial = returns.partial, kind(tuple(ranges_among(part))) if part else None
    return ESearchResponse(
        tag,
        kind is UIDSet,
        low=numbers[0] if numbers and Return.MIN in options else None,
        high=numbers[-1] if numbers and Return.MAX in options else None,
        count=len(numbers) if Return.COUNT in options else None,
        mod_seq=mod_seq if numbers else None,
        partial=partial,
    )


async def _tell_esearch(
    conversation: Conversation, told: ESearchResponse, numbers: Sequence[int], returns: Returns
) -> None:
    """Send an ESEARCH response, with all results if they are asked for; if they are many, as the client reads."""
    everything = Return.ALL in returns.options or (not returns.options and returns.partial is None)
    ranges = await ranges_of(numbers) if numbers and everything else ()
    if len(ranges) <= NUMBERS:
        kind = UIDSet if told.by_uid else SeqSet
        conversation.core.untagged(structs.replace(told, numbers=kind(ranges)) if ranges else told)
        return
    start = write_response(told, conversation.core.dialect).removesuffix(b"\r\n") + b" ALL "
    first, *others = range(0, len(ranges), NUMBERS)
    start += written(ranges[first : first + NUMBERS])
    await _in_pieces(conversation, start, (b"," + written(ranges[at : at + NUMBERS]) for at in others), b"")


def to_save(numbers: Sequence[int], ascending: Sequence[int], returns: Returns) -> Sequence[int]:
    """Return what `$` becomes, ascending: what is told, or all if that, or its count, or nothing is (RFC 9394 §3.2)."""
    options = returns.options
    if Return.COUNT in options or Return.ALL in options:
        return ascending
    ends = [numbers[at] for option, at in ((Return.MIN, 0), (Return.MAX, -1)) if option in options and numbers]
    if returns.partial is not None:
        return sorted({*ends, *part_of(numbers, returns.partial)})
    return sorted(set(ends)) if options & {Return.MIN, Return.MAX} else ascending


async def _numbers(view: MailboxView, uids: Iterable[int], by_uid: bool) -> Sequence[int]:
    """Return UIDs as they are, or where they stand in the view, without those that do not."""
    every = array("I", uids)
    if by_uid:
        return every
    pace = Pace()
    found = array("I")
    for start in range(0, len(every), NUMBERS):
        some = every[start : start + NUMBERS]
        neighbours = view.side_by_side(some)
        if neighbours is None:
            neighbours = [seq for uid in some if (seq := view.seq_of(UID(uid))) is not None]
        found.extend(neighbours)
        await pace.turn()
    return found


async def _tell(conversation: Conversation, word: bytes, numbers: Sequence[int], mod_seq: ModSeq | None) -> None:
    """Send a SEARCH or SORT response; if it is long, as the client reads."""
    if len(numbers) <= NUMBERS:
        kind = SearchResponse if word == b"SEARCH" else SortResponse
        conversation.core.untagged(kind(tuple(numbers), mod_seq))
        return
    pieces = (
        b"".join([b" %d" % number for number in numbers[start : start + NUMBERS]])
        for start in range(0, len(numbers), NUMBERS)
    )
    await _in_pieces(conversation, b"* " + word, pieces, b"" if mod_seq is None else b" (MODSEQ %d)" % mod_seq)


async def _tell_threads(conversation: Conversation, made: threads.Conversations) -> None:
    """Send a THREAD response; if it is long, as the client reads."""
    words = thread_data(made.roots, made.number, made.below)
    pieces = iter(lambda: b"".join(islice(words, WORDS)), b"")
    await _in_pieces(conversation, b"* THREAD", pieces, b"")


async def _in_pieces(conversation: Conversation, start: bytes, pieces: Iterable[bytes], end: bytes) -> None:
    """Send one response piece by piece; nothing else may be said before its end."""
    pace = Pace()
    conversation.in_literal = True
    conversation.core.raw(start)
    for piece in pieces:
        conversation.core.raw(piece)
        await conversation.room()
        await pace.turn()
    conversation.core.raw(end + b"\r\n")
    conversation.in_literal = False


async def _told_mod_seq(
    conversation: Conversation, mailbox: MailboxId, uids: Sequence[int], returns: Returns, greatest: ModSeq
) -> ModSeq | None:
    """
    Return the greatest mod-sequence of what is told: of the ends alone, if nothing else is (RFC 4731 §3.2).

    Args:
        conversation: Whose search it is.
        mailbox: Where.
        uids: What was found, in the order asked for: that decides which the ends are (RFC 5267 §3.1).
        returns: What is told of it.
        greatest: The mod-sequence of all that was found.

    """
    told = {Return.MIN, Return.MAX} & returns.options
    if not told or returns.partial is not None or {Return.ALL, Return.COUNT} & returns.options or not uids:
        return greatest or None
    ends = sorted({UID(uids[0 if one is Return.MIN else -1]) for one in told})
    rows = await conversation.context.store.index.rows(mailbox, ends)
    return max((row.mod_seq for row in rows), default=None)


async def cancel_update(conversation: Conversation, command: CancelUpdate) -> Reply:
    """Tell no more of what becomes of earlier results (RFC 5267 §4.3.5)."""
    contexts = conversation.open_mailbox.contexts
    known = [contexts is not None and contexts.cancel(tag) for tag in command.tags]
    if contexts is not None and not contexts:
        conversation.open_mailbox.contexts = None
    if not all(known):
        raise CommandRefused("There is no such search", "CLIENTBUG")
    return ok(b"No further updates")


def _fresh_tag(conversation: Conversation, returns: Returns | None) -> None:
    """Refuse to keep up to date two searches of one tag: nobody could tell which is meant (RFC 5267 §4.3)."""
    if returns is not None and Return.UPDATE in returns.options and conversation.selected is not None:
        contexts = conversation.selected.contexts
        if contexts is not None and conversation.core.tag in contexts:
            raise BadArguments("Tag reuse: another search has it that is kept up to date")


def _keep(conversation: Conversation, selected: Selected, context: Context, too_many: bool = False) -> None:
    """Keep a search up to date, or say that it will not be (RFC 5267 §4.3.1)."""
    contexts = selected.contexts or Contexts()
    if contexts.full or too_many:
        code, text = NoUpdate(context.tag), b"Too many results" if too_many else b"Too many contexts"
        conversation.core.untagged(StatusResponse(Condition.NO, code, text))
    else:
        contexts.keep(context)
        selected.contexts = contexts
