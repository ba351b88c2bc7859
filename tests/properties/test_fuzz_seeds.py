"""A short run of every fuzz target, always the same; what a long one once found; that the engine does find things."""

import sys
from collections.abc import Callable

import pytest
from fuzz.engine import LARGE, SMALL, Broken, Fuzzer, Target, TooMuch, Tracer
from fuzz.targets import TARGETS, pieces

RUNS = {"command": 120, "response": 120, "smtp": 150, "managesieve": 200, "mime": 120, "sieve": 120, "search": 500}
"""Inputs of the short run, about a second's worth each."""

FOUND = [
    # whether a line was a BDAT was forgotten while it came in pieces and was too long
    ("smtp", b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 0 L" + b"STA" * 6_000 + b"\r\n"),
    # a tag that is too long to be quoted became a literal in a response code
    ("response", b'* OK [INPROGRESS ("' + b"A" * 1_025 + b'" 0 3)] Still here\r\n'),
]
"""What broke a promise once, shortened."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_nothing(name: str) -> None:
    """No undocumented exception, no promise broken, no more work than allowed."""
    fuzzer = Fuzzer(TARGETS[name], seed=4)
    finding = fuzzer.run(runs=RUNS[name], timed=False)
    assert finding is None, f"{finding.reason}\n./dev fuzz {name} --input {finding.data!r}"
    assert fuzzer.runs == RUNS[name]


@pytest.mark.parametrize(("name", "data"), FOUND)
def test_what_was_found_stays_fixed(name: str, data: bytes) -> None:
    """Once is enough."""
    TARGETS[name].run(data)


def target(run: Callable[[bytes], None]) -> Target:
    """A target whose lines are those of this file."""
    return Target("planted", run, (__file__,), lambda: [b"Hello there", b"mail"], (b"HORN",), lines=50)


def picky(data: bytes) -> None:
    """Has a flaw behind five conditions, each of which is another line."""
    if data[:1] == b"m":
        if data[1:2] == b"a":
            if b"HORN" in data:
                if len(data) > 20:
                    if data.endswith(b"."):
                        raise KeyError("planted")


def test_a_flaw_behind_several_conditions_is_found_and_made_short() -> None:
    """Blindly it would take millions of inputs."""
    fuzzer = Fuzzer(target(picky), seed=1)
    finding = fuzzer.run(runs=20_000, timed=False)
    assert finding is not None and isinstance(finding.problem, KeyError)
    assert len(finding.data) == 21 and finding.data.startswith(b"ma") and finding.data.endswith(b".")


def test_the_same_seed_is_the_same_run() -> None:
    """Or a finding could not be found again."""
    first, second, other = (Fuzzer(target(picky), seed=seed) for seed in (1, 1, 2))
    for fuzzer in (first, second, other):
        fuzzer.run(runs=200, timed=False)
    assert first.corpus == second.corpus != other.corpus


def test_too_many_lines_are_a_finding() -> None:
    """Also where an `except Exception` stands in the way."""

    def busy(data: bytes) -> None:
        try:
            while data:
                pass
        except Exception:
            pass

    finding = Fuzzer(target(busy)).run(runs=10, timed=False)
    assert finding is not None and isinstance(finding.problem, TooMuch)


def test_quadratic_time_is_a_finding() -> None:
    """Though none of it is a line of Python; linear time is none."""
    now = 0.0

    def slow(data: bytes) -> None:
        nonlocal now
        now += len(data) ** power / 10**5

    power = 2
    finding = Fuzzer(target(slow), clock=lambda: now).grows_too_fast(b"abc")
    assert finding is not None and f"{SMALL} octets" in finding.reason and str(LARGE) in finding.reason
    power = 1
    assert Fuzzer(target(slow), clock=lambda: now).grows_too_fast(b"abc") is None


def test_a_tracer_leaves_another_in_its_place() -> None:
    """A debugger, or a measurement of coverage."""
    before = sys.gettrace()
    tracer = Tracer((__file__,))
    with pytest.raises(Broken):
        tracer.run(_breaks, b"", 100)
    assert sys.gettrace() is before
    assert tracer.lines == 1


def _breaks(data: bytes) -> None:
    raise Broken


def test_pieces_are_all_of_it() -> None:
    """And the same ones each time."""
    data = bytes(range(256))
    assert b"".join(pieces(data)) == data
    assert pieces(data) == pieces(data)
    assert len(pieces(data)) > 1
