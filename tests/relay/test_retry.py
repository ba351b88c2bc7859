"""What an answer means, and how long to wait."""

import pytest

from mailhorn.relay.queue import Outcome, Waiting
from mailhorn.relay.retry import LEAST, LONGEST, Answer, judged, pause

WAITING = Waiting(3, "bob@example.net", 2)
DAY = 86400.0


def outcome(answer: Answer, age: float = 0.0, roll: float = 1.0) -> Outcome:
    return judged(WAITING, answer, 1_000.0, age, 5 * DAY, roll)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (Answer(250, "ok"), "done"),
        (Answer(251, "will forward"), "done"),
        (Answer(450, "4.2.1 busy"), "due"),
        (Answer(0, "the connection was lost"), "due"),
        (Answer(354, "what"), "due"),
        (Answer(550, "5.1.1 nobody"), "failed"),
        (Answer(599, "?"), "failed"),
        (Answer(530, "5.7.0 log in first"), "due"),
        (Answer(535, "5.7.8 wrong password"), "due"),
        (Answer(600, "?"), "due"),
    ],
)
def test_what_it_means(answer: Answer, state: str) -> None:
    """2xx is done, 5xx is for good unless it speaks of our login, all else is tried again."""
    assert outcome(answer).state == state


def test_too_old_is_for_good() -> None:
    """What was put off for days fails; what is taken after days is taken."""
    assert outcome(Answer(450, "busy"), 5 * DAY).state == "failed"
    assert outcome(Answer(450, "busy"), 5 * DAY - 1).state == "due"
    assert outcome(Answer(250, "ok"), 9 * DAY).state == "done"


def test_the_pause_doubles_and_is_drawn() -> None:
    """Full jitter: anything up to the double of the last; never at once, never beyond the longest."""
    assert outcome(Answer(450, "busy"), roll=1.0).due == 1_000 + 240
    assert outcome(Answer(450, "busy"), roll=0.5).due == 1_000 + 120
    assert outcome(Answer(450, "busy"), roll=0.0).due == 1_000 + LEAST
    assert [pause(n, 1.0) for n in (0, 1, 7, 8, 9, 10**9)] == [60, 120, 7680, LONGEST, LONGEST, LONGEST]


@pytest.mark.parametrize(
    ("answer", "text"),
    [(Answer(550, "5.1.1 nobody"), "550 5.1.1 nobody"), (Answer(0, "lost"), "lost"), (Answer(250, ""), "250")],
)
def test_as_text(answer: Answer, text: str) -> None:
    """As the log and the list show it."""
    assert str(answer) == text
