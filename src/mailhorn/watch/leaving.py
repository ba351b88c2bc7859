"""What rules send: from decisions to letters that are ready to go, before anything is written down. Pure.

Rule 1: a letter is made when the message is judged, and is in the journal in the transaction that records the message;
so a crash loses none and doubles none, and rules that change meanwhile change nothing that was decided. Rule 2: what
could go round is stopped: a message that we have sent on once is not sent on again, and nobody answers a machine
(RFC 5230 §4.6, RFC 5436 §2.7). Rule 3: nothing is sent for mail that is old news.
"""

import json
from collections.abc import Callable, Iterator
from hashlib import sha256

from ..mime.decode import decoded_header
from ..sieve import Actions
from ..sieve.actions import Matched, Notify, Redirect, Reject, Vacation
from ..sieve.address import outbound
from ..sieve.limits import MAX_REDIRECTS
from ..sieve.questions import Instant
from ..sieve.replies import Outgoing, Received, notification, rejection, vacation_reply, why_not
from ..sieve.writing import encoded_field
from .account import WatchAccount
from .act import Kind, Step
from .facts import LARGEST, Gathered
from .ledger import Parcel

MARK = "X-Sieve-Redirected-From"
"""Names in a message who has sent it on; delivery in our server and Pigeonhole write and heed the same."""
MAX_HOPS = 50
"""Received fields of a message that is sent on: mail has ten; RFC 5321 §6.3 calls a hundred a loop."""
MAX_AGE = 3 * 86400
"""Seconds after which mail is old news: who was off for a month does not answer what came on its first day."""


class NotSent(Exception):
    """The rules want to send what is not to be sent; the text says why. The message is left alone."""


def sends(actions: Actions) -> bool:
    """Say whether anything is to leave."""
    return any(isinstance(step, Redirect | Reject | Vacation | Notify) for step in actions.steps)


def sends_on(actions: Actions) -> bool:
    """Say whether the message itself is to leave: then it has to be fetched."""
    return any(isinstance(step, Redirect) for step in actions.steps)


def memory_key(kind: str, handle: str, value: str) -> bytes:
    """Return what is remembered of something that is to happen once: a hash, as it is about people's mail."""
    return sha256(f"{kind}\n{len(handle)}\n{handle}{value}".encode("utf-8", "surrogatepass")).digest()


class Leaving:
    """
    What a message's rules send.

    Attributes:
        steps: One for each letter.
        parcels: The letters.
        trace: What is not sent after all, and why.

    """

    def __init__(
        self, account: WatchAccount, mailbox: str, message: Gathered, rule: Callable[[int], str], now: Instant
    ) -> None:
        """
        Begin.

        Args:
            account: Whose.
            mailbox: Where the message is.
            message: It, with its whole header, and itself if it is to be sent on.
            rule: Says what the rule on a line is called.
            now: The time.

        """
        self.steps: list[Step] = []
        self.parcels: list[Parcel] = []
        self.trace: list[Matched] = []
        self._account = account
        self._message = message
        self._rule = rule
        self._now = now
        self._boundary = sha256(f"{account.name}\0{mailbox}\0{message.uid}\0{message.message_id}".encode()).hexdigest()
        fields = tuple((name, value, _decoded(value)) for name, value in message.fields or ())
        recipient = next(iter(message.envelope("to")), "") or account.addresses[0]
        sender = next(iter(message.envelope("from")), "")
        self._received = Received(fields, sender, recipient, account.addresses)

    def add(self, actions: Actions, is_dry: bool) -> None:
        """
        Make the letters.

        Args:
            actions: What the rules decided.
            is_dry: Nothing will be sent, so the message was not fetched.

        Raises:
            NotSent: One of them must not leave.

        """
        if not is_dry and 0 < self._message.internal_date < self._now.seconds - MAX_AGE:
            raise NotSent("its rules send mail, and it is old news: it came more than three days ago")
        for step in actions.steps:
            match step:
                case Redirect():
                    self._redirect(step, is_dry)
                case Vacation():
                    self._answer(step)
                case Reject():
                    self._reject(step)
                case Notify():
                    self._notify(step)
                case _:
                    pass

    def _put(self, kind: Kind, target: str, line: int, letter: Outgoing, once: bytes = b"", seconds: int = 0) -> None:
        parcel = Parcel(len(self.steps), letter.sender, letter.recipients, letter.message, once, seconds)
        self.steps.append(Step(kind, target, rule=self._rule(line) if line else ""))
        self.parcels.append(parcel)

    def _id(self) -> str:
        """Return a Message-ID of our own: the same one, should all this be made again."""
        mark = sha256(f"{self._boundary}\0{len(self.steps)}".encode()).hexdigest()[:32]
        return f"<{mark}@{self._account.addresses[0].rpartition('@')[2]}>"

    def _redirect(self, step: Redirect, is_dry: bool) -> None:
        """Send it on, from the owner's address, so that what cannot be delivered comes back to its owner."""
        own = self._account.addresses[0]
        marks = [value.strip().strip("<>").lower() for value in self._received.values(MARK.lower())]
        if own.lower() in marks:
            raise NotSent("it has been sent on from here before, so the rules go round")
        if len(self._received.values("received")) > MAX_HOPS:
            raise NotSent(f"it is to be sent on and has seen more than {MAX_HOPS} servers")
        content = self._message.whole or b""
        if not is_dry and not content:
            raise NotSent("it is to be sent on and cannot be read")
        if self._message.size > LARGEST or len(content) >= LARGEST:
            raise NotSent(f"it is too large to be sent on: more than {LARGEST // 2**20} MiB")
        letter = encoded_field(MARK, f"<{own}>") + _without_return_path(content)
        sender = own if self._received.sender else ""
        for address in (step.address,) if not step.list else self._members(step.list):
            self._put(Kind.REDIRECT, address, step.line, Outgoing(sender, (address,), letter))

    def _members(self, name: str) -> Iterator[str]:
        members = next((members for of, members in self._account.lists if of == name), frozenset())
        addresses = sorted(filter(None, map(outbound, members)))
        if len(addresses) > MAX_REDIRECTS:
            raise NotSent(f"the list {name} has more than {MAX_REDIRECTS} members to send it on to")
        yield from addresses

    def _answer(self, step: Vacation) -> None:
        reason = why_not(step, self._received)
        if reason is not None:
            self.trace.append(Matched(step.line, f"vacation: no answer, {reason}", False))
            return
        letter = vacation_reply(step, self._received, self._now, self._id())
        to = self._received.sender
        self._put(Kind.ANSWER, to, step.line, letter, memory_key("vacation", step.handle, to.lower()), step.seconds)

    def _reject(self, step: Reject) -> None:
        """A notice that a message was read by nobody (RFC 5429 §2.2); machines get none."""
        letter = rejection(step, self._received, self._now, self._id(), self._boundary)
        automatic = any(
            name.lower() == "auto-submitted" and value.partition(";")[0].strip().lower() != "no"
            for name, value, _ in self._received.fields
        )
        if letter is None or automatic:
            self.trace.append(Matched(step.line, "reject: no notice, a machine sent it", False))
            return
        self._put(Kind.REJECT, self._received.sender, step.line, letter)

    def _notify(self, step: Notify) -> None:
        if step.method.lower().startswith("https:"):
            told = {
                "account": self._account.name,
                "from": self._message.sender,
                "subject": self._message.subject,
                "message_id": self._message.message_id,
                "message": step.message,
                "importance": step.importance,
                "options": list(step.options),
            }
            content = json.dumps(told).encode()
            self._put(Kind.NOTIFY, step.method, step.line, Outgoing("", (step.method,), content))
            return
        letter = notification(step, self._received, self._now, self._id())
        if letter is None:
            self.trace.append(Matched(step.line, "notify: nobody is told, a machine sent it", False))
            return
        self._put(Kind.NOTIFY, step.method, step.line, letter)


def _without_return_path(message: bytes) -> bytes:
    """Take off what delivery has put in front: the next one writes its own (RFC 5321 §4.4)."""
    while message[:12].lower().startswith(b"return-path:"):
        end = message.find(b"\n") + 1
        while end and message[end : end + 1] in (b" ", b"\t"):
            end = message.find(b"\n", end) + 1
        if not end:
            return message
        message = message[end:]
    return message


def _decoded(value: str) -> str:
    return decoded_header(value.encode("utf-8", "surrogateescape"))


__all__ = ["Leaving", "NotSent", "memory_key", "sends", "sends_on"]
