"""`mailhorn` as a process of its own, in a home of its own, as people run it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailhorn import __file__ as package

SOURCE = Path(package).parents[1]
FREE_PORTS = {
    f"MAILHORN_{service}_{setting}": value
    for service in ("IMAP", "IMAPS", "SMTP", "SMTPS", "LMTP", "MANAGESIEVE")
    for setting, value in (("PORT", "0"), ("HOST", "127.0.0.1"))
}


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the variables of a person without settings, whose data are in `home/data`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(SOURCE),
        "MAILHORN_DATA": str(home / "data"),
        **more,
    }


def mailhorn(*args: str | Path, home: Path, text: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "mailhorn", *map(str, args)],
        env=environment(home, **more),
        input=text,
        capture_output=True,
        text=True,
        timeout=50,
    )


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is ready: its process, its ports by service, and what it said."""

    process: "subprocess.Popen[str]"
    ports: dict[str, int]
    said: str

    def stop(self) -> int:
        """Ask it to stop; return its exit code."""
        self.process.terminate()
        return self.process.wait(20)


@contextmanager
def serving(home: Path, args: Sequence[str] = (), stdin: int = subprocess.DEVNULL, **more: str) -> Iterator[Serving]:
    """Run `mailhorn serve` on free ports; it is ready when this begins and gone when it ends."""
    log = (home / "serve.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhorn", "serve", *args],
        env=environment(home, **{**FREE_PORTS, **more}),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    log.close()
    try:
        said = ""
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if line.startswith("  user"):
                break
        ports = {name: int(port) for name, port in re.findall(r"(\w+) \S+?:(\d+)", said.partition("Ports: ")[2])}
        assert ports, said + (home / "serve.log").read_text()
        yield Serving(process, ports, said)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
