import pytest

from mailhorn.sieve.actions import Actions, Discard, FileInto, Keep, Redirect, mailbox_key, merge

SEEN = frozenset({"\\Seen"})


def test_the_line_of_a_step_does_not_make_it_another_step() -> None:
    """The line is for explaining; two rules that decide the same decide the same."""
    assert FileInto("a", line=1) == FileInto("a", line=2)


@pytest.mark.parametrize(("name", "key"), [("inbox", "INBOX"), ("InBoX", "INBOX"), ("Inbox/a", "Inbox/a"), ("a", "a")])
def test_inbox_has_no_case(name: str, key: str) -> None:
    """RFC 9051 §5.1."""
    assert mailbox_key(name) == key


def test_of_two_flag_lists_the_last_one_wins() -> None:
    """RFC 5232 §3: "the last flag list value MUST win"; a list that says nothing is the empty list then."""
    assert merge(FileInto("a", SEEN), FileInto("a", frozenset({"x"}))).flags == frozenset({"x"})
    assert merge(FileInto("a", SEEN), FileInto("a", None)).flags == frozenset()
    assert merge(FileInto("a", None), FileInto("a", None)).flags is None


def test_of_two_filings_one_without_copy_moves() -> None:
    """A copy is only what every one of them called a copy; to create, one is enough."""
    both = merge(FileInto("a", copy=True, create=True), FileInto("a"))
    assert (both.copy, both.create) == (False, True)


def test_filings_put_keep_where_home_is() -> None:
    """At delivery keep means INBOX; for a watcher it means the mailbox where the message is."""
    actions = Actions((Keep(SEEN), FileInto("a"), Redirect("x@y")), implicit_keep=False)
    assert actions.filings() == (FileInto("INBOX", SEEN), FileInto("a"))
    assert actions.filings("Newsletters") == (FileInto("Newsletters", SEEN), FileInto("a"))
    assert actions.redirects == (Redirect("x@y"),)


def test_filings_name_each_mailbox_once() -> None:
    """RFC 5228 §2.10.3: not more than once into the same mailbox, keep and fileinto "INBOX" included."""
    actions = Actions((FileInto("INBOX", copy=True),), implicit_keep=True, implicit_flags=SEEN)
    assert actions.filings("inbox") == (FileInto("INBOX", SEEN),)


def test_discard_files_nowhere() -> None:
    """RFC 5228 §4.4."""
    assert Actions((Discard(),), implicit_keep=False).filings() == ()


def test_no_script_keeps() -> None:
    """The implicit keep."""
    assert Actions().filings() == (FileInto("INBOX"),)
