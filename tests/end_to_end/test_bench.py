"""`./dev bench` and `./dev bench soak`, scaled down: they work, and leave nothing running."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.clients import Commander, Refused
from bench.hold import hold
from bench.machine import tree
from bench.servers import Dovecot, Mailhorn, login
from tests.kit.process import environment

ROOT = Path(__file__).parents[2]


def bench(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start it, with its servers in this folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *arguments, "--directory", str(folder), "--json", str(folder / "result.json")],
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that Dovecot's mail user can enter; those of pytest are closed."""
    with tempfile.TemporaryDirectory(prefix="bench-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_soak(tmp_path: Path) -> None:
    """A quarter of a minute with 40 clients and a restart: nothing is lost, and the verdict says so."""
    run = bench(tmp_path, "soak", "--minutes", "0.2", "--connections", "40", "--rate", "1200", "--seed", "1")
    told, errors = run.communicate(timeout=50)
    assert run.returncode == 0, told + errors
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["passed"] and told.rstrip().endswith("PASSED")
    assert result["events"]["accepted"] > 100
    for event in ("log out", "vanish", "close", "walk away", "suspend", "deleted"):
        assert result["events"][event], f"nobody did: {event}"
    assert 0 < result["restart"]["down"] <= result["restart"]["back"]
    assert sum(period["told"] for period in result["periods"]) > 50


async def test_hold(tmp_path: Path) -> None:
    """Of each command it is told how long others wait; none is forgotten, and what it empties is empty."""
    server = Mailhorn(tmp_path / "server", 2)
    server.start()
    try:
        names = ("nothing", "FETCH FLAGS", "MOVE", "COPY", "EXPUNGE")
        figures = await hold(server, 0, 1, 2_000, 0.3, names)
        assert [figure.label for figure in figures] == [
            f"push beside {name}" for name in ("nothing", "FETCH FLAGS", "COPY", "MOVE", "EXPUNGE")
        ]
        assert figures[0].details["told"] > 0 and figures[1].details["longest_wait_ms"] > 0
        session = Commander(server.ports["imap"], login(0))
        session.ask(b"SELECT Moved")
        with pytest.raises(Refused):
            session.ask(b"FETCH 1 (FLAGS)")
        session.close()
    finally:
        server.stop()


@pytest.mark.skipif(not Dovecot.installed(), reason="dovecot is not installed")
def test_table(open_folder: Path) -> None:
    """Both servers are measured, each row has both and their ratio, and Dovecot is half a second late."""
    run = bench(open_folder, "--quick", "--seconds", "0.5")
    told, errors = run.communicate(timeout=50)
    assert run.returncode == 0, told + errors
    figures = json.loads((open_folder / "result.json").read_text())["figures"]
    push, rate = figures["push to 1 watcher"], figures["deliveries, 4 KiB, 10 sessions"]
    assert push["mailhorn"]["lost"] == push["Dovecot"]["lost"] == 0
    assert push["mailhorn"]["p50_ms"] < 400 < push["Dovecot"]["p50_ms"]
    assert rate["mailhorn"]["value"] > 0 and rate["Dovecot"]["value"] > 0
    rows = [line for line in told.splitlines() if line.startswith("| push")]
    assert len(rows) == 1 and "×" in rows[0]


def test_interrupted(tmp_path: Path) -> None:
    """Whoever presses Ctrl-C has nothing left running and nothing left lying about."""
    run = bench(tmp_path, "soak", "--minutes", "1", "--connections", "20")
    assert run.stdout is not None
    for line in run.stdout:
        if line.startswith("all 20"):
            break
    processes = tree(run.pid)
    assert len(processes) > 1, "it has no server"
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 130, errors
    assert [pid for pid in processes if os.path.exists(f"/proc/{pid}")] == []
    assert not list(tmp_path.glob("mailhorn-bench-*"))


@pytest.mark.skipif(not Dovecot.installed() or os.geteuid() != 0, reason="needs Dovecot and root")
def test_closed_folder(tmp_path: Path) -> None:
    """A folder that Dovecot's mail user cannot enter is named, with what to do."""
    run = bench(tmp_path, "--quick")
    told, errors = run.communicate(timeout=30)
    assert (run.returncode, told) == (1, "")
    assert "is closed to nobody" in errors and errors.rstrip().endswith("give another --directory")
