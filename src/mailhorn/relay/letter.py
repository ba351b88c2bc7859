"""What is to leave, and who takes it: the seam between those who write letters and the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Letter:
    """
    One message for other servers.

    Attributes:
        sender: Reverse path (RFC 5321 §4.1.1.2), "" for none, as an answer has.
        recipients: Addresses, one at least.
        content: The whole message, lines ended by CRLF.
        why: For the log and the list: "redirect", "vacation", "reject", "notify".
        account: Whose rules ask for it, their login.
        key: What tells it from all others, "" if nothing does. A queue takes a key once: who does not know, after a
            crash, whether a letter was taken submits it again.

    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    why: str
    account: str
    key: str = ""


class RelayUnavailable(Exception):
    """The queue cannot be written now, or there is none. The text says what."""


class Outbound(Protocol):
    """Takes letters; the queue is one, and there may be none."""

    async def submit(self, letters: Sequence[Letter]) -> None:
        """
        Take them, all or none; they are safe on the disk when this returns.

        Raises:
            RelayUnavailable: None was taken.

        """
