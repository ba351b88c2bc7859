"""PLAIN (RFC 4616): `message = [authzid] UTF8NUL authcid UTF8NUL passwd`."""

from .exchange import MAX_RESPONSE, Challenge, Credentials, Malformed, Step, text


class PlainServer:
    """The server's role."""

    __slots__ = ()

    def step(self, response: bytes | None) -> Step:
        """Take the message; without an initial response ask for it with an empty challenge (RFC 4616 §2)."""
        if response is None:
            return Challenge(b"")
        if len(response) > MAX_RESPONSE:
            return Malformed("too long")
        fields = response.split(b"\0")
        if len(fields) != 3:
            return Malformed("three fields between NULs are expected")
        authzid, authcid = text(fields[0]), text(fields[1])
        if authzid is None or authcid is None:
            return Malformed("a name is not UTF-8")
        if not authcid or not fields[2]:
            return Malformed("name and password may not be empty")
        return Credentials(authzid, authcid, fields[2])


class PlainClient:
    """The client's role."""

    __slots__ = ("_message",)

    name = "PLAIN"

    def __init__(self, authcid: str, password: str, authzid: str = "") -> None:
        """Raise ValueError if name or password are empty or hold a NUL."""
        if not authcid or not password or "\0" in authzid + authcid + password:
            raise ValueError("name and password may not be empty and hold no NUL")
        self._message = f"{authzid}\0{authcid}\0{password}".encode()

    def initial(self) -> bytes:
        """Return the whole message."""
        return self._message

    def answer(self, challenge: bytes) -> bytes | None:
        """Return the message to the empty challenge; cancel at any other."""
        return None if challenge else self._message
