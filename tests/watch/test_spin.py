"""A session that wakes more often than what it hears explains."""

from mailhorn.watch.spin import FREE, PER_HEARD, PERIOD, SpinGuard


def test_what_is_free_and_what_is_explained() -> None:
    """Some steps need no reason; each thing heard explains some; a new period begins at nothing."""
    guard = SpinGuard(0.0)
    assert [guard.count(1.0, heard=False) for _ in range(FREE)][-1] == 0
    assert guard.count(1.0, heard=False) == 1
    assert guard.count(1.0, heard=True) == 0
    assert [guard.count(1.0, heard=False) for _ in range(PER_HEARD - 1)][-1] == 0
    assert guard.count(1.0, heard=False) == 1
    assert guard.count(PERIOD, heard=False) == 0
