"""THREAD=ORDEREDSUBJECT and THREAD=REFERENCES (RFC 5256).

Changes: `command-select =/ ["UID" SP] thread`, `mailbox-data =/ "THREAD" [SP 1*thread-list]`.

A conversation may be as deep as a mailbox has messages, so neither reading nor writing recurses.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from ....model.search import ThreadAlgorithm
from ...commands import FindThreads
from ...responses import Thread
from ..atoms import MAX_NUMBER
from ..cursor import Cursor, SyntaxProblem, Unwritable, Writer
from ..search import parse_charset, parse_search_keys, write_charset, write_search_keys

Node = TypeVar("Node")
_ALGORITHMS: Final = {algorithm.value: algorithm for algorithm in ThreadAlgorithm}
_WORD = re.compile(rb"[A-Za-z]+(?![^ ])")
_TOKEN = re.compile(rb" *(?:([0-9]{1,10})(?![0-9])|([()]))")


def parse_thread(cur: Cursor, *, by_uid: bool) -> FindThreads:
    """
    thread = "THREAD" SP thread-alg SP search-criteria

    RFC 5256 §5. Reads on behind the word.
    """
    cur.space()
    start = cur.pos
    algorithm = _ALGORITHMS.get(cur.need(_WORD, "a threading algorithm")[0].upper())
    if algorithm is None:
        raise SyntaxProblem(start, "a threading algorithm")
    cur.space()
    charset = parse_charset(cur)
    cur.space()
    return FindThreads(algorithm, charset, parse_search_keys(cur, charset), by_uid)


def write_thread(out: Writer, value: FindThreads) -> None:
    """Write the command behind its tag."""
    out.write((b" UID THREAD " if value.by_uid else b" THREAD ") + value.algorithm.value + b" ")
    write_charset(out, value.charset)
    out.write(b" ")
    write_search_keys(out, value.key, value.charset)


class _Growing:
    """A thread that is being read: its members so far, and the threads its last one branches into."""

    __slots__ = ("branches", "members")

    def __init__(self) -> None:
        self.members: list[int] = []
        self.branches: list[Thread] = []

    def whole(self) -> Thread:
        below = tuple(self.branches)
        if not self.members:
            return Thread(None, below)
        for number in reversed(self.members):
            below = (Thread(number, below),)
        return below[0]


def parse_thread_data(cur: Cursor) -> tuple[Thread, ...]:
    """
    thread-data = "THREAD" [SP 1*thread-list]

    RFC 5256 §5: thread-list = "(" (thread-members / thread-nested) ")". Reads on behind the word.
    """
    threads: list[Thread] = []
    open_: list[_Growing] = []
    data = cur.data
    while cur.pos < len(data):
        found = cur.need(_TOKEN, "a thread")
        if found[1]:
            number = int(found[1])
            if not open_ or open_[-1].branches or not 0 < number <= MAX_NUMBER:
                raise SyntaxProblem(found.start(1), "a thread")
            open_[-1].members.append(number)
        elif found[2] == b"(":
            open_.append(_Growing())
        else:
            if not open_ or not (open_[-1].members or len(open_[-1].branches) > 1):
                raise SyntaxProblem(found.start(2), "a thread")
            done = open_.pop().whole()
            (open_[-1].branches if open_ else threads).append(done)
    if open_:
        raise cur.fails("the end of a thread")
    return tuple(threads)


def write_thread_data(out: Writer, threads: tuple[Thread, ...]) -> None:
    """Write what follows the word."""
    for word in thread_data(threads, lambda one: one.number, lambda one: one.below):
        out.write(word)


def thread_data(
    threads: Sequence[Node], number: Callable[[Node], int | None], below: Callable[[Node], Sequence[Node]]
) -> Iterator[bytes]:
    """
    Yield what follows the word, a few octets at a time: there may be very much of it, and one thread may be all.

    Args:
        threads: What stands at the top, of whatever kind.
        number: Returns which message one is, None if a parent is missing there.
        below: Returns what answers one, in order.

    """
    if threads:
        yield b" "
    open_ = [iter(threads)]
    while open_:
        one = next(open_[-1], None)
        if one is None:
            open_.pop()
            if open_:
                yield b")"
            continue
        yield b"("
        space, told, answers = b"", number(one), below(one)
        if told is None and not answers:
            raise Unwritable("a thread of nobody")
        while told is not None:
            if not 0 < told <= MAX_NUMBER:
                raise Unwritable("a number of no message")
            yield space + b"%d" % told
            space = b" "
            told = number(answers[0]) if len(answers) == 1 else None
            answers = answers if told is None else below(answers[0])
        if answers:
            yield space
        open_.append(iter(answers))
