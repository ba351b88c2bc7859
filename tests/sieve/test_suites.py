"""The suites in `suites/`: tests of Sieve in Sieve, by extension."""

from pathlib import Path

import pytest

from mailhorn.testing.svtest import run_suite

SUITES = sorted((Path(__file__).parent / "suites").rglob("*.svtest"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.stem)
def test_suite(suite: Path) -> None:
    """Every test of the suite passes, and there is one at least."""
    results = run_suite(suite)
    assert results
    assert [f"{result.line}: {result.name}: {result.problem}" for result in results if result.problem] == []
