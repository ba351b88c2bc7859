"""What the settings say of rules, and what is said of settings that cannot be carried out."""

from pathlib import Path

import pytest

from mailhorn.config.filtering import scripts_of, tools_of
from mailhorn.config.find import ConfigError
from mailhorn.config.settings import Sieve


@pytest.mark.parametrize(
    ("sieve", "said"),
    [
        (Sieve(webhooks=("http://hooks.example.org/",)), "sieve.webhooks"),
        (Sieve(webhooks=("https://hooks.example.org",)), "with a / behind the host"),
        (Sieve(lists=("friends",)), 'expected "NAME=FILE"'),
        (Sieve(programs=Path("/nowhere")), "sieve.programs: /nowhere is no folder"),
    ],
)
def test_what_cannot_be_is_said(sieve: Sieve, said: str) -> None:
    """In one line that names the setting."""
    with pytest.raises(ConfigError, match=said):
        tools_of(sieve, "mx.test")


def test_what_is_set_up_may_be_required(tmp_path: Path) -> None:
    """And nothing else."""
    sieve = Sieve(
        webhooks=("https://", "https://hooks.example.org/x"), lists=(f"friends = {tmp_path}",), spam_header="X-Spam"
    )
    tools = tools_of(sieve, "mx.test")
    scripts = scripts_of(sieve, tmp_path, tools, queue=True)
    assert tools.lists.known("friends") and {"spamtest", "extlists", "vacation"} <= scripts.abilities.offers()
    assert not {"virustest", "vnd.mailhorn.pipe"} & scripts.abilities.offers()


@pytest.mark.parametrize("setting", ["default", "before", "after", "imap_default"])
def test_a_script_of_the_operators_that_does_not_compile_is_said_at_the_start(tmp_path: Path, setting: str) -> None:
    """With the line it is in; of a folder each file counts."""
    path = tmp_path / "rules.sieve"
    path.write_text('keep;\nredirect "a@example.org";\n')
    sieve = Sieve(**{setting: (tmp_path,) if setting in ("before", "after") else path})
    with pytest.raises(ConfigError, match=rf"sieve.{setting}: {path}, line 2, column 1: redirect needs a way out"):
        scripts_of(sieve, tmp_path, tools_of(sieve, "mx.test"), queue=False)
