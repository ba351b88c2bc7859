"""What rules are called, and that the steps know it."""

import pytest

from mailhorn.model.flags import NO_FLAGS
from mailhorn.sieve import Actions, HeaderFacts, evaluate
from mailhorn.watch.act import plan
from mailhorn.watch.facts import install
from mailhorn.watch.rules import RuleNames

SCRIPT = """require ["fileinto", "imap4flags"];
if header :is "subject" "early" { discard; stop; }
# rule:[Lists]
if header :contains "subject" "list" {
    fileinto "Lists";
}
#rule: [ Boss ]
elsif header :contains "subject" "boss" { addflag "\\\\Flagged"; }
"""


def test_names() -> None:
    """The last comment above a line; before the first one, the line."""
    names = RuleNames(SCRIPT)
    assert [names.at(line) for line in (2, 3, 5, 7, 9)] == ["line 2", "Lists", "Lists", "Boss", "Boss"]
    assert RuleNames("").at(7) == "line 7"


@pytest.mark.parametrize(
    ("subject", "rules"), [("a list", ["Lists"]), ("boss", ["Boss"]), ("early", ["line 2"]), ("else", [])]
)
def test_steps_know_their_rule(subject: str, rules: list[str]) -> None:
    """Also discard, and flags that no command of its own files."""
    actions = evaluate(install(SCRIPT), HeaderFacts([("Subject", subject)]))
    assert isinstance(actions, Actions)
    steps = plan(actions, "INBOX", NO_FLAGS, "Trash", RuleNames(SCRIPT).at)
    assert [step.rule for step in steps] == rules
