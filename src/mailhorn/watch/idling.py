"""Nothing new: IDLE as long as the server is known to bear it, or looking now and then. Scripts; pure.

Rule 1: a dirty mailbox is never left idling (fault F27). Rule 2: any byte is proof of life, and only that: it
postpones the silence deadline, never the renewal (fault F15). Rule 3: how long an IDLE lasts, and whether its
announcements can be relied on ("push health"), is learned of each mailbox and kept in the journal (faults F41, F54).
"""

from collections.abc import Callable

from ..imap.client import Completed
from ..imap.commands import Keyword, Simple
from .conversation import Conversation, Script
from .events import State
from .login import CONTINUATION_PATIENCE
from .trouble import Over, Trouble, said

SILENCE = 300.0
"""Seconds without a byte after which an idling server must prove that it lives (fault F05)."""
SHORTEST_RENEWAL = 15.0
"""Seconds an IDLE lasts at least, however early the server hung up before (fault F41)."""
HYBRID_RENEWAL = 90.0
"""Seconds an IDLE lasts with a server that was twice found not to announce mail (fault F54)."""
UNRELIABLE = 2
"""Times mail must be found that was not announced until a server is treated so."""
GROWTH_AFTER = 3600.0
"""Seconds a connection must have lasted before its IDLEs are made longer again."""
POLL_SHORTEST, POLL_LONGEST = 30.0, 300.0
"""Seconds between two looks at a mailbox where IDLE is not to be had (fault F40)."""
MAX_IDLE_REFUSALS = 3
"""Times in a row a server may end IDLE by itself before there is polling instead."""


class Idling:
    """
    How to wait for news on a connection, and what was learned of it.

    Attributes:
        renewal: Seconds an IDLE lasts at present.
        missed: How often there was mail that was not announced.
        learned: Whether one of these has changed since it was told to the journal.

    """

    def __init__(self, talk: Conversation, longest: float, enter: Callable[[State], None]) -> None:
        self.renewal = longest
        self.missed = 0
        self.learned = False
        self._talk = talk
        self._longest = longest
        self._enter = enter
        self.begin()

    def begin(self) -> None:
        """A new connection."""
        self._refusals = 0
        self._polls = False

    def recall(self, renewal: float | None, missed: int) -> None:
        """Take up what was learned by an earlier process."""
        if renewal is not None:
            self.renewal = min(self._longest, max(SHORTEST_RENEWAL, renewal))
        self.missed = missed

    def found_unannounced(self) -> None:
        """Take note of mail that IDLE did not announce (fault F54)."""
        self.missed += 1
        self.learned = True
        if self.missed == UNRELIABLE:
            self._talk.warn("the server does not announce new mail reliably; looking more often")

    @property
    def reliable(self) -> bool:
        """Whether the server announces what comes."""
        return self.missed < UNRELIABLE

    def rest(self, in_use_since: float, news_at: float, until: float, ready: Callable[[], bool]) -> Script[None]:
        """
        Wait for news, with IDLE or without.

        Args:
            in_use_since: When the connection was first ready.
            news_at: When there was mail last.
            until: When there is something else to do.
            ready: Whether there is something else to do already.

        """
        if self._talk.imap.has("IDLE") and not self._polls:
            yield from self._idle(in_use_since, until, ready)
        else:
            yield from self._poll(news_at, until, ready)

    def _idle(self, in_use_since: float, other: float, ready: Callable[[], bool]) -> Script[None]:
        """Idle until there is news, or until it is time to prove that the server lives (RFC 9051 §6.3.13)."""
        talk = self._talk
        talk.continued = False
        tag = talk.imap.send(Simple(Keyword.IDLE))
        limit = talk.now + CONTINUATION_PATIENCE
        talk.idling = tag
        yield from talk.wait(lambda: talk.continued or tag in talk.completed, lambda: limit, "IDLE")
        began = talk.now
        renewal = self.renewal if self.reliable else min(self.renewal, HYBRID_RENEWAL)
        if tag not in talk.completed:
            self._enter(State.IDLE)
        while not talk.dirty and tag not in talk.completed and not ready():
            until = min(began + renewal, talk.heard_at + SILENCE, other)
            if talk.now >= until or talk.woke:
                break
            yield until
            try:
                talk.check()
            except Over as over:
                if over.trouble is Trouble.NET:
                    self._shorten(talk.now - began)
                raise
        talk.woke = False
        if tag in talk.completed:
            talk.idling = None
            yield from self._ended(talk.completed.pop(tag))
            return
        self._refusals = 0
        if talk.now - in_use_since >= GROWTH_AFTER and self.renewal < self._longest:
            self.renewal = min(self._longest, self.renewal * 1.25)
            self.learned = True
        talk.imap.done()
        if not talk.pipelines:
            yield from talk.end_idle()

    def _shorten(self, lasted: float) -> None:
        """The server hung up on an idle connection: idle half as long from now on (fault F41)."""
        if lasted >= SHORTEST_RENEWAL:
            self.renewal = max(SHORTEST_RENEWAL, min(self.renewal, lasted) / 2)
            self.learned = True

    def _ended(self, done: Completed) -> Script[None]:
        """The server ended IDLE by itself (fault F38): begin again, but not forever."""
        talk = self._talk
        self._refusals += 1
        if self._refusals >= MAX_IDLE_REFUSALS:
            self._polls = True
            talk.warn(f"the server keeps ending IDLE ({said(done.text)}); looking now and then instead")
        else:
            yield from talk.pause(talk.now + 2.0**self._refusals, lambda: talk.dirty)

    def _poll(self, news_at: float, other: float, ready: Callable[[], bool]) -> Script[None]:
        """Wait without IDLE; more often after news, less often without (fault F40)."""
        talk = self._talk
        self._enter(State.POLLING)
        quiet = talk.now - news_at
        interval = min(POLL_LONGEST, max(POLL_SHORTEST, quiet / 10))
        yield from talk.pause(min(talk.now + interval, other), lambda: talk.dirty or talk.woke or ready())
        talk.woke = False
        if not talk.dirty:
            yield from talk.run(Simple(Keyword.NOOP))
