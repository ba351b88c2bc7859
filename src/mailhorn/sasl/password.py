"""Which mechanism a client that has a password chooses: the one that gives away least (RFC 4422 §6.1.1)."""

from collections.abc import Container

from .exchange import ClientMechanism
from .plain import PlainClient
from .scram import NAME, PLUS, ScramClient


def best_mechanism(
    offered: Container[str], user: str, password: str, nonce: str, binding: tuple[str, bytes] | None = None
) -> ClientMechanism | None:
    """
    Return the best mechanism that is offered: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN; None if it is none of these.

    Args:
        offered: Names of mechanisms, in capitals.
        user: The login.
        password: In any form.
        nonce: Random, printable, without a comma.
        binding: Name and octets of the connection's channel binding, if it has one.

    Raises:
        ValueError: Name or password cannot be sent.

    """
    if PLUS in offered and binding is not None:
        return ScramClient(user, password, nonce, binding)
    if NAME in offered:
        return ScramClient(user, password, nonce, could_bind=binding is not None)
    return PlainClient(user, password) if "PLAIN" in offered else None


__all__ = ["best_mechanism"]
