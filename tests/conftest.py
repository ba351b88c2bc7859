"""What all tests share: one Hypothesis profile, and the rule that CI skips nothing."""

import os
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import settings

settings.register_profile("mailhorn", deadline=None, max_examples=100)
settings.load_profile("mailhorn")

IN_CI = os.environ.get("CI") == "true"


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be missing: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed: a real client that is not installed there is a fault."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself while it is collected."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(autouse=True)
def _log_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves to the next how the log is kept: a level at which nothing is told, or loggers made for good."""
    plain = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **how: plain(**{**how, "cache_logger_on_first_use": False}))
    yield
    structlog.reset_defaults()
