"""Which command is legal when."""

import pytest

from mailhorn.imap import commands as c
from mailhorn.imap.state import State, after, is_legal
from mailhorn.model.flags import NO_FLAGS
from mailhorn.model.numbers import SeqSet
from mailhorn.model.search import All, SortField, SortKey, ThreadAlgorithm

ONE = SeqSet(((1, 1),))
COMMANDS: list[tuple[c.Command, str]] = [
    (c.Simple(c.Keyword.CAPABILITY), "NAS"),
    (c.Simple(c.Keyword.NOOP), "NAS"),
    (c.Simple(c.Keyword.LOGOUT), "NAS"),
    (c.Id(None), "NAS"),
    (c.Simple(c.Keyword.STARTTLS), "N"),
    (c.Login(b"u", b"p"), "N"),
    (c.Authenticate("PLAIN"), "N"),
    (c.Enable(("X",)), "AS"),
    (c.Compress(), "AS"),
    (c.Simple(c.Keyword.UNAUTHENTICATE), "AS"),
    (c.Select("INBOX"), "AS"),
    (c.Create("a"), "AS"),
    (c.Delete("a"), "AS"),
    (c.Rename("a", "b"), "AS"),
    (c.Subscribe("a"), "AS"),
    (c.List("", "*"), "AS"),
    (c.Simple(c.Keyword.NAMESPACE), "AS"),
    (c.Status("a", (c.StatusItem.MESSAGES,)), "AS"),
    (c.Append("a", NO_FLAGS, None, 1), "AS"),
    (c.Simple(c.Keyword.IDLE), "AS"),
    (c.Simple(c.Keyword.CHECK), "S"),
    (c.Simple(c.Keyword.CLOSE), "S"),
    (c.Simple(c.Keyword.UNSELECT), "S"),
    (c.Expunge(), "S"),
    (c.Search(All()), "S"),
    (c.Sort((SortKey(SortField.DATE),), "UTF-8", All()), "S"),
    (c.FindThreads(ThreadAlgorithm.REFERENCES, "UTF-8", All()), "S"),
    (c.MultiSearch(All()), "AS"),
    (c.Notify(None), "AS"),
    (c.CancelUpdate((b"a",)), "S"),
    (c.GetMetadata("", ("/private/comment",)), "AS"),
    (c.SetMetadata("", (("/private/comment", None),)), "AS"),
    (c.GetQuota(b""), "AS"),
    (c.GetQuotaRoot("a"), "AS"),
    (c.SetAcl("a", "b", "lr"), "AS"),
    (c.DeleteAcl("a", "b"), "AS"),
    (c.GetAcl("a"), "AS"),
    (c.ListRights("a", "b"), "AS"),
    (c.MyRights("a"), "AS"),
    (c.Fetch(ONE, (c.Attribute.UID,)), "S"),
    (c.Store(ONE, c.StoreMode.ADD, ("\\Seen",)), "S"),
    (c.Copy(ONE, "a"), "S"),
    (c.Move(ONE, "a"), "S"),
]
LETTERS = {"N": State.NOT_AUTHENTICATED, "A": State.AUTHENTICATED, "S": State.SELECTED}


@pytest.mark.parametrize(("command", "states"), COMMANDS, ids=lambda value: type(value).__name__)
def test_each_command_is_legal_where_its_section_says(command: c.Command, states: str) -> None:
    """RFC 9051 §6.1 any state, §6.2 before login, §6.3 after it, §6.4 in a mailbox; after LOGOUT nothing."""
    assert {state for state in State if is_legal(command, state)} == {LETTERS[letter] for letter in states}


def test_every_command_is_in_the_table() -> None:
    """A new command must be given its states."""
    kinds = {type(command) for command, _ in COMMANDS}
    words = {command.keyword for command, _ in COMMANDS if isinstance(command, c.Simple)}
    assert kinds == set(c.Command.__args__) and words == set(c.Keyword)


def test_success_moves_on_and_a_failed_select_deselects() -> None:
    """RFC 9051 §6.3.2: after a failed SELECT no mailbox is selected."""
    assert after(c.Login(b"u", b"p"), State.NOT_AUTHENTICATED, True) is State.AUTHENTICATED
    assert after(c.Login(b"u", b"p"), State.NOT_AUTHENTICATED, False) is State.NOT_AUTHENTICATED
    assert after(c.Select("INBOX"), State.AUTHENTICATED, True) is State.SELECTED
    assert after(c.Select("nix"), State.SELECTED, False) is State.AUTHENTICATED
    assert after(c.Simple(c.Keyword.CLOSE), State.SELECTED, True) is State.AUTHENTICATED
    assert after(c.Simple(c.Keyword.NOOP), State.SELECTED, True) is State.SELECTED
    assert after(c.Simple(c.Keyword.LOGOUT), State.SELECTED, True) is State.LOGOUT
