"""LOGIN: never a standard, still what old clients and devices speak; name and password one after the other."""

from .exchange import MAX_RESPONSE, Challenge, Credentials, Malformed, Step, text

USERNAME = b"Username:"
PASSWORD = b"Password:"
"""Some clients compare these letter by letter."""


class LoginServer:
    """The server's role."""

    __slots__ = ("_name",)

    def __init__(self) -> None:
        self._name: str | None = None

    def step(self, response: bytes | None) -> Step:
        """Take first the name (also as initial response), then the password."""
        if response is None:
            return Challenge(USERNAME)
        if len(response) > MAX_RESPONSE:
            return Malformed("too long")
        if self._name is None:
            self._name = text(response)
            if not self._name:
                return Malformed("the name is empty or not UTF-8")
            return Challenge(PASSWORD)
        if not response or b"\0" in response:
            return Malformed("the password is empty or holds a NUL")
        return Credentials("", self._name, response)


class LoginClient:
    """The client's role."""

    __slots__ = ("_left",)

    name = "LOGIN"

    def __init__(self, authcid: str, password: str) -> None:
        """Raise ValueError if name or password are empty."""
        if not authcid or not password:
            raise ValueError("name and password may not be empty")
        self._left = [password.encode(), authcid.encode()]

    def initial(self) -> None:
        """Return None: not every server takes the name as initial response."""
        return None

    def answer(self, challenge: bytes) -> bytes | None:
        """Return the name to the first challenge and the password to the second, whatever they say."""
        return self._left.pop() if self._left else None
