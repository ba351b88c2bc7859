"""Keep-alives on a virtual clock: together for one client, and as often as its network needs."""

import errno
import math

from hypothesis import given
from hypothesis import strategies as st

from mailhorn.server.imap.keepalive import REMEMBERED, SURVIVED, KeepAlive, KeepAliveOptions

PHONE = ("ann", "192.0.2.1")
START = 240.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_keep_alive(remembered: int = REMEMBERED) -> tuple[KeepAlive, Clock]:
    clock = Clock()
    return KeepAlive(KeepAliveOptions(), clock, 300.0, remembered), clock


def timed_out() -> OSError:
    return OSError(errno.ETIMEDOUT, "Connection timed out")


def fail(keep_alive: KeepAlive, clock: Clock) -> bool:
    """Let a connection die whose client was there meanwhile, long after any other death."""
    clock.now += 3600.0
    keep_alive.heard(*PHONE)
    return keep_alive.lost(*PHONE, 1, clock.now, timed_out())


def survive(keep_alive: KeepAlive, times: int) -> None:
    for _ in range(times):
        keep_alive.heard(*PHONE, beats=2)


elsewhere = st.ip_addresses().filter(lambda address: not address.is_loopback).map(str)


@given(st.lists(st.floats(0.0, 1e7), min_size=2, max_size=8), elsewhere)
def test_the_connections_of_one_client_beat_together(begun: list[float], address: str) -> None:
    """Whenever each began to idle; and nobody waits for longer than the interval."""
    keep_alive, clock = a_keep_alive()
    late = max(begun)
    beats = []
    for clock.now in begun:
        beat = keep_alive.next_beat("ann", address)
        assert clock.now < beat <= clock.now + START + 1.0
        beats.append(beat)
    clock.now = late
    together = keep_alive.next_beat("bob", address)
    for beat in beats:
        steps = (together - beat) / START
        assert math.isclose(steps, round(steps), abs_tol=1e-6)


@given(st.floats(0.0, 1e7), st.integers(-2, 2), st.integers(-2, 2))
def test_connections_stay_together_while_the_interval_changes(now: float, before: int, after: int) -> None:
    """A beat of the longer interval is one of the shorter, too."""
    shorter, longer = sorted((START * 2.0**before, START * 2.0**after))
    clock = Clock()
    clock.now = now
    beat = KeepAlive(KeepAliveOptions(START, 60.0, 1740.0), clock)
    finest = KeepAlive(KeepAliveOptions(60.0, 60.0, 960.0), clock)
    for seconds in (shorter, longer):
        k = KeepAlive(KeepAliveOptions(seconds, 60.0, 1740.0), clock)
        clock.now = k.next_beat(*PHONE) - 2.0
        assert math.isclose(finest.next_beat(*PHONE), clock.now + 2.0, abs_tol=1e-6)
    assert beat.interval(*PHONE) == START


def test_the_connections_of_this_machine_are_spread() -> None:
    """They are no phone's, and a webmail's ten thousand need not beat at once."""
    keep_alive, _ = a_keep_alive()
    assert len({keep_alive.next_beat(f"user{n}", "127.0.0.1") for n in range(50)}) > 40
    assert len({keep_alive.next_beat(f"user{n}", "192.0.2.1") for n in range(50)}) == 1


def test_silent_deaths_make_it_shorter() -> None:
    """Down to the shortest; and only of that client."""
    keep_alive, clock = a_keep_alive()
    seconds = []
    for _ in range(4):
        assert fail(keep_alive, clock)
        seconds.append(keep_alive.interval(*PHONE))
    assert seconds == [120.0, 60.0, 60.0, 60.0]
    assert keep_alive.interval("ann", "192.0.2.2") == keep_alive.interval("bob", "192.0.2.1") == START


def test_what_dies_together_counts_once() -> None:
    """A router that forgets one connection of a phone forgets the others in the same moment."""
    keep_alive, clock = a_keep_alive()
    assert fail(keep_alive, clock)
    clock.now += 2.0
    assert not keep_alive.lost(*PHONE, 1, clock.now, timed_out())
    assert keep_alive.interval(*PHONE) == 120.0


def test_a_phone_that_left_has_not_lost_its_connections_to_a_router() -> None:
    """Nobody of that client was there while its connection lay dead: it says nothing about the network."""
    keep_alive, clock = a_keep_alive()
    keep_alive.heard(*PHONE)
    clock.now += 301.0
    assert not keep_alive.lost(*PHONE, 1, clock.now, timed_out())
    assert keep_alive.interval(*PHONE) == START


def test_a_reset_counts_if_it_answers_a_keep_alive() -> None:
    """At any other time a program just ended; and so it does if it hangs up."""
    keep_alive, clock = a_keep_alive()
    keep_alive.heard(*PHONE)
    clock.now += 500.0
    in_answer, at_leisure = clock.now + START - 3.0, clock.now + START - 30.0
    assert not keep_alive.lost(*PHONE, 0, in_answer, ConnectionResetError())
    assert not keep_alive.lost(*PHONE, 1, at_leisure, ConnectionResetError())
    assert not keep_alive.lost(*PHONE, 1, in_answer, None)
    assert not keep_alive.lost(*PHONE, 1, in_answer, ZeroDivisionError())
    assert not keep_alive.lost("eve", "192.0.2.9", 1, in_answer, ConnectionResetError())
    assert keep_alive.lost(*PHONE, 1, in_answer, ConnectionResetError())
    assert keep_alive.interval(*PHONE) == 120.0


def test_what_lasts_makes_it_longer() -> None:
    """Up to the longest step below the limit."""
    keep_alive, _ = a_keep_alive()
    for _ in range(100):
        keep_alive.heard(*PHONE, beats=1)
    assert keep_alive.interval(*PHONE) == START  # nothing was silent for a whole interval
    seconds = []
    for _ in range(4):
        survive(keep_alive, SURVIVED - 1)
        seconds.append(keep_alive.interval(*PHONE))
        survive(keep_alive, 1)
    assert seconds == [240.0, 480.0, 960.0, 960.0]


def test_each_failure_makes_the_next_try_later() -> None:
    """So a network that forgets after six minutes is tried out again and again, but ever more rarely."""
    keep_alive, clock = a_keep_alive()
    survive(keep_alive, SURVIVED)
    assert keep_alive.interval(*PHONE) == 480.0
    fail(keep_alive, clock)
    survive(keep_alive, 2 * SURVIVED - 1)
    assert keep_alive.interval(*PHONE) == START
    survive(keep_alive, 1)
    assert keep_alive.interval(*PHONE) == 480.0


def test_all_three_alike_is_always_the_same() -> None:
    """For who wants to know what goes over the wire."""
    clock = Clock()
    keep_alive = KeepAlive(KeepAliveOptions(30.0, 30.0, 30.0), clock)
    survive(keep_alive, 100)
    fail(keep_alive, clock)
    assert keep_alive.interval(*PHONE) == 30.0


def test_what_is_remembered_is_bounded() -> None:
    """Who was not heard of for the longest is forgotten, and starts anew."""
    keep_alive, clock = a_keep_alive(remembered=3)
    fail(keep_alive, clock)
    for name in ("bob", "eve"):
        keep_alive.heard(name, "192.0.2.2")
    keep_alive.heard(*PHONE)
    keep_alive.heard("dan", "192.0.2.2")
    assert (len(keep_alive), keep_alive.interval(*PHONE)) == (3, 120.0)
    keep_alive.heard("fay", "192.0.2.2")
    keep_alive.heard("gus", "192.0.2.2")
    keep_alive.heard("hal", "192.0.2.2")
    assert (len(keep_alive), keep_alive.interval(*PHONE)) == (3, START)
