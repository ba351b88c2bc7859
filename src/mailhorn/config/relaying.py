"""Makes what the settings say of mail that leaves: the queue, and who empties it."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..net.tls import client_context
from ..relay.letter import RelayUnavailable
from ..smtp.address import is_domain
from .find import ConfigError
from .secret import printed_secret, secret_of
from .settings import Relay

if TYPE_CHECKING:  # what it needs is wanted by those only who have a smarthost, 1.4 MB of it
    from ..relay.queue import Queue
    from ..relay.sender import Home, Sender, SenderOptions

FILE = "queue.sqlite"
"""The server's queue, in the data directory. A watcher has another one, which may lie beside it."""


@dataclass(frozen=True, slots=True)
class Relaying:
    """
    The outbound queue and its sender, put together and not started.

    Attributes:
        queue: Takes letters, also before the start.
        sender: Empties it.

    """

    queue: "Queue"
    sender: "Sender"

    async def start(self) -> None:
        """Begin with what waits. Raises RelayUnavailable."""
        await self.sender.start()

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer `mailhorn queue` at the control socket, which may have changed the queue: look at it."""
        sender = self.sender
        sender.wake(now=asked.get("now") is True)
        return {"smarthost": sender.smarthost, "trouble": sender.trouble, "again": sender.not_before}

    async def stop(self) -> None:
        """Send no more, and let go of the file; within a second."""
        await self.sender.stop()
        await self.queue.close()


def relay_options(relay: Relay, hostname: str) -> "SenderOptions | None":
    """
    Return how to send, None if the settings name no smarthost.

    Args:
        relay: The settings.
        hostname: Our name.

    Raises:
        ConfigError: They cannot be carried out.
        TLSProblem: The certificates to trust cannot be read.

    """
    if relay.host is None:
        return None
    from ..relay.sender import SenderOptions
    from ..relay.smarthost import PORTS, Smarthost

    local = is_loopback(relay.host)
    encryption = relay.encryption or ("none" if local else "starttls")
    if encryption == "none" and not local:
        raise ConfigError(
            "relay: without encryption only to a server on this machine; set encryption to tls or starttls"
        )
    name = relay.from_host or hostname
    if not (name.isascii() and is_domain(name)):
        raise ConfigError(f"relay.from_host: {name!r} is no host name; set it to one")
    context: ssl.SSLContext | None = None if encryption == "none" else client_context(relay.ca, relay.verify)
    smarthost = Smarthost(
        relay.host, relay.port or PORTS[encryption], encryption, context, name, relay.user, _password(relay)
    )
    return SenderOptions(smarthost, name, relay.connections, relay.max_age)


def relaying(relay: Relay, path: Path, options: "SenderOptions", home: "Home | None" = None) -> Relaying:
    """
    Open the queue; call in its event loop.

    Args:
        relay: The settings.
        path: Its file; of this process alone.
        options: Of the settings.
        home: Delivers reports to our own people; None: there are none.

    Raises:
        ConfigError: The file cannot be used.

    """
    from ..relay.sender import Sender, nowhere

    queue = open_queue(relay, path)
    return Relaying(queue, Sender(queue, options, home or nowhere))


def open_queue(relay: Relay, path: Path) -> "Queue":
    """Open the queue, whether somebody empties it or not. Raises ConfigError if it cannot be used."""
    from ..relay.queue import Queue, QueueLimits

    try:
        return Queue(path, QueueLimits(relay.max_letters, relay.max_size))
    except RelayUnavailable as error:
        raise ConfigError(str(error)) from error


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or address."""
    return host in ("localhost", "::1") or host.startswith("127.")


def _password(relay: Relay) -> str:
    given = [relay.password, relay.password_file, relay.password_command]
    wanted = 1 if relay.user else 0
    if sum(way is not None for way in given) != wanted:
        raise ConfigError(
            "relay: set one of password, password_file and password_command"
            if relay.user
            else "relay.user: set it, or no password"
        )
    if relay.password_command is None:
        password = secret_of("relay.password", relay.password, relay.password_file)
    else:
        text = printed_secret("relay: password_command", relay.password_command)
        password = text.split("\n", 1)[0].rstrip("\r")
    if relay.user and not password:
        raise ConfigError("relay: the password is empty")
    return password


__all__ = ["FILE", "Relaying", "is_loopback", "open_queue", "relay_options", "relaying"]
