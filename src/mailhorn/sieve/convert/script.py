"""From converted rules to a script that compiles."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..check import compile_script
from ..errors import SieveError, printable
from ..formatting import formatted
from ..mailboxes import problem
from .condition import Condition, Constant, ConvertError, needs, quoted, simplified, strings, unknown, written
from .limits import MAX_SHOWN


@dataclass(frozen=True, slots=True)
class Unsaid:
    """
    What could not be said in Sieve.

    Attributes:
        rule: The rule's name.
        what: What it is, and what became of it; one line.

    """

    rule: str
    what: str

    def __str__(self) -> str:
        """Return both on one line."""
        return f"{self.rule}: {self.what}"


@dataclass(frozen=True, slots=True)
class Converted:
    """
    A converted file.

    Attributes:
        script: The script, formatted; it compiles.
        unsaid: What could not be said, in the order of the rules.
        rules: How many rules there were.

    """

    script: str
    unsaid: tuple[Unsaid, ...]
    rules: int


@dataclass(slots=True)
class Draft:
    """
    A piece of a script: commands, and what they require.

    Attributes:
        lines: Commands and comments.
        needs: The extensions.

    """

    lines: list[str] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)

    @property
    def acts(self) -> bool:
        """Whether there is anything but comments in it."""
        return any(line and not line.startswith("#") for line in self.lines)

    def add(self, command: str, *extensions: str) -> None:
        """Add a command."""
        self.lines.append(command)
        self.needs.update(extensions)

    def comment(self, text: str) -> None:
        """Add a comment of one line."""
        self.lines.append(f"# {one_line(text)}")

    def take(self, other: "Draft") -> None:
        """Add all of another one."""
        self.lines += other.lines
        self.needs |= other.needs

    def fileinto(self, mailbox: str, copy: bool = False) -> str:
        """Add a fileinto that makes the mailbox if need be; return what is wrong with the name, "" if nothing is."""
        wrong = problem(mailbox)
        if wrong:
            return wrong
        self.add(f"fileinto {':copy ' if copy else ''}:create {quoted(mailbox)};", "fileinto", "mailbox")
        if copy:
            self.needs.add("copy")
        return ""

    def redirect(self, address: str, copy: bool = False) -> None:
        """Add a redirect."""
        self.add(f"redirect {':copy ' if copy else ''}{quoted(address)};", *(["copy"] if copy else []))

    def addflag(self, *flags: str) -> None:
        """Add flags."""
        self.add(f"addflag {strings(flags)};", "imap4flags")


class Writer:
    """Writes a script rule by rule; a rule that does not compile is left out."""

    def __init__(self, what: str) -> None:
        """Begin; `what` says whose filters they are."""
        self._head = f"# Converted from {what}.\n"
        self._pieces: list[tuple[str, list[str], str, frozenset[str]]] = []
        self._unsaid: dict[Unsaid, None] = {}
        self.rules = 0

    def unsaid(self, rule: str, what: str) -> str:
        """Note what could not be said; return it on one line, for a comment."""
        one = Unsaid(one_line(rule), one_line(what))
        self._unsaid[one] = None
        return one.what

    def rule(self, name: str, condition: Condition, then: Draft, notes: Iterable[str] = ()) -> None:
        """
        Write a rule.

        Args:
            name: What it is called.
            condition: When.
            then: What is done.
            notes: What else could not be said.

        """
        missing = [self.unsaid(name, f"not in Sieve: {what}") for what in (*notes, *unknown(condition))]
        known = simplified(condition)
        if known == Constant(False):
            what = self.unsaid(name, "left out, as its condition cannot be said")
            self._leave_out(name, [*missing, what], then)
            return
        if not then.acts:
            what = self.unsaid(name, "left out, as nothing that it does can be said")
            self._leave_out(name, [*missing, what], Draft([f"if {written(known)}"]))
            return
        lines = "\n".join(then.lines)
        block = lines if known == Constant(True) else f"if {written(known)} {{\n{lines}\n}}"
        self.piece(name, missing, block, needs(known) | then.needs)

    def piece(self, name: str, comments: list[str], text: str, extensions: Iterable[str]) -> None:
        """Write commands, if they compile."""
        wanted = frozenset(extensions)
        wrong = compiles(text, wanted)
        if wrong:
            what = self.unsaid(name, f"left out: {wrong}")
            self._leave_out(name, [*comments, what], Draft(text.split("\n")))
            return
        self._pieces.append((name, comments, text, wanted))

    def left_out(self, name: str, comments: Iterable[str], lines: Iterable[str]) -> None:
        """Write a rule as a comment."""
        self._leave_out(name, list(comments), Draft(list(lines)))

    def _leave_out(self, name: str, comments: list[str], then: Draft) -> None:
        self._pieces.append((name, comments, "\n".join(f"#     {one_line(line)}" for line in then.lines), frozenset()))

    def converted(self) -> Converted:
        """Return the script. Raises ConvertError if it is larger than a script may be."""
        extensions = frozenset[str]().union(*(wanted for _, _, _, wanted in self._pieces))
        parts: list[str] = []
        for name, comments, text, wanted in self._pieces:
            if "variables" in extensions - wanted and "${" in text and not text.startswith("#"):
                why = self.unsaid(name, "left out: it has ${ in it, which another rule needs for something else")
                comments, text = [*comments, why], "\n".join(f"# {one_line(line)}" for line in text.split("\n"))
            parts.append("\n".join([named(name), *(f"# {one}" for one in dict.fromkeys(comments)), text]))
        require = f"require {_listed(extensions)};\n" if extensions else ""
        text = "\n\n".join([self._head + require, *parts]) + "\n"
        try:
            script = formatted(text)
            compile_script(script)
        except SieveError as error:
            raise ConvertError(f"the script that comes of it cannot be: {error.message}") from error
        return Converted(script, tuple(self._unsaid), self.rules)


def compiles(text: str, extensions: frozenset[str]) -> str:
    """Return why commands do not compile, "" if they do."""
    require = f"require {_listed(extensions)};\n" if extensions else ""
    try:
        compile_script(require + text)
    except SieveError as error:
        return error.message
    return ""


def named(rule: str) -> str:
    """Return the comment that names a rule, as `mailhorn watch` and editors of Sieve read it."""
    return f"# rule:[{one_line(rule).replace('[', '(').replace(']', ')')}]"


def one_line(text: str) -> str:
    """Return text for a comment: printable, on one line, and not too long."""
    clean = " ".join(printable(" ".join(text.split())).split())
    return clean if len(clean) <= MAX_SHOWN else clean[: MAX_SHOWN - 3] + "..."


def _listed(extensions: Iterable[str]) -> str:
    return f"[{', '.join(map(quoted, sorted(extensions)))}]"


__all__ = ["Converted", "Draft", "Unsaid", "Writer", "compiles", "named", "one_line"]
