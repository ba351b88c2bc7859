"""What the rules of an account say to a message of a mailbox. Scripts; pure.

Rule: the watcher, a dry run, an explanation and the filing of a backlog all ask here, so that they cannot disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..sieve import Actions, Matched, Need, SieveRuntimeError, evaluate
from .account import WatchAccount
from .act import Kind, Step, plan
from .conversation import Conversation, Script
from .facts import Gathered
from .ledger import Row, Task
from .providers import provider_of
from .rules import RuleNames


class Directory:
    """
    The account's other mailboxes, as far as rules ask for them. Of one connection.

    Attributes:
        names: All mailboxes; None as long as nobody asked.

    """

    def __init__(self, talk: Conversation, account: WatchAccount) -> None:
        self.names: frozenset[str] | None = None
        self._talk = talk
        self._trash = account.trash
        self._default = provider_of(account.host).trash

    def learn(self) -> Script[None]:
        """Learn which mailboxes there are, and which is the trash (RFC 6154)."""
        there = yield from self._talk.list_mailboxes()
        self.names = frozenset(one.mailbox for one in there)
        if self._trash is None:
            self._trash = next(
                (one.mailbox for one in there if "\\trash" in map(str.lower, one.attributes)), self._default
            )

    def trash(self) -> Script[str]:
        """Return where discarded messages go."""
        if self._trash is None:
            yield from self.learn()
        return self._trash or self._default

    def imagine(self, mailbox: str) -> None:
        """Take it that a mailbox was made, in a dry run."""
        if self.names is not None:
            self.names |= {mailbox}


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What the rules say to a message.

    Attributes:
        message: The message.
        steps: What is to be done, in order; none if it stays as it is.
        trouble: Why the rules could not be asked, "" if they could.
        trace: The tests that were evaluated, inner ones before the outer one.

    """

    message: Gathered
    steps: tuple[Step, ...]
    trouble: str = ""
    trace: tuple[Matched, ...] = ()

    def row(self, undoes: int = 0) -> Row:
        """Return what is recorded of it."""
        message = self.message
        return Row(
            message.uid,
            message.message_id,
            message.internal_date,
            message.size,
            self.steps,
            self.trouble,
            message.sender,
            message.subject,
            undoes,
        )


def task_of(row: Row, sent: bool) -> Task:
    """Return what is to be done to a message that was recorded."""
    steps = tuple(enumerate(row.steps))
    return Task(row.uid, row.message_id, row.internal_date, row.size, steps, sent, subject=row.subject)


class Judge:
    """Asks the rules about the messages of one mailbox."""

    def __init__(self, account: WatchAccount, mailbox: str, directory: Directory) -> None:
        self._account = account
        self._mailbox = mailbox
        self._directory = directory
        self._name: Callable[[int], str] = RuleNames(account.source).at

    def judge(self, message: Gathered) -> Script[Verdict]:
        """Return what the rules say; what is wrong with a message or with them is part of it."""
        if message.fields is None:
            return Verdict(message, (), "it cannot be read")
        decided, trouble = self._evaluated(message)
        if isinstance(decided, Need) and decided.mailboxes:
            yield from self._directory.learn()
            decided, trouble = self._evaluated(message)
        if isinstance(decided, Actions):
            trash = None
            if not self._account.discard_deletes and not decided.filings(self._mailbox):
                trash = yield from self._directory.trash()
            steps = plan(decided, self._mailbox, message.flags, trash, self._name)
            return Verdict(message, steps, trace=decided.trace)
        return Verdict(message, (), trouble or f"the rules ask for {decided}")

    def imagine(self, verdict: Verdict) -> None:
        """Take it that the steps were carried out, in a dry run: later messages may find a mailbox that they make."""
        for step in verdict.steps:
            if step.kind in (Kind.COPY, Kind.MOVE) and (step.create or self._account.create_mailboxes):
                self._directory.imagine(step.target)

    def _evaluated(self, message: Gathered) -> tuple[Actions | Need | None, str]:
        """Return what the rules say, or what is wrong; they are pure, so trying again would change nothing."""
        program = self._account.program
        try:
            return evaluate(program, message.facts(program, self._directory.names)), ""
        except SieveRuntimeError as error:
            return None, f"the rules fail, {error}"
        except Exception as error:  # a bug of ours must not cost the messages behind this one (fault F85)
            return None, f"a bug in the rules' engine, please report it: {type(error).__name__}: {error}"


__all__ = ["Directory", "Judge", "Verdict", "task_of"]
