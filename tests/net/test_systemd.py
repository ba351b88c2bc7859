"""What systemd is told, over a real socket like its own."""

import asyncio
import configparser
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhorn.net.systemd import told

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where it listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield line


async def heard(line: socket.socket) -> str:
    """Return what it hears next."""
    async with asyncio.timeout(30):
        return (await asyncio.get_running_loop().sock_recv(line, 1000)).decode()


async def test_ready_and_stopping(systemd: socket.socket) -> None:
    """Once each; what we start is told of no systemd."""
    with told("watching 3 sessions", lambda: True):
        assert await heard(systemd) == "READY=1\nSTATUS=watching 3 sessions"
        assert "NOTIFY_SOCKET" not in os.environ
    assert await heard(systemd) == "STOPPING=1"


async def test_the_watchdog_is_fed_only_while_all_is_well(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three times in its period; not while somebody is stuck; again if that ends."""
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    asked = asyncio.Event()
    well = [True]

    def alive() -> bool:
        asked.set()
        return well[0]

    with told("", alive):
        await heard(systemd)
        for _ in range(3):
            assert await heard(systemd) == "WATCHDOG=1"
        well[0] = False
        for _ in range(3):
            asked.clear()
            await asked.wait()
        with pytest.raises(BlockingIOError):
            while True:
                assert systemd.recv(1000) == b"WATCHDOG=1"  # those of before
        asked.clear()
        await asked.wait()
        with pytest.raises(BlockingIOError):
            systemd.recv(1000)
        well[0] = True
        assert await heard(systemd) == "WATCHDOG=1"
    assert "WATCHDOG_USEC" not in os.environ


@pytest.mark.parametrize(("period", "process"), [("0", ""), ("x", ""), ("1000", "1")])
async def test_no_watchdog_for_us(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch, period: str, process: str
) -> None:
    """It may be another process's, or none."""
    monkeypatch.setenv("WATCHDOG_USEC", period)
    monkeypatch.setenv("WATCHDOG_PID", process)

    def alive() -> bool:
        raise AssertionError("nobody asks")

    with told("", alive):
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it is started by hand."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    with told("", lambda: False):
        pass


@pytest.mark.parametrize("unit", ["mailhorn.service", "mailhorn-watch.service"])
def test_the_units(tmp_path: Path, unit: str) -> None:
    """They are what systemd takes, with what this program does for it; it has few rights."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.read(UNITS / unit)
    service = parsed["Service"]
    assert service["Type"] == "notify" and service["WatchdogSec"]
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes"
    if shutil.which("systemd-analyze"):
        copy = tmp_path / unit
        copy.write_text((UNITS / unit).read_text().replace("/usr/local/bin/mailhorn", "/bin/true"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
