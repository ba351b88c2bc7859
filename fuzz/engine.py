"""The engine: run, see which lines follow which, keep what is new, change it a little, run again.

Work is counted in lines of Python, so that it is the same on every machine. What runs in C is measured in seconds of
processor time, by making an input longer and looking how much longer it takes.
"""

import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

import mailhorn

ROOT = Path(mailhorn.__file__).parent

MAX_INPUT = 4096
"""Octets of an input; what is wrong with longer ones is a matter of time, see `Fuzzer.grows_too_fast`."""

BASE_LINES = 20_000
"""Lines of Python that any input may cost."""

HANGS = 10.0
"""Seconds of processor time after which an input is said to hang, traced as it is."""

SMALL, LARGE = 8 << 10, 64 << 10
"""Octets of the two inputs that are compared to see how time grows."""

NOTICED = 0.05
"""Seconds that the large one takes at least before anybody minds."""

GROWTH = 28.0
"""How many times as long the large one may take, where 8 is linear and 64 is quadratic."""

_TOKEN = re.compile(rb"[A-Za-z0-9_.\\$+*=-]{2,24}|\r\n|[^A-Za-z0-9]{1,3}")
_NUMBER = re.compile(rb"[0-9]+")
_NUMBERS = (b"0", b"1", b"2", b"-1", b"255", b"65536", b"4294967295", b"4294967296", b"9223372036854775807", b"1" * 30)
_OCTETS = b'\x00\t\n\r "%&()*+,-./0:;<=>?@[\\]_{}~\x7f\x80\xc3\xe2\xff'


class Broken(AssertionError):
    """An input that breaks a promise of its target."""


class TooMuch(BaseException):
    """An input costs too much; no `except Exception` on the way may catch it."""


@dataclass(frozen=True)
class Target:
    """
    An entry point.

    Attributes:
        name: On the command line.
        run: Takes any bytes; raises nothing.
        traced: Folders and files below mailhorn whose lines are followed.
        seeds: Inputs to begin with.
        tokens: Words of the language that may not be in the seeds.
        lines: Lines of Python that each octet may cost, beyond BASE_LINES.

    """

    name: str
    run: Callable[[bytes], None]
    traced: tuple[str, ...]
    seeds: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...] = ()
    lines: int = 400


@dataclass(frozen=True)
class Finding:
    """An input and what is wrong with it."""

    data: bytes
    reason: str
    problem: BaseException | None = field(default=None, compare=False)


class Tracer:
    """Follows the lines of some files; not those of a compiled build, which has none."""

    def __init__(self, traced: Sequence[str]) -> None:
        self._roots = tuple(str(ROOT / name) for name in traced)
        self._codes: dict[CodeType, int] = {}
        self._ids = 0
        self._counts: dict[int, int] = {}
        self.lines = 0
        self._allowed = 0
        self._last = 0

    def run(self, work: Callable[[bytes], None], data: bytes, allowed: int) -> None:
        """Do it; `arcs` and `lines` say afterwards what it took. Raises TooMuch beyond the allowed lines."""
        self._counts = {}
        self.lines = self._last = 0
        self._allowed = allowed
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            work(data)
        finally:
            sys.settrace(before)

    @property
    def arcs(self) -> set[int]:
        """Which line came after which, and whether once, a few times or often."""
        return {arc << 3 | min(count.bit_length(), 6) for arc, count in self._counts.items()}

    def _call(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        known = self._codes.get(code)
        if known is None:
            self._ids += 1
            known = self._ids << 16 if code.co_filename.startswith(self._roots) else 0
            self._codes[code] = known
        return self._line if known else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
        if event == "line":
            here = self._codes[frame.f_code] + frame.f_lineno
            arc = self._last << 40 | here
            self._counts[arc] = self._counts.get(arc, 0) + 1
            self._last = here
            self.lines += 1
            if self.lines > self._allowed:
                raise TooMuch(f"more than {self._allowed} lines of Python")
        return self._line


class Fuzzer:
    """
    One target under way.

    Attributes:
        runs: Inputs tried.
        corpus: Those that went where none before went, or more often.
        seen: What they did, see `Tracer.arcs`.

    """

    def __init__(self, target: Target, seed: int = 0, clock: Callable[[], float] = time.process_time) -> None:
        self.target = target
        self._clock = clock
        self.runs = 0
        self.corpus: list[bytes] = []
        self.seen: set[int] = set()
        self._random = Random(f"{target.name} {seed}")
        self._tracer = Tracer(target.traced)
        self._seeds = target.seeds()
        self._random.shuffle(self._seeds)
        words = dict.fromkeys(target.tokens)
        for data in self._seeds:
            words.update(dict.fromkeys(_TOKEN.findall(data)))
        self._tokens = list(words)

    def run(self, seconds: float = float("inf"), runs: float = float("inf"), timed: bool = True) -> Finding | None:
        """
        Try inputs until one is a finding or the time, or the number of runs, is over.

        Args:
            seconds: Of processor time.
            runs: Inputs.
            timed: Look also how time grows; then no two runs are the same.

        """
        end = self._clock() + seconds
        while self.runs < runs and self._clock() < end:
            fresh = bool(self._seeds) and (not self.corpus or self._random.random() < 0.5)
            data = self._seeds.pop()[:MAX_INPUT] if fresh else self._changed()
            if finding := self.try_(data):
                return self.shortened(finding)
            if timed and self.runs % 40 == 0 and (finding := self.grows_too_fast(self._random.choice(self.corpus))):
                return finding
        return None

    def try_(self, data: bytes) -> Finding | None:
        """Try one input, and keep it if it is of interest."""
        self.runs += 1
        finding = self._outcome(data)
        fresh = self._tracer.arcs - self.seen
        if fresh or not self.corpus:
            self.seen |= fresh
            self.corpus.append(data)
        return finding

    def _outcome(self, data: bytes) -> Finding | None:
        def hangs(number: int, frame: FrameType | None) -> None:
            raise TooMuch(f"more than {HANGS:.0f} seconds")

        before = signal.signal(signal.SIGVTALRM, hangs)
        signal.setitimer(signal.ITIMER_VIRTUAL, HANGS)
        try:
            self._tracer.run(self.target.run, data, BASE_LINES + self.target.lines * len(data))
        except TooMuch as problem:
            return Finding(data, str(problem), problem)
        except Exception as problem:  # whatever it is, it was not promised
            return Finding(data, f"{type(problem).__name__}: {problem}", problem)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
        return None

    def shortened(self, finding: Finding) -> Finding:
        """Return the same finding with as little input as a few hundred tries achieve."""
        tries = 400
        size = len(finding.data) // 2
        while size and tries:
            at = 0
            while at < len(finding.data) and tries:
                tries -= 1
                less = self._outcome(finding.data[:at] + finding.data[at + size :])
                if less is not None and _place(less) == _place(finding):
                    finding = less
                else:
                    at += size
            size //= 2
        return finding

    def grows_too_fast(self, data: bytes) -> Finding | None:
        """Repeat a piece of the input until it is long, and longer; time must not grow faster than the input."""
        start = self._random.randrange(max(1, len(data)))
        stop = min(len(data), start + self._random.choice((1, 2, 4, 8, 16, 40, 100)))
        piece = data[start:stop]
        if not piece:
            return None

        def seconds(size: int) -> float:
            longer = data[:start] + piece * (size // len(piece)) + data[stop:]
            begun = self._clock()
            self.target.run(longer)
            return self._clock() - begun

        before = signal.signal(signal.SIGVTALRM, _give_up)
        signal.setitimer(signal.ITIMER_VIRTUAL, 4 * HANGS)
        shape = f"{data[:start]!r} + {piece!r} * n + {data[stop:]!r}"
        try:
            large, small = seconds(LARGE), seconds(SMALL)
            for _ in range(3):  # somebody else may have been at work
                if large < NOTICED or large < GROWTH * small:
                    return None
                large, small = min(large, seconds(LARGE)), max(small, seconds(SMALL))
        except TooMuch as problem:
            return Finding(data[:start] + piece * (SMALL // len(piece)) + data[stop:], f"{problem}: {shape}", problem)
        except Exception as problem:
            longer = data[:start] + piece * (LARGE // len(piece)) + data[stop:]
            return self.shortened(Finding(longer, f"{type(problem).__name__}: {problem}", problem))
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
        reason = f"{SMALL} octets take {small:.3f} s, {LARGE} take {large:.3f}: {shape}"
        return Finding(data[:start] + piece * (SMALL // len(piece)) + data[stop:], reason)

    def _changed(self) -> bytes:
        random = self._random
        # What was found last is what has been changed least.
        recent = self.corpus[-50:] if random.random() < 0.5 else self.corpus
        data = bytearray(random.choice(recent))
        for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 8))):
            self._change(data)
        return bytes(data[:MAX_INPUT])

    def _change(self, data: bytearray) -> None:
        random = self._random
        size = len(data)
        at = random.randrange(size + 1)
        stop = min(size, at + random.choice((0, 1, 1, 2, 4, 8, 32)))
        match random.randrange(12):
            case 0 if at < size:
                data[at] ^= 1 << random.randrange(8)
            case 1:
                data[at:stop] = bytes([random.choice(_OCTETS)])
            case 2:
                del data[at:stop]
            case 3:
                data[at:at] = data[at:stop]
            case 4 | 5:
                data[at:at] = random.choice(self._tokens)
            case 6 | 7:
                words = list(_TOKEN.finditer(data, max(0, at - 16), at + 64))
                if words:
                    word = random.choice(words)
                    data[word.start() : word.end()] = random.choice(self._tokens)
            case 8:
                other = random.choice(self.corpus)
                begin = random.randrange(len(other) + 1)
                data[at:stop] = other[begin : begin + random.choice((4, 16, 64, 256, 4096))]
            case 9:
                data[at:stop] = data[at:stop] * random.choice((2, 3, 16, 210))
            case 10:
                number = _NUMBER.search(data, at)
                if number is not None:
                    data[number.start() : number.end()] = random.choice(_NUMBERS)
            case _:
                lines = bytes(data).splitlines(keepends=True)
                if lines:
                    one = random.randrange(len(lines))
                    lines.insert(random.randrange(len(lines) + 1), lines[one])
                    data[:] = b"".join(lines)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise TooMuch(f"more than {4 * HANGS:.0f} seconds")


def _place(finding: Finding) -> tuple[type, int, str]:
    """What is wrong, and where: the innermost line, so that a shorter input does not become another finding."""
    problem = finding.problem
    trace = problem.__traceback__ if problem is not None else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or isinstance(problem, TooMuch | Broken):
        return type(problem), 0, str(problem).partition(":")[0] if isinstance(problem, Broken) else ""
    return type(problem), trace.tb_lineno, trace.tb_frame.f_code.co_filename
