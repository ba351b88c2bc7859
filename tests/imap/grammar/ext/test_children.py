"""Whether a mailbox has children."""

from mailhorn.imap.grammar.ext.children import child_mbox_flag


def test_exactly_one_attribute_is_true() -> None:
    """RFC 3348 §3."""
    assert child_mbox_flag(True) == "\\HasChildren"
    assert child_mbox_flag(False) == "\\HasNoChildren"
