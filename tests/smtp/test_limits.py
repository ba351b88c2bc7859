"""smtp/limits.py: the limits are no smaller than the standards allow."""

from mailhorn.smtp import limits


def test_minimum_sizes() -> None:
    """RFC 5321 §4.5.3.1 and RFC 4954 §4: least sizes a server must take."""
    assert limits.MAX_LOCAL_PART >= 64
    assert limits.MAX_DOMAIN >= 255
    assert limits.MAX_PATH >= 256
    assert limits.MAX_LINE >= 12_288


def test_a_longest_line_fits_what_may_wait() -> None:
    """A full command line can always be read, or the connection would stand still."""
    assert limits.MAX_PENDING > limits.MAX_LINE
