"""Who takes part in a measurement."""

import pytest
from bench.__main__ import contestants
from bench.cases import ON_DEMAND, cases
from bench.servers import Dovecot, Mailhorn


@pytest.mark.parametrize(
    ("group", "expected"), [("commands", True), ("watch", True), ("hold", False), ("sieve", False), ("rules", False)]
)
def test_contestants(group: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dovecot is started only where a case has something for it to do; alone, mailhorn is measured alone."""
    monkeypatch.setattr(Dovecot, "installed", staticmethod(lambda: True))
    todo = cases([group], full=False, quick=False, seconds=1)
    assert contestants(todo, alone=False) == ([Mailhorn, Dovecot] if expected else [Mailhorn])
    assert contestants(todo, alone=True) == [Mailhorn]
    assert group == "commands" or group in ON_DEMAND
