"""Runs tests of Sieve that are written in Sieve: `python -m mailhorn.testing.svtest FILE...`.

The commands are those of the testsuite extension of Pigeonhole ("vnd.dovecot.testsuite"), so that suites written for it
run here: test, test_fail, test_set, test_config_set/unset/reload, test_result_reset/execute/action/print, test_message,
test_mailbox_create/delete, test_script_compile/run, test_multiscript, test_error, test_binary_load/save and
test_imap_metadata_set. Messages, mailboxes and what is sent are kept in memory; nothing leaves the process.

Rule 1: a test that fails says why, with file and line, and the next one runs. Rule 2: texts of error messages are
ours: a suite that compares Pigeonhole's word for word will find others.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from ..mime.decode import decoded_header
from ..mime.entity import Entity
from ..sieve import ALL, Actions, FileInto, HeaderFacts, Program, Redirect, compile_script
from ..sieve.actions import INBOX, Discard, Flags, Keep, Notify, Pipe, Reject, Remember, Step, Vacation, mailbox_key
from ..sieve.address import addresses, outbound
from ..sieve.edit import edited
from ..sieve.errors import SieveError, SieveProblem, SieveRuntimeError
from ..sieve.ext import EXTENSIONS
from ..sieve.ext.duplicate import EXTENSION as DUPLICATE
from ..sieve.ext.environment import EXTENSION as ENVIRONMENT
from ..sieve.facts import Question
from ..sieve.language import ActionWord, Call, Extension, Tagged, Takes, TestWord
from ..sieve.listname import list_name
from ..sieve.match import COMPARATOR, MATCH_TYPE, matcher
from ..sieve.program import Step as Code
from ..sieve.program import Test
from ..sieve.questions import (
    Duplicate,
    Environment,
    InList,
    Instant,
    ListKnown,
    MailboxIdExists,
    Metadata,
    NotifyCapability,
    Now,
    Owner,
    Ran,
    SpecialUse,
    Structure,
    Verdict,
)
from ..sieve.regex import Regex
from ..sieve.replies import Outgoing, Received, notification, rejection, vacation_reply, why_not
from ..sieve.run import Missing, Return, Run, Stop, values_of

_Answer = TypeVar("_Answer")

NOW = Instant(1_136_239_445, 0)
"""When all tests run: 2 January 2006, 22:04:05 UTC. The same everywhere, so that no test depends on the day."""
BOUNDARY = "=_mailhorn-svtest"
"""Between the parts of what is made."""
INCLUDED, INCLUDED_GLOBAL = "included", "included-global"
"""Folders beside a suite, where the scripts are that it includes as personal and as global ones."""


class Failed(Exception):
    """A test failed; the text says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """
    What became of one test.

    Attributes:
        file: The suite.
        name: The test, "" for what stands outside of all tests.
        line: Where it begins.
        problem: Why it failed, "" if it did not.

    """

    file: Path
    name: str
    line: int
    problem: str = ""


@dataclass(slots=True)
class _Mail:
    """A message as it lies somewhere: with the path it took."""

    data: bytes
    sender: str = ""
    recipients: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(slots=True)
class _World:
    """What the tests of one suite see and change."""

    folder: Path
    mail: _Mail = field(default_factory=lambda: _Mail(b"", "sender@example.com", ("recipient@example.com",)))
    auth: str = ""
    original: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    mailboxes: dict[str, list[_Mail]] = field(default_factory=lambda: {"INBOX": []})
    sent: list[Outgoing] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    answered: set[tuple[str, str]] = field(default_factory=set)
    metadata: dict[tuple[str | None, str], str] = field(default_factory=dict)
    lists: dict[str, dict[str, str]] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    program: Program | None = None
    errors: list[str] = field(default_factory=list)
    count: int = 0
    done: tuple[Step, ...] = ()
    facts: HeaderFacts | None = None

    def known(self) -> HeaderFacts:
        """Return the facts of the message."""
        if self.facts is None:
            entity = Entity(self.mail.data)
            envelope = {"from": [self.mail.sender], "to": list(self.mail.recipients)}
            if self.auth:
                envelope["auth"] = [self.auth]
            self.facts = HeaderFacts(
                entity.fields(),
                size=len(self.mail.data),
                envelope=envelope,
                mailboxes=tuple(self.mailboxes),
                decode=_decoded,
                answers=self.answer,
            )
        return self.facts

    def changed(self) -> None:
        """Look at message and mailboxes anew."""
        self.facts = None

    def received(self) -> Received:
        """Return the message for who answers it."""
        fields = tuple((name, value, _decoded(value)) for name, value in Entity(self.mail.data).fields())
        owner = self.settings.get("sieve_user_email", "").strip(" <>")
        recipient = self.mail.recipients[0] if self.mail.recipients else ""
        return Received(fields, self.mail.sender, recipient, (owner,) if owner else ())

    def arrived(self, data: bytes) -> None:
        """Take a message; its path is what its header says, until test_set says otherwise."""
        entity = Entity(data)

        def first(names: Sequence[str], default: str) -> str:
            found = (outbound(value) for name in names for value in entity.structured(name)[:1])
            return next((address for address in found if address), default)

        sender = first(("return-path", "sender", "from"), "sender@example.com")
        self.original = first(("envelope-to", "to"), "recipient@example.com")
        self.mail = _Mail(data, sender, (self.original,))
        self.auth = ""
        self.changed()

    def message_id(self) -> str:
        """Return a new Message-ID."""
        self.count += 1
        return f"<{self.count}.svtest@mailhorn.invalid>"

    def answer(self, question: Question[Any]) -> Any:
        """Answer what a script asks."""
        match question:
            case Structure():
                return Entity(self.mail.data)
            case Now():
                return NOW
            case Owner():
                return self.settings.get("sieve_user_email", "").strip(" <>") or "".join(self.mail.recipients[:1])
            case Environment(name):
                return (_ENVIRONMENT[name],) if name in _ENVIRONMENT else ()
            case Duplicate(handle, value):
                return (handle, value) in self.seen
            case SpecialUse(mailbox, use):
                return self.settings.get(f"special_use {use.lower()}") in (
                    {mailbox} if mailbox else set(self.mailboxes)
                )
            case MailboxIdExists(id):
                return self.settings.get(f"mailbox_id {id}") in self.mailboxes
            case Metadata(mailbox, name):
                noted = self.metadata.get((mailbox and mailbox_key(mailbox), name.lower()))
                return () if noted is None else (noted,)
            case ListKnown(name):
                return name in self.lists
            case InList(name, value):
                found = self.lists.get(name, {}).get(value.lower())
                return () if found is None else (found,)
            case Verdict(kind):
                return self._verdict(kind)
            case NotifyCapability(_, capability):
                return ("maybe",) if capability == "online" else ()
            case Ran():
                return (False, b"")
        return None

    def _verdict(self, kind: str) -> int:
        """Read a verdict as Pigeonhole's settings say: header, number or text, greatest number."""
        header = self.settings.get(f"sieve_{kind}test_status_header", "")
        name, _, pattern = header.partition(":")
        values = Entity(self.mail.data).header(name.strip().lower()) if name else []
        if not values:
            return 0
        value = _found(pattern, values[0])
        if self.settings.get(f"sieve_{kind}test_status_type", "score") == "text":
            for number in range(11):
                if self.settings.get(f"sieve_{kind}test_text_value{number}", "\0") == value:
                    return number if kind == "virus" else 1 + (number - 1) * 100 // 9 if number else 0
            return 0
        limit = self.settings.get(f"sieve_{kind}test_max_value") or self._greatest(kind) or "10"
        if self.settings.get(f"sieve_{kind}test_status_type") == "strlen":
            score = float(len(value))
        else:
            try:
                score = float(value)
            except ValueError:
                return 0
        share = min(max(score / float(limit), 0.0), 1.0)
        return 1 + round(share * 100) if kind == "spam" else round(share * 5)

    def _greatest(self, kind: str) -> str:
        """Return what a header says is the greatest value."""
        name, _, pattern = self.settings.get(f"sieve_{kind}test_max_header", "").partition(":")
        values = Entity(self.mail.data).header(name.strip().lower()) if name else []
        return _found(pattern, values[0]) if values else ""

    def script(self, place: str, name: str) -> str | None:
        """Return a script to include."""
        folder = self.folder / (INCLUDED if place == "personal" else INCLUDED_GLOBAL)
        path = folder / f"{name.removesuffix('.sieve')}.sieve"
        return path.read_text("utf-8", "surrogateescape") if path.is_file() else None

    def offers(self) -> frozenset[str]:
        """Return what scripts may require, as the setting sieve_extensions says: names, or + and - before them."""
        words = self.settings.get("sieve_extensions", "").split()
        plain = frozenset(word for word in words if word[0] not in "+-")
        found = set((plain & ALL) if plain else ALL)
        for word in words:
            if word.startswith("-"):
                found.discard(word[1:])
        return frozenset(found)

    def compile_file(self, name: str) -> Program | None:
        """Compile a script beside the suite; remember what is wrong with it."""
        path = self.folder / name
        try:
            text = path.read_text("utf-8", "surrogateescape")
        except OSError as error:
            raise Failed(f"cannot read {path}: {error.strerror}") from None
        return self.compile(text, name)

    def compile(self, text: str, name: str) -> Program | None:
        """Compile a script; remember what is wrong with it."""
        self.errors = []
        try:
            extensions = (*EXTENSIONS, *PIGEONHOLE)
            offers = self.offers() | {extension.capability for extension in PIGEONHOLE}
            return compile_script(text, offers, scripts=self.script, extensions=extensions)
        except SieveError as error:
            self.errors = [one.message for one in (error, *error.others)]
            self.errors.append(f'"{name}" does not compile')  # Pigeonhole has such a one at the end, and it counts
            return None

    def run(self, program: Program, flags: Flags | None = None) -> Run | None:
        """Run a script over the message, which has these flags already; remember what went wrong."""
        self.errors = []
        run = Run(self.known())
        run.flags = None if flags is None else {flag.lower(): flag for flag in flags}
        try:
            program.body(run)
        except (Stop, Return):
            pass
        except SieveRuntimeError as error:
            self.errors = [error.message]
            return None
        taken = [step for step in run.steps() if not isinstance(step, Discard | Remember)]
        for what, limit, many in (
            ("total number of actions", self._limit("sieve_max_actions", 32), len(taken)),
            ("number of redirect actions", self._limit("sieve_max_redirects", 4), len(_redirects(taken))),
        ):
            if limit and many > limit:
                self.errors = [f"{what} exceeds policy limit ({many} > {limit})"]
                return None
        return run

    def _limit(self, setting: str, default: int) -> int:
        """Return a limit of Pigeonhole's settings; 0: none."""
        value = self.settings.get(setting, "")
        return int(value) if value.isdecimal() else default

    def execute(self, actions: Actions) -> bool:
        """Do what a script decided and what is not done yet; say whether all of it could be done."""
        self.errors = []
        good = True
        data = self.mail.data
        received = self.received()
        done, self.done = self.done, (*self.done, *actions.steps)
        actions = replace(actions, steps=tuple(step for step in actions.steps if not any(step is one for one in done)))

        def version(edits: int) -> bytes:
            return edited(data, actions.edits[:edits], Entity, BOUNDARY)

        for step in actions.steps:
            if isinstance(step, Redirect):
                sender = self._redirect_sender(received)
                mark = self._redirected_from()
                if any(value.strip().lower() == mark.lower() for value in received.values("x-sieve-redirected-from")):
                    continue  # a loop
                message = f"X-Sieve-Redirected-From: {mark}\r\n".encode() + version(step.edits)
                self._send(Outgoing(sender, (step.address,), message))
            elif isinstance(step, Reject):
                notice = rejection(step, received, NOW, self.message_id(), BOUNDARY)
                if notice is not None:
                    self._send(notice)
            elif isinstance(step, Vacation):
                key = (received.sender.lower(), step.handle)
                remembered = key in self.answered and step.seconds > 0 and self._is_set("svtest_vacation_memory")
                vacation = self._for_whom(step, received)
                if why_not(vacation, received) is None and not remembered:
                    self.answered.add(key)
                    reply = vacation_reply(vacation, received, NOW, self.message_id())
                    self._send(reply)
                    self._copy(step.fcc, reply.message)
            elif isinstance(step, Notify):
                told = notification(step, received, NOW, self.message_id())
                if told is not None:
                    self._send(told)
                    self._copy(step.fcc, told.message)
            elif isinstance(step, Remember):
                self.seen.add((step.handle, step.value))
        if done:  # an implicit keep was done with what was done before
            actions = replace(actions, implicit_keep=False)
        for filing in actions.filings():
            good = self._file(filing, version(filing.edits)) and good
        self.changed()
        return good

    def _send(self, mail: Outgoing) -> None:
        """Send a mail: one for each recipient, as suites count them."""
        self.sent += [replace(mail, recipients=(recipient,)) for recipient in mail.recipients]

    def _is_set(self, setting: str) -> bool:
        return self.settings.get(setting, "").lower() in ("yes", "y", "1", "true")

    def _for_whom(self, vacation: Vacation, received: Received) -> Vacation:
        """Return the answer with the further addresses of the user that Pigeonhole's settings name."""
        own = list(vacation.addresses)
        if self._is_set("sieve_vacation_use_original_recipient") and self.original:
            own.append(self.original)
        if self._is_set("sieve_vacation_dont_check_recipient"):
            own += [address.whole for value in received.values("to") for address in addresses(value)]
        return replace(vacation, addresses=tuple(own))

    def _redirected_from(self) -> str:
        """Return who redirects, for the header field by which a loop shows."""
        owner = self.settings.get("sieve_user_email", "").strip(" <>")
        return owner or (self.mail.recipients[0] if self.mail.recipients else "")

    def _redirect_sender(self, received: Received) -> str:
        if not received.sender:
            return ""
        wanted = self.settings.get("sieve_redirect_envelope_from", "sender").strip()
        recipient = self.mail.recipients[0] if self.mail.recipients else ""
        if wanted.startswith("<"):
            return wanted.strip("<> ")
        choices = {
            "recipient": recipient,
            "orig_recipient": self.original or recipient,
            "user_email": self.settings.get("sieve_user_email", "").strip(" <>") or recipient,
            "postmaster": f"postmaster@{recipient.rpartition('@')[2]}",
        }
        return choices.get(wanted, received.sender)

    def _copy(self, filing: FileInto | None, message: bytes) -> None:
        if filing is not None:
            self._file(filing, message)

    def _file(self, filing: FileInto, message: bytes) -> bool:
        name = filing.mailbox
        for setting, wanted in (("mailbox_id", filing.id), ("special_use", filing.use.lower())):
            found = self.settings.get(f"{setting} {wanted}") if wanted else None
            if found is not None and found in self.mailboxes:
                name = found
        name = _key(name)
        if name not in self.mailboxes:
            impossible = any(not level for level in name.split("/"))
            if impossible or not filing.create:
                why = "is no name of a mailbox" if impossible else "does not exist"
                self.errors.append(f'failed to store into mailbox "{name}": it {why}')
                self.mailboxes["INBOX"].append(self.mail)  # the implicit keep, without what was edited
                return False
            self.mailboxes[name] = []
        flags = tuple(sorted(filing.flags or ()))
        self.mailboxes[name].append(_Mail(message, self.mail.sender, self.mail.recipients, flags))
        return True


def _redirects(steps: Sequence[Step]) -> list[Redirect]:
    """Return the steps that send a message on."""
    return [step for step in steps if isinstance(step, Redirect)]


def _found(pattern: str, value: str) -> str:
    """Return the last group of a pattern in a value; without a pattern the value."""
    if not pattern.strip():
        return value.strip()
    spans = Regex(pattern.strip(), False).spans(value.strip())
    return value.strip()[slice(*spans[-1])] if spans else ""


def _key(name: str) -> str:
    """Return a mailbox's name with INBOX at its beginning in capitals, as the testsuite's mailboxes have it."""
    first, dot, rest = name.partition(".")
    return f"{mailbox_key(first)}{dot}{rest}"


_ENVIRONMENT = {
    "domain": "example.com",
    "host": "mail.example.com",
    "location": "MDA",
    "name": "mailhorn",
    "phase": "during",
    "version": "1",
}


def _decoded(value: str) -> str:
    return decoded_header(value.encode("utf-8", "surrogateescape"))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _environment_variable(name: str) -> Callable[[Run], str]:
    return lambda run: "".join(run.answer(Environment(name))[:1])


PIGEONHOLE: tuple[Extension, ...] = (
    *(
        replace(extension, capability=extension.capability.replace("mailhorn", "dovecot"))
        for extension in EXTENSIONS
        if extension.capability.startswith("vnd.mailhorn.")
    ),
    *(
        replace(extension, capability=f"vnd.dovecot.{extension.capability}", namespaces=namespaces)
        for extension, namespaces in (
            (DUPLICATE, {}),
            (ENVIRONMENT, {"env": _environment_variable}),
        )
    ),
)
"""Extensions of Pigeonhole's own that are like one of ours: only suites may require them."""


class _Facts:
    """The facts of whatever the message is now."""

    def __init__(self, world: _World) -> None:
        self._world = world

    def header(self, name: str) -> Sequence[str] | None:
        return self._world.known().header(name)

    def structured(self, name: str) -> Sequence[str] | None:
        return self._world.known().structured(name)

    def size(self) -> int | None:
        return self._world.known().size()

    def envelope(self, part: str) -> Sequence[str] | None:
        return self._world.known().envelope(part)

    def mailbox_exists(self, name: str) -> bool | None:
        return _key(name) in self._world.mailboxes

    def answer(self, question: Question[_Answer]) -> _Answer | None:
        return self._world.known().answer(question)


_NAMES: tuple[tuple[type, str], ...] = (
    (Keep, "keep"),
    (FileInto, "store"),
    (Discard, "discard"),
    (Redirect, "redirect"),
    (Reject, "reject"),
    (Vacation, "vacation"),
    (Notify, "notify"),
    (Pipe, "pipe"),
)
"""What test_result_action calls the steps."""


def _is_home(step: FileInto) -> bool:
    """Say whether it does what keep does."""
    return step.mailbox == INBOX and not step.id and not step.use


def _names(actions: Actions) -> list[str]:
    keeps = any(isinstance(step, Keep) for step in actions.steps)
    found = [
        name
        for step in actions.steps
        for kind, name in _NAMES
        if isinstance(step, kind)
        and name != "discard"
        and not (keeps and isinstance(step, FileInto) and _is_home(step))
    ]
    return found + ["keep"] * (actions.implicit_keep and not found)


def _actions(run: Run) -> Actions:
    """Return what was decided so far."""
    return Actions(run.steps(), run.implicit_keep, run.current_flags(), (), tuple(run.edits))


def _flags(mail: _Mail) -> dict[str, str] | None:
    """Return the flags of a message as a script finds them."""
    return {flag.lower(): flag for flag in mail.flags} if mail.flags else None


def _take(run: Run, inner: Run) -> None:
    """Add to a result what another run decided. Raises SieveRuntimeError where the two do not go together."""
    for step in inner.steps():
        match step:
            case Keep():
                run.keep(step.flags, step.line)
            case FileInto():
                run.file_into(step)
            case Redirect():
                run.redirect(step)
            case Discard():
                run.discard(step.line)
            case Reject():
                run.reject(step)
            case Vacation():
                run.vacation(step)
            case Notify():
                run.notify(step)
            case Remember():
                run.remember(step)
            case Pipe():
                run.pipe(step)
    run.flags = inner.flags
    run.edits += inner.edits


class _Suite:
    """One suite under way: its words, and what they do."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.world = _World(file.parent)
        self.results: list[Result] = []

    # Commands

    def test(self, call: Call) -> Code:
        name, block, line = call.string(0), call.block, call.line

        def test(run: Run) -> None:
            assert block is not None
            problem = ""
            run.budget()
            try:
                block(run)
            except Failed as error:
                problem = str(error)
            except SieveProblem as error:
                problem = f"error: {error}"
            except (Stop, Return):
                pass
            except Missing as error:
                problem = f"nothing here can answer {error.need}"
            self.results.append(Result(self.file, name, line, problem))

        return test

    def fail(self, call: Call) -> Code:
        text, line = call.text(0), call.line

        def fail(run: Run) -> None:
            raise Failed(f"line {line}: {text.value(run)}")

        return fail

    def set(self, call: Call) -> Code:
        name, value, line = call.text(0), call.text(1), call.line

        def put(run: Run) -> None:
            what, text = name.value(run).lower(), value.value(run)
            world = self.world
            path = text.strip()
            if path.startswith("<") and path.endswith(">") and path.count("<") == path.count(">") == 1:
                path = path[1:-1]
            if what == "message":
                world.arrived(_octets(text))
                run.flags = None
            elif what == "envelope.from":
                world.mail.sender = path
            elif what == "envelope.to":
                world.mail.recipients = (path,)
                world.original = path
            elif what in ("envelope.orig_to", "envelope.final-to"):
                world.original = path
            elif what == "envelope.auth":
                world.auth = text
            else:
                raise Failed(f'line {line}: test_set does not know "{what}"')
            world.changed()
            run.forget_message()

        return put

    def config_set(self, call: Call) -> Code:
        name, value = call.text(0), call.text(1)

        def put(run: Run) -> None:
            self.world.settings[name.value(run)] = value.value(run)

        return put

    def config_unset(self, call: Call) -> Code:
        name = call.text(0)

        def drop(run: Run) -> None:
            self.world.settings.pop(name.value(run), None)

        return drop

    def config_reload(self, call: Call) -> Code:
        def reload(run: Run) -> None:
            self.world.changed()
            run.forget_message()

        return reload

    def result_reset(self, call: Call) -> Code:
        def reset(run: Run) -> None:
            self._forget(run)
            self.world.sent.clear()

        return reset

    def result_print(self, call: Call) -> Code:
        def show(run: Run) -> None:
            for step in _actions(run).steps:
                print(f"  {step}")

        return show

    def mailbox_create(self, call: Call) -> Code:
        name = call.text(0)

        def create(run: Run) -> None:
            self.world.mailboxes.setdefault(_key(name.value(run)), [])

        return create

    def mailbox_delete(self, call: Call) -> Code:
        name = call.text(0)

        def delete(run: Run) -> None:
            self.world.mailboxes.pop(_key(name.value(run)), None)

        return delete

    def mailbox(self, call: Call) -> Code:
        return self.mailbox_delete(call) if call.choice("what", "create") == "delete" else self.mailbox_create(call)

    def binary_save(self, call: Call) -> Code:
        name = call.text(0)

        def save(run: Run) -> None:
            if self.world.program is not None:
                self.world.programs[name.value(run)] = self.world.program

        return save

    def binary_load(self, call: Call) -> Code:
        name, line = call.text(0), call.line

        def load(run: Run) -> None:
            self.world.program = self.world.programs.get(name.value(run))
            if self.world.program is None:
                raise Failed(f"line {line}: there is no such binary")

        return load

    def metadata_set(self, call: Call) -> Code:
        mailbox = call.tag_text("mailbox")
        name, value = call.text(0), call.text(1)

        def put(run: Run) -> None:
            where = None if mailbox is None else mailbox_key(mailbox.value(run))
            self.world.metadata[where, name.value(run).lower()] = value.value(run)
            self.world.changed()

        return put

    def list_set(self, call: Call) -> Code:
        name, values = call.text(0), call.texts(1)

        def put(run: Run) -> None:
            members = [value.value(run) for value in values]
            self.world.lists[list_name(name.value(run))] = {member.lower(): member for member in members}
            self.world.changed()

        return put

    def nothing(self, call: Call) -> Code:
        return lambda run: None

    # Commands that are tests as well

    def message(self, call: Call) -> Test:
        folder, number = call.tag_text("where"), call.number(0)

        def look(run: Run) -> bool:
            world = self.world
            if folder is None:
                if number >= len(world.sent):
                    return False
                sent = world.sent[number]
                world.mail = _Mail(sent.message, sent.sender, sent.recipients)
            else:
                found = world.mailboxes.get(_key(folder.value(run)), [])
                if number >= len(found):
                    return False
                world.mail = found[number]
            world.changed()
            run.forget_message()
            run.flags = _flags(world.mail)
            return True

        return look

    def message_command(self, call: Call) -> Code:
        look, line = self.message(call), call.line

        def step(run: Run) -> None:
            if not look(run):
                raise Failed(f"line {line}: there is no such message")

        return step

    def script_compile(self, call: Call) -> Test:
        given, is_text = call.text(0), call.has("text")

        def compile(run: Run) -> bool:
            value, world = given.value(run), self.world
            world.program = world.compile(value, "the script") if is_text else world.compile_file(value)
            return world.program is not None

        return compile

    def script_run(self, call: Call) -> Test:
        line, append = call.line, call.has("append_result")

        def go(run: Run) -> bool:
            if self.world.program is None:
                raise Failed(f"line {line}: no script was compiled")
            self.world.changed()
            if not append:
                self._forget(run)
            inner = self.world.run(self.world.program, run.current_flags())
            if inner is None:
                return False
            try:
                _take(run, inner)
            except SieveRuntimeError as error:
                self.world.errors = [error.message]
                return False
            return True

        return go

    def multiscript(self, call: Call) -> Test:
        """Each script goes on where the one before has kept the message; then all is done."""
        names = call.texts(0)

        def go(run: Run) -> bool:
            steps: list[Step] = []
            original = self.world.mail
            last: Actions | None = None
            flags: Flags | None = None
            for name in names:
                program = self.world.compile_file(name.value(run))
                inner = None if program is None else self.world.run(program, flags)
                if inner is None:
                    self.world.mail = original
                    return False
                actions = _actions(inner)
                flags = actions.implicit_flags
                kept = actions.implicit_keep or any(isinstance(step, Keep) for step in actions.steps)
                last = actions
                steps += [step for step in actions.steps if not isinstance(step, Keep)]
                data = edited(self.world.mail.data, actions.edits, Entity, BOUNDARY)
                self.world.mail = _Mail(data, original.sender, original.recipients)
                self.world.changed()
                if not kept:
                    break
            assert last is not None
            kept = last.implicit_keep or any(isinstance(step, Keep) for step in last.steps)
            return self.world.execute(Actions(tuple(steps), kept, last.implicit_flags))

        return go

    def result_execute(self, call: Call) -> Test:
        return lambda run: self.world.execute(_actions(run))

    def result_action(self, call: Call) -> Test:
        number, has_number = call.tag_number("index", 0), call.has("index")
        with_keys = matcher(call, call.texts(0))

        def action(run: Run) -> bool:
            names = _names(_actions(run))
            if has_number:
                names = names[number - 1 : number] if number else []
            return with_keys.any(run, (values_of(names, with_keys.comparator),))

        return action

    def error(self, call: Call) -> Test:
        number, has_number = call.tag_number("index", 0), call.has("index")
        with_keys = matcher(call, call.texts(0))

        def error(run: Run) -> bool:
            errors = self.world.errors
            if has_number:
                errors = errors[number - 1 : number] if number else []
            return with_keys.any(run, (values_of(errors, with_keys.comparator),))

        return error

    def as_step(self, build: Callable[[Call], Test]) -> Callable[[Call], Code]:
        """Return a command that does what a test does, and fails if that says no."""

        def made(call: Call) -> Code:
            test, name, line = build(call), call.node.name, call.line

            def step(run: Run) -> None:
                if not test(run):
                    raise Failed(f"line {line}: {name} failed")

            return step

        return made

    def _forget(self, run: Run) -> None:
        """Begin a new result."""
        self.world.done = ()
        run.forget_decisions()
        run.flags = _flags(self.world.mail)

    def extension(self) -> Extension:
        """Return the words of a suite."""
        string, strings, number = Takes.STRING, Takes.STRINGS, Takes.NUMBER
        index = (Tagged("index", "index", number),)
        where = (Tagged("folder", "where", string), Tagged("smtp", "smtp"))
        compared = (*COMPARATOR, *MATCH_TYPE)

        def word(
            name: str,
            build: Callable[[Call], Code],
            takes: tuple[Takes, ...] = (),
            tags: tuple[Tagged, ...] = (),
            block: bool = False,
            optional: int = 0,
        ) -> ActionWord:
            return ActionWord(name, f"{name} ...;", build, takes, tags, block, 0, optional)

        tests = (
            TestWord("test_message", "test_message :smtp / :folder <mailbox> <number>", self.message, (number,), where),
            TestWord(
                "test_script_compile",
                "test_script_compile [:text] <file>",
                self.script_compile,
                (string,),
                (Tagged("text", "text"),),
            ),
            TestWord(
                "test_script_run", "test_script_run", self.script_run, (), (Tagged("append_result", "append_result"),)
            ),
            TestWord("test_multiscript", "test_multiscript <files>", self.multiscript, (strings,)),
            TestWord("test_result_execute", "test_result_execute", self.result_execute),
            TestWord(
                "test_result_action",
                "test_result_action [:index <number>] <names>",
                self.result_action,
                (strings,),
                (*index, *compared),
            ),
            TestWord("test_error", "test_error [:index <number>] <texts>", self.error, (strings,), (*index, *compared)),
        )
        actions = (
            word("test", self.test, (string,), block=True),
            word("test_fail", self.fail, (string,)),
            word("test_set", self.set, (string, string)),
            word("test_config_set", self.config_set, (string, string)),
            word("test_config_unset", self.config_unset, (string,)),
            word("test_config_reload", self.config_reload, (), (Tagged("extension", "extension", string),)),
            word("test_result_reset", self.result_reset),
            word("test_result_print", self.result_print),
            word("test_mailbox_create", self.mailbox_create, (string,)),
            word("test_mailbox_delete", self.mailbox_delete, (string,)),
            word("test_mailbox", self.mailbox, (string,), (Tagged("create", "what"), Tagged("delete", "what"))),
            word("test_binary_save", self.binary_save, (string,)),
            word("test_binary_load", self.binary_load, (string,)),
            word(
                "test_imap_metadata_set",
                self.metadata_set,
                (string, string),
                (Tagged("mailbox", "mailbox", string),),
            ),
            word("test_list_set", self.list_set, (string, strings)),
            word("test_message", self.message_command, (number,), where),
            word("test_message_print", self.nothing),
            word("test_result_execute", self.as_step(self.result_execute)),
        )
        return Extension(
            "vnd.dovecot.testsuite",
            tests,
            actions,
            namespaces={"tst": self._told},
            envelope=("auth",),
            rfc="Pigeonhole",
        )

    def _told(self, name: str) -> Callable[[Run], str]:
        """Return what says a variable of the testsuite: where the suite is."""
        if name != "path":
            raise ValueError(f'there is no variable "tst.{name[:40]}"; known is tst.path')
        return lambda run: str(self.file.parent.resolve())

    def debug(self) -> Extension:
        """Return the extension with which suites print."""

        def debug_log(call: Call) -> Code:
            text = call.text(0)
            return lambda run: print(f"  {text.value(run)}")

        return Extension(
            "vnd.dovecot.debug",
            actions=(
                ActionWord("debug_log", "debug_log <text>;", debug_log, (Takes.STRING,)),
                ActionWord("debug_print", "debug_print <text>;", debug_log, (Takes.STRING,)),
            ),
            rfc="Pigeonhole",
        )

    def run(self) -> list[Result]:
        """Run the suite."""
        extensions = (*EXTENSIONS, *PIGEONHOLE, self.extension(), self.debug())
        offers = frozenset(extension.capability for extension in extensions)
        try:
            text = self.file.read_text("utf-8", "surrogateescape")
            program = compile_script(text, offers, scripts=self.world.script, extensions=extensions)
        except SieveError as error:
            problem = "\n".join(str(one) for one in (error, *error.others))
            return [Result(self.file, "", error.line, problem)]
        except OSError as error:
            return [Result(self.file, "", 0, f"cannot be read: {error.strerror}")]
        run = Run(_Facts(self.world))
        try:
            program.body(run)
        except (Stop, Return):
            pass
        except (Failed, SieveProblem) as error:
            self.results.append(Result(self.file, "", 0, str(error)))
        except Missing as error:
            self.results.append(Result(self.file, "", 0, f"nothing here can answer {error.need}"))
        return self.results


def run_suite(file: Path) -> list[Result]:
    """Run one suite, and return what became of each of its tests."""
    return _Suite(file).run()


def main(arguments: Sequence[str]) -> int:
    """Run suites, print what failed and a line for each suite; 0 if nothing failed, 2 for a mistake in the call."""
    if not arguments or any(argument.startswith("-") for argument in arguments):
        print("usage: python -m mailhorn.testing.svtest FILE...", file=sys.stderr)
        return 2
    bad = 0
    for argument in arguments:
        results = run_suite(Path(argument))
        failed = [result for result in results if result.problem]
        for result in failed:
            print(f"{result.file}:{result.line}: {result.name or 'suite'}: FAILED: {result.problem}")
        print(f"{argument}: {len(results) - len(failed)} of {len(results)} passed")
        bad += bool(failed)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
