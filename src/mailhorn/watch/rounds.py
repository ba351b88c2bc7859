"""Several mailboxes on one connection: it rests in one of them, and looks at the STATUS of the others. Scripts; pure.

Rule 1: no login, no new connection for it; a mailbox is selected only if its STATUS says that there is something.
Rule 2: a mailbox that cannot be opened is left alone for a while, the others go on (fault F63).
Rule 3: the selected mailbox is never asked for its STATUS (fault F33).
Rule 4: where there is NOTIFY (RFC 5465) the server tells when there is something; it is asked all the same, but rarely.
"""

from collections.abc import Sequence

from ..imap.commands import EventGroup, Events, Notify, NotifyEvent, Status, StatusItem, Watched
from .account import WatchAccount
from .conversation import Conversation, Script
from .judging import Directory
from .ledger import Loaded, Place
from .mailbox import Mailbox
from .trouble import Over, Trouble, jittered

ROUND = 60.0
"""Seconds from one look at the mailboxes that share a connection to the next: as long as mail waits in a mailbox that
has no connection of its own. One STATUS a minute for each is nothing to a server."""
TOLD_ROUND = 300.0
"""The same where the server has promised by NOTIFY to tell: a promise that is not kept costs minutes, not mail."""
_ITEMS = (StatusItem.UIDNEXT, StatusItem.UIDVALIDITY)


class Round:
    """
    The mailboxes of one connection.

    Attributes:
        shut: Those that could not be opened: how often in a row, when to try again, and why.

    """

    def __init__(self, talk: Conversation, account: WatchAccount, places: Sequence[Place]) -> None:
        self.shut: dict[Place, tuple[int, float, str]] = {}
        self._talk = talk
        self._account = account
        self._places = places
        self._others: list[Mailbox] = []
        self._next = 0.0

    def begin(self) -> Script[tuple[Mailbox, Loaded]]:
        """Open all mailboxes on a new connection, and return the one that is open then: the first that can be."""
        talk = self._talk
        directory = Directory(talk, self._account)
        yield from directory.spelling()  # now, and not when the first message is to go somewhere
        boxes = [Mailbox(talk, self._account, place, directory) for place in self._places]
        if len(boxes) == 1:
            return boxes[0], (yield from boxes[0].open())
        talk.others = frozenset(box.place.mailbox for box in boxes)
        for box in boxes[1:]:
            yield from self._visit(box)
        for box in boxes:
            loaded = yield from self._open(box)
            if loaded is not None:
                self._others = [other for other in boxes if other is not box]
                yield from self._subscribe()
                self._next = talk.now + self._interval
                return box, loaded
        raise Over(
            Trouble.MAILBOX,
            "none of the mailboxes can be opened: " + "; ".join(reason for _, _, reason in self.shut.values()),
        )

    def due_at(self) -> float | None:
        """Return when the others must be looked at, None for never."""
        return self._next if self._others else None

    def is_due(self) -> bool:
        """Whether the others must be looked at: it is time, or the server told that there is something."""
        return bool(self._others) and (self._talk.now >= self._next or any(map(self._has_news, self._others)))

    def go(self, home: Mailbox) -> Script[bool]:
        """Look at the others, if it is time. Returns whether `home` was left, so that news there were not announced."""
        talk = self._talk
        if not self.is_due():
            return False
        yield from talk.end_idle()
        if talk.now >= self._next:
            yield from self._ask()
            self._next = talk.now + self._interval
        wanted = [box for box in self._others if self._has_news(box)]
        for box in wanted:
            yield from self._visit(box)
        if wanted:
            try:
                yield from home.reopen()
            except Over as over:  # another one can be the home of the next connection
                raise Over(Trouble.NET, over.reason) from over
        return bool(wanted)

    @property
    def _interval(self) -> float:
        return ROUND if self._talk.imap.notify is None else TOLD_ROUND

    def _subscribe(self) -> Script[None]:
        """Have the server tell what comes into any of the mailboxes, if it can; a refusal changes nothing."""
        if self._talk.imap.has("NOTIFY"):
            news = Events(frozenset({NotifyEvent.MESSAGE_NEW, NotifyEvent.MESSAGE_EXPUNGE}))  # never one alone, §5
            names = tuple(place.mailbox for place in self._places if place not in self.shut)
            selected = EventGroup(Watched.SELECTED, (), news)
            yield from self._talk.run(Notify((selected, EventGroup(Watched.MAILBOXES, names, news))))

    def _ask(self) -> Script[None]:
        """Ask for the STATUS of all that are open, in one go."""
        asked = [
            (box, self._talk.imap.send(Status(box.place.mailbox, _ITEMS)))
            for box in self._others
            if box.place not in self.shut
        ]
        for box, tag in asked:
            done = yield from self._talk.answer(tag)
            if not done.ok:
                self._talk.statuses[box.place.mailbox] = {}  # opening it will show what is wrong

    def _has_news(self, box: Mailbox) -> bool:
        shut = self.shut.get(box.place)
        if shut is not None:
            return self._talk.now >= shut[1]
        status = self._talk.statuses.get(box.place.mailbox)
        return status is not None and box.has_news(status)

    def _visit(self, box: Mailbox) -> Script[None]:
        """Open a mailbox and filter what is new."""
        self._talk.statuses.pop(box.place.mailbox, None)
        if (yield from self._open(box)) is not None:
            yield from box.catch_up(announced=True)

    def _open(self, box: Mailbox) -> Script[Loaded | None]:
        talk = self._talk
        try:
            loaded = yield from box.open()
        except Over as over:
            if over.trouble is not Trouble.MAILBOX:
                raise
            count = self.shut[box.place][0] + 1 if box.place in self.shut else 1
            self.shut[box.place] = (count, talk.now + jittered(Trouble.MAILBOX, count, talk.roll), over.reason)
            talk.warn(f"{over.reason}; the other mailboxes go on")
            return None
        self.shut.pop(box.place, None)
        return loaded
