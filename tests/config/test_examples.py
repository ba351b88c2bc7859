"""The files in examples/ are what they say."""

from pathlib import Path

from mailhorn.config.find import watch_settings
from mailhorn.server.scripts import check_script
from mailhorn.watch.facts import install

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_rules_are_taken_by_both_sides() -> None:
    """One rule file means one thing, at delivery and on any account."""
    text = (EXAMPLES / "rules.sieve").read_text("utf-8")
    assert check_script(text).mailboxes == install(text).mailboxes == {"Lists/Python", "Bills", "Later"}


def test_the_accounts_are_read() -> None:
    """Every setting in it exists."""
    settings, path = watch_settings(EXAMPLES / "watch.toml")
    assert path == EXAMPLES / "watch.toml"
    assert [account.name for account in settings.account] == ["work", "home"]
