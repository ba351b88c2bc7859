"""The watcher's machine against a server in memory, in virtual time, with cuts at any point."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit.simulated_imap import Mailboxes
from tests.kit.watched import CAPABILITIES, MEMORY, World

from mailhorn.watch import filing
from mailhorn.watch.journal import Journal

ACTIONS = st.sampled_from(
    ["run", "run", "run", "mail", "mail", "burst", "cut", "cut move", "kill", "kill move", "wait"]
)


@pytest.mark.parametrize("capabilities", CAPABILITIES)
@settings(max_examples=250)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=50), seed=st.integers(0, 2**32), group=st.sampled_from([2, 100]))
def test_every_message_is_filed_exactly_once(capabilities: str, actions: list[str], seed: int, group: int) -> None:
    """Whatever is cut or killed, each message ends where the rules want it, once, and the machine idles again."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(filing, "GROUP", group)  # how many messages one command moves
        journal = Journal(Path(directory) / "journal")
        world = World(Mailboxes(*CAPABILITIES[capabilities]), journal, seed)
        world.settle()  # first contact: what comes from here on is filtered
        for action in actions:
            world.act(action)
        world.check()
        world.stop()
        journal.close()
