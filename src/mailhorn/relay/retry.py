"""What an answer of a smarthost means for a recipient, and when to try again. Decides only: no clock, no I/O.

Rule 1: 2xx is done, 4xx is tried again, 5xx is for good; what is too old is for good as well. Rule 2: the time until
the next attempt doubles, and is drawn at random below that (full jitter): letters that failed together do not come
together again. Rule 3: what lies at the smarthost as a whole (it cannot be reached, wants another login) is no attempt
of any letter: all wait, with one backoff.
"""

from dataclasses import dataclass

from .queue import Outcome, Waiting

FIRST = 60.0
"""Seconds, at the most, to the second attempt. RFC 5321 §4.5.4.1 wants half an hour in general, and sooner at first:
who greylists takes it after a minute or five."""

LONGEST = 4 * 3600.0
"""Seconds between two attempts at the most: twice a working day, as other servers do."""

LEAST = 15.0
"""Seconds between two attempts at the least, whatever is drawn."""

SMARTHOST_FIRST, SMARTHOST_LONGEST = 2.0, 300.0
"""The same for the smarthost as a whole: a restart takes seconds, and one attempt in five minutes costs nobody
anything."""

MAX_AGE = 5 * 86400.0
"""Seconds until who sent it is told that it cannot be delivered (RFC 5321 §4.5.4.1: at least 4 to 5 days)."""

NOT_OURS = frozenset((421, 454, 530, 534, 535, 538))
"""Codes that speak of the connection or the login, not of a letter (RFC 5321 §4.2.2, RFC 4954 §6, RFC 3207 §4)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a smarthost said.

    Attributes:
        code: Three digits; 0 if it said nothing and the connection ended.
        text: The rest, on one line, printable ASCII.

    """

    code: int
    text: str

    @property
    def good(self) -> bool:
        """It was taken."""
        return 200 <= self.code < 300

    @property
    def bad(self) -> bool:
        """It will not be taken, ever."""
        return 500 <= self.code < 600 and self.code not in NOT_OURS

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip() if self.code else self.text


def judged(waiting: Waiting, answer: Answer, now: float, age: float, max_age: float, roll: float) -> Outcome:
    """
    Return what becomes of a recipient.

    Args:
        waiting: The recipient.
        answer: What was said of it.
        now: Seconds since 1970.
        age: Of the letter, seconds.
        max_age: When it is too old.
        roll: At random, 0 to 1.

    """
    said = str(answer)
    if answer.good:
        return Outcome(waiting.id, "done", said)
    if answer.bad or age >= max_age:
        return Outcome(waiting.id, "failed", said)
    return Outcome(waiting.id, "due", said, now + pause(waiting.attempts, roll))


def pause(attempts: int, roll: float, first: float = FIRST, longest: float = LONGEST, least: float = LEAST) -> float:
    """
    Return the seconds until the next attempt.

    Args:
        attempts: How many have failed before the last one.
        roll: At random, 0 to 1.
        first: At the most after the first.
        longest: At the most after any.
        least: At the least.

    """
    return max(least, roll * min(longest, first * 2.0 ** min(attempts, 64)))


__all__ = ["MAX_AGE", "NOT_OURS", "Answer", "judged", "pause"]
