"""EXTERNAL (RFC 4422 appendix A): who the client is was shown elsewhere, by a TLS certificate say."""

from dataclasses import dataclass

from .exchange import MAX_RESPONSE, Challenge, Malformed, text


@dataclass(frozen=True, slots=True)
class Claim:
    """Whom the client wants to act as, "" for whom it was shown to be; the server must verify that it may."""

    authzid: str


class ExternalServer:
    """The server's role."""

    __slots__ = ()

    def step(self, response: bytes | None) -> Challenge | Claim | Malformed:
        """Take the name; without an initial response ask for it with an empty challenge."""
        if response is None:
            return Challenge(b"")
        authzid = text(response) if len(response) <= MAX_RESPONSE else None
        return Malformed("not a name") if authzid is None else Claim(authzid)


class ExternalClient:
    """The client's role."""

    __slots__ = ("_message",)

    name = "EXTERNAL"

    def __init__(self, authzid: str = "") -> None:
        """Raise ValueError if the name holds a NUL."""
        if "\0" in authzid:
            raise ValueError("a name holds no NUL")
        self._message = authzid.encode()

    def initial(self) -> bytes:
        """Return the name."""
        return self._message

    def answer(self, challenge: bytes) -> bytes | None:
        """Return the name to the empty challenge; cancel at any other."""
        return None if challenge else self._message
