"""SASL (RFC 4422): mechanisms as challenge → response, both roles, no I/O and no clock.

One file per mechanism. Whether a password is right, and where one may be sent in the clear, is decided elsewhere.
What is not in SERVER_MECHANISMS the server does not offer: SCRAM needs keys that accounts do not have, EXTERNAL client
certificates, OAUTHBEARER and XOAUTH2 somebody who verifies tokens.
"""

from collections.abc import Callable

from .exchange import Challenge, ClientMechanism, Credentials, Malformed, ServerMechanism, Step
from .login import LoginClient, LoginServer
from .plain import PlainClient, PlainServer

SERVER_MECHANISMS: dict[str, Callable[[], ServerMechanism]] = {"PLAIN": PlainServer, "LOGIN": LoginServer}
"""What a server offers, the better one first."""

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
