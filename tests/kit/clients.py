"""Other people's mail programs as child processes."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import pytest

from .process import PATIENCE, environment

SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers are; Debian leaves these out of an ordinary user's PATH."""


def need(program: str) -> str:
    """Return where the program is, or skip the test if it is not installed. In CI that is a failure."""
    found = shutil.which(program) or shutil.which(program, path=SYSTEM_PATH)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def run(command: Sequence[str | Path], home: Path, code: int = 0, patience: float = 30.0) -> str:
    """Run a program to its end, and return all it printed; fails unless it ends with that exit status."""
    result = subprocess.run(
        command,
        env=environment(home),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=patience,
    )
    output = result.stdout.decode("utf-8", "replace")
    assert result.returncode == code, f"exit status {result.returncode}:\n{output[-4000:]}"
    return output


@contextlib.contextmanager
def client(command: Sequence[str | Path], home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a program running; what it prints goes to `client.log` in its home, and into the failure of the test."""
    log = home / "client.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment(home),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that what it starts ends with it
        )
    try:
        yield process
    except AssertionError as error:
        error.add_note(f"{command[0]} printed:\n{log.read_text('utf-8', 'replace')[-4000:]}")
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


class Arrivals:
    """
    What a mail program hands on, by a FIFO, so that it is seen the moment it is written.

    Attributes:
        fifo: Where a delivery command is to write.

    """

    def __init__(self, fifo: Path) -> None:
        """Make the FIFO."""
        os.mkfifo(fifo)
        self.fifo = fifo
        # For writing, too: otherwise it would be at its end whenever no writer has it open.
        self._file = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self._text = b""

    def wait_for(self, text: str) -> float:
        """Wait until the text has arrived, and return the seconds that took."""
        begin = time.monotonic()
        while text.encode() not in self._text:
            readable, _, _ = select.select([self._file], [], [], max(0.0, begin + PATIENCE - time.monotonic()))
            assert readable, f"{text!r} did not arrive, only {self._text!r}"
            self._text += os.read(self._file, 65_536)
        return time.monotonic() - begin

    def __enter__(self) -> "Arrivals":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the FIFO."""
        os.close(self._file)
