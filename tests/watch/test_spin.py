"""A session that wakes more often than what it hears explains."""

from mailhorn.watch.spin import FREE, MOST, PER_HEARD, PER_MESSAGE, PERIOD, SpinGuard


def test_what_is_free_and_what_is_explained() -> None:
    """Some steps need no reason; each thing heard explains some; a new period begins at nothing."""
    guard = SpinGuard(0.0)
    assert [guard.count(1.0, heard=False) for _ in range(FREE)][-1] == 0
    assert guard.count(1.0, heard=False) == 1
    assert guard.count(1.0, heard=True) == 0
    assert [guard.count(1.0, heard=False) for _ in range(PER_HEARD - 1)][-1] == 0
    assert guard.count(1.0, heard=False) == 1
    assert guard.count(PERIOD, heard=False) == 0


def test_messages_explain_steps() -> None:
    """Also in the next period, and no more than so many of them."""
    guard = SpinGuard(0.0)
    assert guard.count(9.0, heard=True, messages=100) == 0
    free = 100 * PER_MESSAGE + FREE
    assert [guard.count(PERIOD, heard=False) for _ in range(free)][-1] == 0
    assert guard.count(PERIOD, heard=False) == 1
    guard = SpinGuard(0.0)
    guard.count(0.0, heard=True, messages=10**6)
    assert [guard.count(0.0, heard=False) for _ in range(MOST + FREE + PER_HEARD)][-1] == 0
    assert guard.count(0.0, heard=False) == 1
