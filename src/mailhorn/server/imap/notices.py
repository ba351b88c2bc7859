"""What one session asked to be told by NOTIFY, and what of it has not been told yet (RFC 5465).

Rule 1: a session keeps what it asked for, where each mailbox stood when it was told last if it has gone on since, and
which picture of all mailboxes it knows; what to say is worked out from there when it can be said. So what happens ten
thousand times to a client that does not read is told once, and takes no more room. Rule 2: of what the session itself
did nothing is told, unless somebody has changed it since. Rule 3: when it cannot be told any more, that is told.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ...imap.commands import EventGroup, FetchItem, NotifyEvent, StatusItem, Watched
from ...imap.grammar.ext.children import child_mbox_flag
from ...imap.responses import ListResponse, Metadata, StatusItems, Untagged
from ...model.ids import UID, MailboxId
from ...model.mailbox import DELIMITER, INBOX, Mailbox
from .survey import Picture, Survey

MAX_ENTRIES = 1_000
"""Names of METADATA entries that wait to be told to a session; with more, NOTIFICATIONOVERFLOW."""

SLICE = 100
"""Mailboxes of which is told in one go: a quarter of a millisecond."""

MESSAGES = frozenset((NotifyEvent.MESSAGE_NEW, NotifyEvent.MESSAGE_EXPUNGE))
_NEVER: frozenset[NotifyEvent] = frozenset()
_SELECTED = (Watched.SELECTED, Watched.SELECTED_DELAYED)


class Overflow(Exception):
    """It is too much. Answer NOTIFICATIONOVERFLOW."""


class Behind(NamedTuple):
    """A mailbox that has gone on: where it stood when it was told last (None: say all), and how often it went on."""

    stood: Mailbox | None
    steps: int


class Notices:
    """
    What NOTIFY has set for one session.

    Attributes:
        survey: The account's mailboxes; None if nothing is to be told but of the selected mailbox, if anything.
        events: What to tell of the selected mailbox.
        fetch: What to tell of each of its new messages.
        delayed: Its EXPUNGEs wait for a command that allows them.
        selected: Which it is; of that the client is not told by STATUS.
        made: UIDs that the session itself has put into it.

    """

    __slots__ = (
        "_behind",
        "_entries",
        "_groups",
        "_mine",
        "_overflow",
        "_subscribed",
        "_told",
        "delayed",
        "events",
        "fetch",
        "made",
        "selected",
        "survey",
    )

    def __init__(self, groups: Iterable[EventGroup], survey: Survey | None, before: "Notices | None" = None) -> None:
        """
        Begin.

        Args:
            groups: What to tell.
            survey: Joined by the session; None if no other mailboxes are asked for.
            before: What was set before: what it has not told yet is told by this one, if it is asked for.

        """
        self._groups = tuple([group for group in groups if group.watched not in _SELECTED and group.events.kinds])
        self.survey = survey
        self.events = _NEVER
        self.fetch: tuple[FetchItem, ...] = ()
        self.delayed = False
        for group in groups:
            if group.watched in _SELECTED:
                self.events, self.fetch = group.events.kinds, group.events.fetch
                self.delayed = group.watched is Watched.SELECTED_DELAYED
        self.selected: MailboxId | None = None
        self.made: set[UID] = set()
        self._behind: dict[MailboxId, Behind] = {}
        self._entries: dict[str, set[str]] = {}
        self._mine: dict[str, bool] = {}
        self._subscribed: dict[str, bool] = {}
        self._overflow = False
        self._told: Picture | None = None
        if before is not None and before.survey is survey is not None:
            self._behind, self._entries, self._told = before._behind, before._entries, before._told

    @property
    def pending(self) -> bool:
        """Whether something may have to be told of other mailboxes than the selected one."""
        survey = self.survey
        if survey is None:
            return False
        behind = self._behind or self._entries or self._overflow
        return bool(behind) or survey.unsettled or self._told is not survey.picture

    # what happens

    def noticed(self, stood: Mailbox, exact: bool) -> None:
        """Take note that a mailbox has gone on from there; `exact`: that is how it was indeed."""
        if stood.id == self.selected:
            return
        behind = self._behind.get(stood.id)
        if behind is not None:
            self._behind[stood.id] = Behind(behind.stood, behind.steps + 1)
        elif not MESSAGES.isdisjoint(self.wanted(stood.name)):
            self._behind[stood.id] = Behind(stood if exact else None, 1)

    def noted(self, mailbox: Mailbox | None, entries: tuple[str, ...]) -> None:
        """Take note that entries of METADATA are others now."""
        if mailbox is None:
            wanted = any(NotifyEvent.SERVER_METADATA_CHANGE in group.events.kinds for group in self._groups)
        else:
            wanted = NotifyEvent.MAILBOX_METADATA_CHANGE in self.wanted(mailbox.name)
        if wanted:
            self._entries.setdefault("" if mailbox is None else mailbox.name, set()).update(entries)
            if sum(map(len, self._entries.values())) > MAX_ENTRIES:
                self._entries, self._overflow = {}, True

    # what the session itself does

    def wrote(self, mailbox: MailboxId, uids: Iterable[UID]) -> None:
        """Take note that the session put messages there: if nothing else happened to it, nothing is told."""
        if mailbox == self.selected:
            self.made.update(uids)
            return
        behind = self._behind.get(mailbox)
        if behind is not None and behind.steps == 1 and behind.stood is not None:
            del self._behind[mailbox]

    def named(self, names: Iterable[tuple[str, bool]]) -> None:
        """Take note that by the session's doing there is a mailbox of such a name, or not any more."""
        if self.survey is not None:
            self._mine.update(names)

    def subscribed(self, name: str, on: bool) -> None:
        """Take note that the session has subscribed to a name, or ended it."""
        if self.survey is not None:
            self._subscribed[name] = on

    def opened(self, mailbox: MailboxId) -> None:
        """Take note that the mailbox is selected: the client is told of it otherwise."""
        self.selected = mailbox
        self._behind.pop(mailbox, None)

    def left(self, up_to_date: bool) -> None:
        """Take note that no mailbox is selected; if the client was not told all of it, say how it is."""
        if self.selected is not None and not up_to_date and self.survey is not None:
            row = self.survey.rows.get(self.selected)
            if row is not None and not MESSAGES.isdisjoint(self.wanted(row.name)):
                self._behind[row.id] = Behind(None, 1)
        self.selected = None
        self.made.clear()

    # what to tell

    def wanted(self, name: str, *before: Picture) -> frozenset[NotifyEvent]:
        """Return what is to be told of a mailbox of that name; `before`: it is enough if it was watched then."""
        survey = self.survey
        if survey is None or name in survey.picture.closed:  # all of it takes the rights l and r (RFC 5465 §5)
            return _NEVER
        wanted = _NEVER
        for group in self._groups:
            if group.events.kinds <= wanted:
                continue
            if any(_watches(group, name, picture, survey.others) for picture in (*before, survey.picture)):
                wanted |= group.events.kinds
        return wanted

    def _watched(self, name: str, *pictures: Picture) -> bool:
        others = "" if self.survey is None else self.survey.others
        return any(_watches(group, name, picture, others) for group in self._groups for picture in pictures)

    def begin(self) -> None:
        """Take all that there is for known: the session has just asked to be told from now on."""
        if self.survey is not None and self._told is None:
            self._told = self.survey.picture
            self._behind.clear()

    @property
    def needs_survey(self) -> bool:
        """Whether something is to be told of other mailboxes than the selected one."""
        return bool(self._groups)

    def watched_names(self) -> list[str]:
        """Return the mailboxes of whose messages is to be told, but for the selected one; INBOX first."""
        picture = Picture() if self.survey is None else self.survey.picture
        names = [name for name in picture.names if not MESSAGES.isdisjoint(self.wanted(name))]
        return sorted(names, key=lambda name: (name != INBOX, name))

    async def statuses(self, names: Iterable[str], mod_seqs: bool) -> list[Untagged]:
        """Return STATUS of mailboxes that are not selected (RFC 5465 §3.1). Raises StoreUnavailable."""
        survey, found = self.survey, list[Untagged]()
        if survey is None:
            return found
        for name in names:
            mailbox = survey.picture.names.get(name)
            if mailbox is None or mailbox == self.selected:
                continue
            flags = NotifyEvent.FLAG_CHANGE in self.wanted(name)
            row = await survey.row(mailbox, flags)
            if row is not None:
                self._behind.pop(mailbox, None)
                found.append(_whole(row, flags, mod_seqs or flags))
        return found

    def inaccessible(self) -> list[Untagged]:
        """Return LIST of the mailboxes that are watched and may not be read (RFC 5465 §3.1)."""
        if self.survey is None:
            return []
        picture = self.survey.picture
        return [_listed(picture, name) for name in sorted(picture.closed) if self._watched(name, picture)]

    async def next(self, mod_seqs: bool) -> list[Untagged]:
        """
        Return some of what is to be told; all of it has been when nothing is `pending`.

        Args:
            mod_seqs: Whether the client knows mod-sequences.

        Raises StoreUnavailable, Overflow, `survey.TooMany`.
        """
        survey = self.survey
        if survey is None:
            return []
        await survey.look()
        if self._overflow:
            raise Overflow
        found = list(self._renaming(survey.picture))
        for mailbox in list(self._behind)[:SLICE]:
            stood = survey.rows.get(mailbox)
            wanted = _NEVER if stood is None else self.wanted(stood.name)
            flags = NotifyEvent.FLAG_CHANGE in wanted
            row = None if MESSAGES.isdisjoint(wanted) else await survey.row(mailbox, flags)
            if row is not None and not await survey.may_read(row):
                row = None
            behind = self._behind.pop(mailbox, None)
            if row is not None and behind is not None and mailbox != self.selected:
                found.extend(_status(row, behind.stood, flags, mod_seqs))
        entries, self._entries = self._entries, {}
        found.extend(Metadata(name, changed=tuple(sorted(changed))) for name, changed in entries.items())
        return found

    def _renaming(self, picture: Picture) -> Iterator[Untagged]:
        """Yield LIST of the names that are others now, and see to it that STATUS tells of what they mean."""
        before, self._told = self._told, picture
        mine, self._mine = self._mine, {}
        subscribed, self._subscribed = self._subscribed, {}
        if before is None or (before is picture and not mine and not subscribed):
            return
        was = {mailbox: name for name, mailbox in before.names.items()}
        now = {mailbox: name for name, mailbox in picture.names.items()}
        renamed: dict[str, str] = {}
        affected: set[str] = set()
        for mailbox, name in now.items():
            old = was.get(mailbox)
            if old == name:
                continue
            if old is None and name in picture.inboxes:
                old = INBOX
            if _is_ours(old, name, mine):
                continue
            self._tell_all_of(mailbox, name)
            if old is None:
                affected.update((name, _parent(name)))
            else:
                renamed[name] = old
        for mailbox, name in was.items():
            if mailbox not in now and name not in picture.names and mine.get(name) is not False:
                affected.update((name, _parent(name)))
        undone = [name for name, exists in mine.items() if exists and name not in picture.names]
        affected.update(name for name in undone if not picture.has_children(name))
        wants = NotifyEvent.MAILBOX_NAME
        tell: dict[str, str | None] = {name: None for name in affected if name and wants in self.wanted(name, before)}
        told = {
            name: old
            for name, old in renamed.items()
            if wants in self.wanted(name, before) or wants in self.wanted(old, before)
        }
        tell.update((name, old) for name, old in told.items() if not _is_below(name, old, told))
        for name in before.subscribed ^ picture.subscribed:
            if subscribed.get(name) is (name in picture.subscribed):
                continue
            if NotifyEvent.SUBSCRIPTION_CHANGE in self.wanted(name, before):
                tell.setdefault(name, None)
            if name in picture.names:
                self._tell_all_of(picture.names[name], name)
        for name in before.closed ^ picture.closed:
            if self._watched(name, before, picture):
                tell.setdefault(name, None)
            if name in picture.names and name not in picture.closed:
                self._tell_all_of(picture.names[name], name)
        for name in sorted(tell):
            yield _listed(picture, name, tell[name])

    def _tell_all_of(self, mailbox: MailboxId, name: str) -> None:
        """See to it that STATUS tells how a mailbox is that the client has not been told of by this name."""
        if mailbox != self.selected and not MESSAGES.isdisjoint(self.wanted(name)):
            self._behind[mailbox] = Behind(None, 1)


def _is_ours(old: str | None, name: str, mine: Mapping[str, bool]) -> bool:
    """Say whether it is the session itself that has made a mailbox, or renamed one or one above it."""
    if old is None or mine.get(name):
        return mine.get(name, False)
    for top, exists in mine.items():
        rest = old[len(top) :]
        if not exists and old == top + rest and rest.startswith(DELIMITER) and name.endswith(rest):
            return mine.get(name[: -len(rest)], False)
    return False


def _is_below(name: str, old: str, told: Mapping[str, str]) -> bool:
    """Say whether that a mailbox was renamed follows from what is told of one above it (RFC 5465 §5.4)."""
    while True:
        (name, _, last), (old, _, was_last) = name.rpartition(DELIMITER), old.rpartition(DELIMITER)
        if last != was_last or not name:
            return False
        if told.get(name) == old:
            return True


def _watches(group: EventGroup, name: str, picture: Picture, others: str) -> bool:
    match group.watched:
        case Watched.PERSONAL | Watched.INBOXES:  # a filter may put mail anywhere (RFC 5465 §6.3)
            return not name.startswith(others)
        case Watched.SUBSCRIBED:
            return name in picture.subscribed
        case Watched.SUBTREE:
            return any(name == top or name.startswith(top + DELIMITER) for top in group.names)
        case _:
            return name in group.names


def _parent(name: str) -> str:
    return name.rpartition(DELIMITER)[0]


def _listed(picture: Picture, name: str, old_name: str | None = None) -> ListResponse:
    """Return LIST of a name as it is now, whether or not there is such a mailbox."""
    there = name in picture.names
    attributes = [] if there else ["\\NonExistent"]
    if name in picture.closed:
        attributes.append("\\NoAccess")
    if name in picture.subscribed:
        attributes.append("\\Subscribed")
    below = picture.has_children(name)
    if there or below:
        attributes.append(child_mbox_flag(below))
    return ListResponse(tuple(attributes), DELIMITER, name, old_name=old_name)


def _whole(row: Mailbox, flags: bool, mod_seqs: bool) -> StatusItems:
    items: list[tuple[StatusItem, int | str]] = [
        (StatusItem.MESSAGES, row.messages),
        (StatusItem.UIDNEXT, row.uid_next),
        (StatusItem.UIDVALIDITY, row.uid_validity),
    ]
    return StatusItems(row.name, (*items, *_more(row, flags, mod_seqs)))


def _more(row: Mailbox, flags: bool, mod_seqs: bool) -> Iterator[tuple[StatusItem, int]]:
    if flags:
        yield StatusItem.UNSEEN, row.unseen
    if mod_seqs:
        yield StatusItem.HIGHESTMODSEQ, row.highest_mod_seq


def _status(row: Mailbox, stood: Mailbox | None, flags: bool, mod_seqs: bool) -> Iterator[StatusItems]:
    """Yield what is told of a mailbox that went on: of its messages, or of their flags alone (RFC 5465 §5)."""
    if stood is None or stood.uid_validity != row.uid_validity:
        yield _whole(row, flags, mod_seqs)
    elif (stood.messages, stood.uid_next) != (row.messages, row.uid_next):
        items = ((StatusItem.UIDNEXT, row.uid_next), (StatusItem.MESSAGES, row.messages))
        yield StatusItems(row.name, (*items, *_more(row, flags, mod_seqs)))
    elif flags and stood.highest_mod_seq != row.highest_mod_seq:
        yield StatusItems(row.name, ((StatusItem.UIDVALIDITY, row.uid_validity), *_more(row, flags, mod_seqs)))


__all__ = ["MAX_ENTRIES", "MESSAGES", "SLICE", "Notices", "Overflow"]
