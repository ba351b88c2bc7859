"""What may be required, and what is said of what may not."""

import pytest

from mailhorn.server.filtering.abilities import Abilities
from mailhorn.sieve import ALL, SieveError


def test_with_everything_there_is_nothing_that_is_not_offered() -> None:
    """But for what an IMAP client's doing cannot be asked."""
    everything = Abilities(*[True] * 7)
    assert everything.offers() == ALL
    assert everything.offers(event=True) == ALL - {"envelope", "reject", "ereject", "vacation", "vacation-seconds"}
    assert everything.refuses() == {}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('redirect "a@example.org";', "redirect needs a way out for mail"),
        ('require "vacation"; vacation "x";', r'"vacation" needs a way out for mail.*\[relay\]'),
        ('require ["vacation-seconds"];', r'"vacation-seconds" needs a way out'),
        ('require "reject";', '"reject" needs a way out'),
        ('require "enotify";', '"enotify" needs a way out'),
        ('require "extlists";', r"needs lists.*\[sieve\] lists"),
        ('require "spamtest";', "needs a checker's verdict: set spam_header"),
        ('require "virustest";', "needs a checker's verdict: set virus_header"),
        ('require "vnd.mailhorn.execute";', "needs programs that the administrator allows"),
        ('require "nonsense";', "unknown extension"),
    ],
)
def test_what_is_missing_is_said(script: str, said: str) -> None:
    """With what to do about it."""
    with pytest.raises(SieveError, match=said):
        Abilities().program(script)


def test_refusing_needs_no_queue() -> None:
    """ereject answers the client; it is letters that need a way out."""
    assert "ereject" in Abilities().offers() and "reject" not in Abilities().offers()
