"""What a script decides; somebody else does it (RFC 5228 §2.10, §4)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

INBOX = "INBOX"
"""The one mailbox name that is compared without case (RFC 9051 §5.1)."""

Flags = frozenset[str]


def mailbox_key(name: str) -> str:
    """Return what makes two mailbox names the same one: the name itself, INBOX in capitals."""
    return INBOX if name.upper() == INBOX else name


@dataclass(frozen=True, slots=True)
class Keep:
    """
    Put the message where it would go without a script.

    Attributes:
        flags: The flags it gets; None: the script said nothing about flags.
        line: The line of the command.

    """

    flags: Flags | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class FileInto:
    """
    Put the message into a mailbox.

    Attributes:
        mailbox: Its name in Unicode; INBOX in capitals.
        flags: The flags it gets; None: the script said nothing about flags.
        copy: It did not cancel the implicit keep (RFC 3894).
        create: Create the mailbox if it is missing (RFC 5490 §3.2).
        line: The line of the command.

    """

    mailbox: str
    flags: Flags | None = None
    copy: bool = False
    create: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Discard:
    """Cancel the implicit keep; all other steps still happen (RFC 5228 §4.4)."""

    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Redirect:
    """
    Send the message to an address.

    Attributes:
        address: An addr-spec, checked when the script was compiled.
        copy: It did not cancel the implicit keep (RFC 3894).
        line: The line of the command.

    """

    address: str
    copy: bool = False
    line: int = field(default=0, compare=False)


Step = Keep | FileInto | Discard | Redirect


@dataclass(frozen=True, slots=True)
class Matched:
    """
    A test that was evaluated.

    Attributes:
        line: The line where it begins, counted from 1.
        text: The test as it is written, on one line, shortened, printable.
        result: What it said.

    """

    line: int
    text: str
    result: bool


@dataclass(frozen=True, slots=True)
class Actions:
    """
    What to do with one message.

    Attributes:
        steps: What the script asked for; of the same mailbox or address one step only, where it was said last.
        implicit_keep: The message also stays where it would be without a script (RFC 5228 §2.10.2).
        implicit_flags: The flags it gets there (RFC 5232 §5); None: the script said nothing about flags.
        trace: The tests that were evaluated, inner ones before the outer one.

    """

    steps: tuple[Step, ...] = ()
    implicit_keep: bool = True
    implicit_flags: Flags | None = None
    trace: tuple[Matched, ...] = field(default=(), compare=False)

    def filings(self, home: str = INBOX) -> tuple[FileInto, ...]:
        """
        Return where the message ends up, each mailbox once (RFC 5228 §2.10.3); empty if in none.

        Args:
            home: The mailbox that keep means: INBOX at delivery, the mailbox it was found in for a watcher.

        """
        filed: dict[str, FileInto] = {}
        for step in self._places(mailbox_key(home)):
            earlier = filed.get(step.mailbox)
            filed[step.mailbox] = merge(earlier, step) if earlier else step
        return tuple(filed.values())

    @property
    def redirects(self) -> tuple[Redirect, ...]:
        """The steps that send the message on."""
        return tuple(step for step in self.steps if isinstance(step, Redirect))

    def _places(self, home: str) -> Iterator[FileInto]:
        for step in self.steps:
            if isinstance(step, FileInto):
                yield step
            elif isinstance(step, Keep):
                yield FileInto(home, step.flags, line=step.line)
        if self.implicit_keep:
            yield FileInto(home, self.implicit_flags)


def merge(earlier: FileInto, later: FileInto) -> FileInto:
    """Return one step for two into the same mailbox: "the last flag list value MUST win" (RFC 5232 §3)."""
    flags = later.flags
    if flags is None and earlier.flags is not None:
        flags = frozenset()
    return FileInto(
        earlier.mailbox, flags, earlier.copy and later.copy, earlier.create or later.create, earlier.line or later.line
    )
