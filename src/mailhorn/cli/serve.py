"""`mailhorn serve`: starts the mail server, says how to connect, and stops cleanly."""

import asyncio
import contextlib
import resource
import signal
import sys
from pathlib import Path

import structlog

from ..config.example import example
from ..config.find import serve_settings
from ..config.lock import DataLock
from ..config.settings import ServeSettings
from ..config.wire import Server, build_server, data_folder
from ..net.control import Answers
from ..net.systemd import told
from .asked import asked
from .logs import set_up
from .loop import run, stop_signal
from .memory import GIVE_BACK_EVERY, give_back, give_back_large_blocks, settle_down

CONTROL = "control"
"""The socket in the data directory at which the server answers questions."""

log = structlog.get_logger(__name__)


def print_example() -> None:
    """Print the annotated serve.toml."""
    print(example(ServeSettings), end="")


def serve(config: Path | None) -> None:
    """Run the server until SIGINT or SIGTERM. Raises what `failure.explain` tells."""
    settings, path = serve_settings(config)
    set_up(settings.log)
    allow_connections()
    give_back_large_blocks()
    with DataLock(data_folder(settings)) as lock:
        run(_serve(settings, path, lock))


def allow_connections() -> None:
    """Let this process open as many sockets as the system permits: an office has more than the usual 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS says "unlimited" and then takes no such number
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(settings: ServeSettings, path: Path | None, lock: DataLock) -> None:
    stop = stop_signal()
    on_hangup(stop)
    server = build_server(settings)
    try:
        await server.start()
    except BaseException:
        await server.accounts.close()
        raise
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, server.delivery.timeline.tell)
        lock.ready()
        print(await introduction(server, path, settings.limits.connections), flush=True)
        settle_down()
        questions: Answers = {} if server.relaying is None else {"queue": server.relaying.answer}
        async with asked(data_folder(settings) / CONTROL, questions):
            with told("serving", lambda: True):  # that the event loop comes by is all there is to say
                while not stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(GIVE_BACK_EVERY):
                            await stop.wait()
                    await asyncio.to_thread(give_back)
        print("Stopping.", flush=True)
    finally:
        await server.stop()


def on_hangup(stop: asyncio.Event) -> None:
    """
    Stop when the terminal is gone that the server was started at.

    A service is sent SIGHUP by who wants settings, certificates or log files opened again (certbot, logrotate): it says
    that it does not do that, and nobody is without mail because of it. `nohup` stays what it is.
    """
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        at_terminal = sys.stdin is not None and sys.stdin.isatty()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set if at_terminal else _not_again)


def _not_again() -> None:
    log.warning("settings and certificate are read at the start: restart the server for others")


async def introduction(server: Server, path: Path | None, connections: int) -> str:
    """
    Return what is said once the server is ready: where everything is and how to connect a mail client.

    Args:
        server: It runs.
        path: The file with its settings, None if there is none.
        connections: How many it was to take.

    """
    logins = [account.login for account in await server.mail.store.index.accounts(limit=4)]
    ports = server.mail.ports
    lines = [
        f"mailhorn is ready. Data: {server.data}  Settings: {path or 'all defaults'}",
        "Ports: " + "  ".join(f"{name} {server.hosts[name]}:{port}" for name, port in ports.items()),
        *how_to_connect(server),
        f"  user      {_who(logins)}",
    ]
    possible = server.mail.connections.limits.total
    if possible < connections:
        lines.append(
            f"At most {possible} connections are taken, not {connections}: the system allows no more open files "
            "(LimitNOFILE, ulimit -n)."
        )
    return "\n".join(lines)


def how_to_connect(server: Server) -> list[str]:
    """Return what to enter in a mail client, less the user."""
    for service, security in (("imaps", "SSL/TLS"), ("imap", "STARTTLS")):
        if service in server.mail.ports:
            host = server.hostname if server.hosts[service] == "*" else server.hosts[service]
            return [
                "Connect a mail client:",
                f"  IMAP      {host}, port {server.mail.ports[service]}, {security}",
                f"  SHA-256   {server.fingerprint} (its certificate)",
            ]
    return ["IMAP is switched off."]


def _who(logins: list[str]) -> str:
    if not logins:
        return "none yet; make one with: mailhorn account add LOGIN"
    if len(logins) > 3:
        return f"{', '.join(logins[:3])} or another account"
    return " or ".join(logins)
