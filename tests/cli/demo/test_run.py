"""The demo as a process."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.kit.commands import environment, mailhorn


def test_every_message_arrives(tmp_path: Path) -> None:
    """Exit code 0, and the last line of standard output is the summary."""
    result = mailhorn("demo", "--once", "5", "--interval", "0", home=tmp_path)
    assert result.returncode == 0, result.stderr
    (line,) = result.stdout.splitlines()
    summary = json.loads(line)
    assert (summary["n"], summary["pushed"], summary["filed"], summary["lost"]) == (5, 5, 5, 0)
    for stage in ("accepted", "durable", "pushed", "filed"):
        assert 0 < summary[f"{stage}_ms"]["p50"] <= summary[f"{stage}_ms"]["p99"]
    assert len(re.findall(r"^message \d: .* filed \d+\.\d\d ms$", result.stderr, re.MULTILINE)) == 5
    assert "Traceback" not in result.stderr


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    """No traceback, exit code 0, and nothing is left behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhorn", "demo"],
        env=environment(tmp_path, TMPDIR=str(tmp_path)),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            if line.startswith("message 1"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.wait(20) == 0
    assert "Traceback" not in rest
    assert not list(tmp_path.glob("mailhorn-demo-*"))
