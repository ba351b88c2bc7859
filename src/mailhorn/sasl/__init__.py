"""SASL (RFC 4422): mechanisms as challenge → response, both roles, no I/O and no clock.

One file per mechanism. Whether a password is right, and where one may be sent in the clear, is decided elsewhere; so is
what is offered: `server.logins` for a server, `password.best_mechanism` for a client.
"""

from collections.abc import Callable

from .exchange import Challenge, ClientMechanism, Credentials, Malformed, ServerMechanism, Step
from .login import LoginClient, LoginServer
from .plain import PlainClient, PlainServer

SERVER_MECHANISMS: dict[str, Callable[[], ServerMechanism]] = {"PLAIN": PlainServer, "LOGIN": LoginServer}
"""The ones that send the password, the better one first: all they need of a server is that it verifies one."""

__all__ = [
    "SERVER_MECHANISMS",
    "Challenge",
    "ClientMechanism",
    "Credentials",
    "LoginClient",
    "LoginServer",
    "Malformed",
    "PlainClient",
    "PlainServer",
    "ServerMechanism",
    "Step",
]
