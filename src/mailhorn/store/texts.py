"""The seam under searching for text: an index that says which messages may contain one.

Rule 1: it is a hint. It never leaves out a message that it covers and that contains the text; it may name others, and
who asks looks at each. Rule 2: it can be lost at any time, and is made again; nothing waits for it, no delivery feeds
it. Rule 3: it covers the messages of a mailbox up to a UID; what came later has to be read.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..model.change import Change
from ..model.ids import UID, MailboxId

TEXTS = "text"
"""Directory below the data directory: a file for each mailbox."""


def path_of(directory: Path, mailbox: MailboxId) -> Path:
    """Return the file of a mailbox."""
    return directory / f"{mailbox}.sqlite"


def mailboxes_in(directory: Path) -> list[MailboxId]:
    """Return whose files there are."""
    return sorted(MailboxId(int(path.stem)) for path in directory.glob("*.sqlite") if path.stem.isdecimal())


@dataclass(frozen=True, slots=True)
class TextHints:
    """
    Who may contain what.

    Attributes:
        covered: Of the messages up to this UID it is known.
        may: UIDs by text; of a text that is not here nothing is known.

    """

    covered: UID = UID(0)
    may: Mapping[str, frozenset[int]] = field(default_factory=dict)


NO_HINTS = TextHints()

BATCH = 256 * 1024
"""Characters well learned at a time: 20 ms of a thread."""

FEW = 16
"""Messages that every search reads rather than having them learned: 4 ms, and a transaction for each makes it slow."""

Reader = Callable[[MailboxId, UID], Awaitable[bytes]]
"""Returns a whole message. Raises MessageMissing, StoreUnavailable."""


class TextIndex(ABC):
    """
    What is in which message, mailbox by mailbox, for those that somebody has searched.

    Texts are given as they compare: who adds them and who asks have folded them alike. No verb raises anything but
    MailboxMissing: what the disk refuses is logged, and then nothing is known.
    """

    @abstractmethod
    def begin(self, read: Reader) -> None:
        """Begin, in the event loop; `read` reads messages that it has to learn by itself."""

    @abstractmethod
    async def hints(self, mailbox: MailboxId, texts: Sequence[str]) -> TextHints:
        """Return which messages may contain each of the texts, which are not empty."""

    @abstractmethod
    async def add(self, mailbox: MailboxId, after: UID, messages: Sequence[tuple[UID, str]]) -> bool:
        """
        Learn messages.

        Args:
            mailbox: Whose.
            after: What it is thought to cover.
            messages: All there are after that up to the last of them, ascending, with all that can be found in them.

        Returns:
            Whether it was done; False: it covers more or less than that, or the disk refuses.

        """

    @abstractmethod
    def catch_up(self, mailbox: MailboxId) -> None:
        """Learn the rest of a mailbox when there is time."""

    @abstractmethod
    def told(self, change: Change) -> None:
        """Take note of a change: what is expunged is forgotten soon."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything; whoever asks later is told nothing."""


__all__ = [
    "BATCH",
    "FEW",
    "NO_HINTS",
    "TEXTS",
    "Reader",
    "TextHints",
    "TextIndex",
    "mailboxes_in",
    "path_of",
]
