"""A `mailhorn serve` of its own, in a temporary directory, as a process that can be measured from outside."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("imap", "imaps", "smtp", "smtps", "lmtp")
PASSWORD = "secret"


@dataclass(frozen=True)
class Server:
    """A running server."""

    pid: int
    ports: dict[str, int]

    def memory_kib(self) -> int:
        """Return its proportional set size."""
        for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise RuntimeError("the kernel does not tell the memory of a process")

    def cpu_seconds(self) -> float:
        """Return the processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(users: int) -> Iterator[Server]:
    """Start a server that knows u00000 and so on; stop it and remove all it wrote at the end."""
    with tempfile.TemporaryDirectory(prefix="mailhorn-bench-") as directory:
        root = Path(directory)
        ports = _free_ports()
        config = root / "serve.toml"
        tables = "".join(f'[{name}]\nhost = "127.0.0.1"\nport = {ports[name]}\n' for name in SERVICES)
        config.write_text(f'data = "{root / "data"}"\n{tables}')
        names = root / "users.csv"
        names.write_text("".join(f"u{i:05d},{PASSWORD}\n" for i in range(users)))
        command = [sys.executable, "-m", "mailhorn"]
        subprocess.run(
            [*command, "account", "import", "--config", config, names], check=True, stdout=subprocess.DEVNULL
        )
        with (root / "log").open("wb") as log:
            process = subprocess.Popen([*command, "serve", "--config", config], stdout=log, stderr=log)
            try:
                _wait_for(ports["lmtp"], process, root / "log")
                yield Server(process.pid, ports)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)


def _free_ports() -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in SERVICES]
    ports = {name: sock.getsockname()[1] for name, sock in zip(SERVICES, sockets, strict=True)}
    for sock in sockets:
        sock.close()
    return ports


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
