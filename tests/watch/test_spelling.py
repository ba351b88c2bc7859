"""How servers spell the names that rules give."""

import pytest

from mailhorn.imap.responses import Namespaces
from mailhorn.watch.spelling import MAX_PREFIXES, Spelling

CYRUS = Namespaces((("INBOX.", "."),), (("user.", "."),), (("", "."),))
DOVECOT = Namespaces((("", "/"),), (("Other Users/", "/"),), (("#Public/", "/"),))
FLAT = Namespaces((("", None),), None, None)
NOTHING = Namespaces(None, None, None)
PREFIXED = Namespaces((("mail/", "/"),), None, None)


@pytest.mark.parametrize(
    ("namespaces", "name", "spelled"),
    [
        (CYRUS, "Lists/Python", "INBOX.Lists.Python"),
        (CYRUS, "Lists.Python", "INBOX.Lists.Python"),
        (CYRUS, "Inbox", "Inbox"),
        (CYRUS, "inbox/Lists", "inbox.Lists"),
        (CYRUS, "user/bob/Drafts", "user.bob.Drafts"),
        (CYRUS, "Inboxes", "INBOX.Inboxes"),
        (DOVECOT, "Lists/a.example.org", "Lists/a.example.org"),
        (DOVECOT, "#Public/News", "#Public/News"),
        (FLAT, "Lists/Python", "Lists/Python"),
        (NOTHING, "Lists/Python", "Lists/Python"),
        (PREFIXED, "Lists", "mail/Lists"),
        (PREFIXED, "mail/Lists", "mail/Lists"),
        (PREFIXED, "INBOX", "INBOX"),
    ],
)
def test_spelled(namespaces: Namespaces, name: str, spelled: str) -> None:
    """The user's own mailbox, however deep, unless the name says that it is somebody else's."""
    assert Spelling.told(namespaces).spelled(name) == spelled


def test_a_server_of_namespaces() -> None:
    """Some are heeded: every name is compared with every prefix."""
    many = Namespaces(tuple((f"p{number}.", ".") for number in range(20_000)), None, None)
    assert len(Spelling.told(many).prefixes) == MAX_PREFIXES


@pytest.mark.parametrize(
    ("namespaces", "mailbox", "names"),
    [
        (CYRUS, "INBOX.A.b", {"INBOX.A.b", "INBOX/A/b", "A.b", "A/b"}),
        (CYRUS, "INBOX", {"INBOX"}),
        (DOVECOT, "A/b.c", {"A/b.c"}),
        (NOTHING, "A", {"A"}),
    ],
)
def test_names_that_rules_may_use(namespaces: Namespaces, mailbox: str, names: set[str]) -> None:
    """Those that are spelled so, and the server's own."""
    spelling = Spelling.told(namespaces)
    assert spelling.names(mailbox) == names
    assert all(spelling.spelled(name) == mailbox for name in names)
