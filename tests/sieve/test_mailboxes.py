import pytest

from mailhorn.sieve.limits import MAX_MAILBOX_NAME
from mailhorn.sieve.mailboxes import problem


@pytest.mark.parametrize(
    "name", ["INBOX", "a/b", "odds & ends", "Entwürfe", "日本語", "\U0001f4ec", "..", "x" * MAX_MAILBOX_NAME]
)
def test_names(name: str) -> None:
    """What the store makes of separators and dots is the store's matter."""
    assert problem(name) is None


@pytest.mark.parametrize(
    "name", ["", "a\r\nb", "a\0", "a\x7f", "a\x85", "\udcff", "a\u2028b", "x" * (MAX_MAILBOX_NAME + 1)]
)
def test_what_is_no_name(name: str) -> None:
    """Control characters, octets that are no UTF-8, nothing, far too much."""
    assert problem(name)
