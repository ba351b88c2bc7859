"""From decisions to steps."""

import pytest

from mailhorn.sieve import Actions, Discard, FileInto, HeaderFacts, Keep, compile_script, evaluate
from mailhorn.watch.act import Kind, Step, plan

NONE: frozenset[str] = frozenset()


def steps(script: str, home: str = "INBOX", present: frozenset[str] = NONE, trash: str | None = "Trash") -> list[Step]:
    """Return what a script leads to."""
    program = compile_script('require ["fileinto", "imap4flags", "copy", "mailbox"]; ' + script)
    decided = evaluate(program, HeaderFacts((), size=1))
    assert isinstance(decided, Actions)
    return list(plan(decided, home, present, trash))


@pytest.mark.parametrize(
    "script, expected",
    [
        ("", []),
        ("keep;", []),
        ('fileinto "A";', [Step(Kind.MOVE, "A")]),
        ('fileinto :create "A";', [Step(Kind.MOVE, "A", create=True)]),
        ('fileinto :copy "A";', [Step(Kind.COPY, "A")]),
        ('fileinto "A"; keep;', [Step(Kind.COPY, "A")]),
        ('fileinto "A"; fileinto "B";', [Step(Kind.COPY, "A"), Step(Kind.MOVE, "B")]),
        ('fileinto "inbox";', []),
        ("discard;", [Step(Kind.MOVE, "Trash", create=True)]),
        ('discard; fileinto "A";', [Step(Kind.MOVE, "A")]),
        ('addflag ["work", "\\\\Seen"];', [Step(Kind.ADD_FLAGS, flags=("\\Seen", "work"))]),
        (
            'addflag "work"; fileinto "A";',
            [Step(Kind.ADD_FLAGS, flags=("work",)), Step(Kind.MOVE, "A")],
        ),
    ],
)
def test_plans(script: str, expected: list[Step]) -> None:
    """Copies come first, then flags for what stays; what takes the message away is last."""
    assert steps(script) == expected


def test_copies_with_flags_of_their_own() -> None:
    """A copy has the flags it was to have, and what stays has not."""
    assert steps('fileinto :copy :flags "a" "A"; fileinto :copy :flags "b" "B";') == [
        Step(Kind.ADD_FLAGS, flags=("a",)),
        Step(Kind.COPY, "A"),
        Step(Kind.REMOVE_FLAGS, flags=("a",)),
        Step(Kind.ADD_FLAGS, flags=("b",)),
        Step(Kind.COPY, "B"),
        Step(Kind.REMOVE_FLAGS, flags=("b",)),
    ]


def test_flags_that_are_there_are_neither_added_nor_removed() -> None:
    """What the user's other programs have set is theirs, whatever its case."""
    present = frozenset({"\\Seen", "Work"})
    assert steps('fileinto :copy :flags ["work", "\\\\seen"] "A";', present=present) == [Step(Kind.COPY, "A")]


def test_home_is_the_watched_mailbox() -> None:
    """Keep means: where it was found. Into itself nothing is moved."""
    assert steps('fileinto "Work";', home="Work") == []
    assert steps("keep;", home="Work") == []
    assert steps("discard;", home="Trash") == []


def test_discard_can_delete() -> None:
    """Only when the user has asked for it."""
    assert steps("discard;", trash=None) == [Step(Kind.DELETE)]
    assert plan(Actions((Discard(),), implicit_keep=False), "INBOX", NONE, None) == (Step(Kind.DELETE),)
    assert plan(Actions((Keep(), FileInto("A"))), "INBOX", NONE, None) == (Step(Kind.COPY, "A"),)
