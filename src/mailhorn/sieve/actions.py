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
        edits: How many of `Actions.edits` the message has by then.

    """

    flags: Flags | None = None
    line: int = field(default=0, compare=False)
    edits: int = 0


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
        edits: How many of `Actions.edits` the message has by then.
        id: The MAILBOXID of the mailbox, if there is one of it; else `mailbox` counts (RFC 9042 §3). "": none is named.
        use: The special use of the mailbox, if there is one of it; else `mailbox` counts (RFC 8579 §4). "": none.

    """

    mailbox: str
    flags: Flags | None = None
    copy: bool = False
    create: bool = False
    line: int = field(default=0, compare=False)
    edits: int = 0
    id: str = ""
    use: str = ""


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
        edits: How many of `Actions.edits` the message has by then.
        list: The name of a list (RFC 6134 §2.7): send it to all members, and `address` is ""; "": no list.

    """

    address: str
    copy: bool = False
    line: int = field(default=0, compare=False)
    edits: int = 0
    list: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """
    Refuse the message; nothing of it is filed (RFC 5429).

    Attributes:
        reason: What to tell the sender.
        in_protocol: ereject: refuse it while it is being delivered, if that is possible.
        line: The line of the command.

    """

    reason: str
    in_protocol: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Vacation:
    """
    Answer the sender, once in a while (RFC 5230); `replies.why_not` has the reasons not to.

    Attributes:
        reason: The text, or with `mime` a whole MIME entity.
        handle: What is remembered of the answer together with the sender's address: made of the arguments as they are
            written, if the script names none.
        seconds: How long the same sender gets no second one; 0: always.
        subject: Of the answer; None: made of the message's.
        sender: What stands in From; None: the user's address.
        addresses: Further addresses of the user.
        mime: The reason has a MIME header.
        fcc: Where a copy of the answer goes (RFC 8580).
        line: The line of the command.

    """

    reason: str
    handle: str
    seconds: int
    subject: str | None = None
    sender: str | None = None
    addresses: tuple[str, ...] = ()
    mime: bool = False
    fcc: FileInto | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Notify:
    """
    Notify somebody (RFC 5435).

    Attributes:
        method: A URI that was checked: mailto or https.
        message: The text; None: one of our own that names sender and subject.
        importance: 1 high, 2 normal, 3 low.
        sender: On whose behalf; None: the user's.
        options: name=value.
        fcc: Where a copy of the notification goes (RFC 8580).
        line: The line of the command.

    """

    method: str
    message: str | None = None
    importance: int = 2
    sender: str | None = None
    options: tuple[str, ...] = ()
    fcc: FileInto | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Remember:
    """
    Remember that a message of this kind was seen (RFC 7352), once everything else was done.

    Attributes:
        handle: As in `questions.Duplicate`.
        value: As there.
        seconds: For how long.
        last: From now on, also if it was remembered already.
        line: The line of the test.

    """

    handle: str
    value: str
    seconds: int
    last: bool = False
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Pipe:
    """
    Give the message to a program that the administrator allows (vnd.mailhorn.pipe).

    Attributes:
        program: Its name, without a path.
        arguments: Its arguments.
        copy: It did not cancel the implicit keep.
        tries: If it fails, the message is kept instead.
        line: The line of the command.
        edits: How many of `Actions.edits` the message has by then.

    """

    program: str
    arguments: tuple[str, ...] = ()
    copy: bool = False
    tries: bool = False
    line: int = field(default=0, compare=False)
    edits: int = 0


Step = Keep | FileInto | Discard | Redirect | Reject | Vacation | Notify | Remember | Pipe


@dataclass(frozen=True, slots=True)
class AddHeader:
    """
    Add a field to the message's header (RFC 5293 §4).

    Attributes:
        name: Its name.
        value: Its value in Unicode, on one line.
        last: At the end of the header, not at its beginning.

    """

    name: str
    value: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class DeleteHeader:
    """
    Take a field out of the header (RFC 5293 §5).

    Attributes:
        name: Its name in lower case.
        number: The how manieth of the fields of that name, from 1, as the header is by then.

    """

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class ReplacePart:
    """
    Put something else in the place of a part (RFC 5703 §5).

    Attributes:
        path: Which one of its parent's parts it is, from 0, down from the message; () is the message itself.
        content: What to put there: a text, or with `mime` a whole MIME entity.
        mime: The content has a MIME header.
        subject: The new subject, if it is the message that is replaced; None: as it was.
        sender: The new From, if it is the message that is replaced; None: as it was.

    """

    path: tuple[int, ...]
    content: str
    mime: bool = False
    subject: str | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Enclose:
    """
    Make the message an attachment of a new one (RFC 5703 §6).

    Attributes:
        text: The text of the new one.
        subject: Its subject; None: the message's.
        headers: Names of fields that the new one has from the message, in lower case.
        sender: Its From; "": the message's.
        date: Its Date; "": the message's.

    """

    text: str
    subject: str | None = None
    headers: tuple[str, ...] = ()
    sender: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class NewBody:
    """
    The whole message is another one now: what a program made of it (vnd.mailhorn.filter).

    Attributes:
        content: Its octets.

    """

    content: bytes


Edit = AddHeader | DeleteHeader | ReplacePart | Enclose | NewBody


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
        edits: What is changed of the message, in order; each step says how many are done by then, and the implicit keep
            has all of them. `edit.edited` does it.

    """

    steps: tuple[Step, ...] = ()
    implicit_keep: bool = True
    implicit_flags: Flags | None = None
    trace: tuple[Matched, ...] = field(default=(), compare=False)
    edits: tuple[Edit, ...] = ()

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
                yield FileInto(home, step.flags, line=step.line, edits=step.edits)
        if self.implicit_keep:
            yield FileInto(home, self.implicit_flags, edits=len(self.edits))


def merge(earlier: FileInto, later: FileInto) -> FileInto:
    """Return one step for two into the same mailbox: "the last flag list value MUST win" (RFC 5232 §3)."""
    flags = later.flags
    if flags is None and earlier.flags is not None:
        flags = frozenset()
    return FileInto(
        earlier.mailbox,
        flags,
        earlier.copy and later.copy,
        earlier.create or later.create,
        earlier.line or later.line,
        later.edits,
        later.id,
        later.use,
    )
