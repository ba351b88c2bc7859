"""`./dev bench compared`, scaled down: mailhorn alone, before its own server, with the faults that are over soon."""

import json
from pathlib import Path

import pytest
from bench.compared import SCENARIOS, Outcome, table
from bench.contenders import ALL, Watch
from tests.end_to_end.test_bench import bench


@pytest.mark.timeout(180)
def test_nothing_is_missed_or_doubled(tmp_path: Path) -> None:
    """Whatever happens to server and connection, each message is filed once."""
    run = bench(tmp_path, "compared", "--quick", "--own-server")
    told, errors = run.communicate(timeout=170)
    assert run.returncode == 0, told + errors
    outcomes = json.loads((tmp_path / "result.json").read_text())["outcomes"]
    assert len(outcomes) == sum(one.quick for one in SCENARIOS)
    for outcome in outcomes:
        assert outcome["program"] == "mailhorn watch" and outcome["sent"] == 6, outcome
        assert outcome["missed"] == outcome["doubled"] == outcome["starts"] == 0, outcome
        assert f"| {outcome['scenario']} " in told
    assert not list(tmp_path.glob("mailhorn-bench-*"))


def test_the_table_tells_flaws() -> None:
    """What was missed or doubled is in the table, and no time where something was missed."""
    first, second = SCENARIOS[:2]
    outcomes = [
        Outcome(first.name, Watch.name, 6, 0, 0, 0.34, 0.05, 20.0, 0),
        Outcome(first.name, ALL[1].name, 6, 2, 0, None, 18.0, 20.0, 1),
        Outcome(second.name, ALL[1].name, 6, 0, 1, 7.0, 0.1, 20.0, 0),
    ]
    head, _, *rows = table([first, second], ALL[:2], outcomes).splitlines()
    assert head.split() == ["|", "fault", "|", "mailhorn", "watch", "|", "imapfilter", "|"]
    assert [cell.strip() for cell in rows[0].split("|")[2:4]] == [
        "0.3 s, 0.05 s CPU",
        "**2 missed**, 1 restart, 18.00 s CPU",
    ]
    assert [cell.strip() for cell in rows[1].split("|")[2:4]] == ["–", "**1 doubled**, 7.0 s, 0.10 s CPU"]
