"""OAUTHBEARER (RFC 7628) and XOAUTH2 (never a standard; what Google and Microsoft speak): a token for a password.

Whether a token is good is decided elsewhere. A bad one is answered by a challenge in JSON, which the client answers by
next to nothing, and only then is the exchange over (RFC 7628 §3.2.3).
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from .exchange import MAX_RESPONSE, Challenge, Malformed, text

MAX_TOKEN_MESSAGE = 4 * MAX_RESPONSE
"""Octets; tokens of 8,000 are seen."""

_GS2 = re.compile(rb"[ny],(?:a=([^,]*))?,")
_BEARER = re.compile(rb"(?i:Bearer) +([A-Za-z0-9\-._~+/]+=*)")
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_ESCAPE = re.compile(r"=(2C|3D)?")
_SEPARATOR = b"\1"


@dataclass(frozen=True, slots=True)
class Token:
    """What the client claims; the server must verify it and then be logged in, or call `refuse`."""

    user: str
    """Whom it wants to act as, "" for whose the token is."""
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The client has taken note that its token is no good; the exchange is over."""


TokenStep = Challenge | Token | Refused | Malformed


class OAuthServer:
    """The server's role, in either mechanism."""

    __slots__ = ("_refused", "_x")

    def __init__(self, xoauth2: bool = False) -> None:
        """Take which of the two it is."""
        self._x = xoauth2
        self._refused = False

    def step(self, response: bytes | None) -> TokenStep:
        """Take the message; without an initial response ask for it with an empty challenge."""
        if self._refused:
            return Refused()
        if response is None:
            return Challenge(b"")
        if len(response) > MAX_TOKEN_MESSAGE:
            return Malformed("too long")
        pairs = self._pairs(response)
        if pairs is None:
            return Malformed("not a list of names and values")
        user = text(pairs.get(b"user", b""))
        bearer = _BEARER.fullmatch(pairs.get(b"auth", b""))
        if user is None or bearer is None or (self._x and not user):
            return Malformed("no bearer token, or no user")
        return Token(user, bearer[1].decode("ascii"))

    def refuse(self, status: str = "invalid_token", scope: str = "", discovery: str = "") -> Challenge:
        """
        Return the challenge that says what is wrong (RFC 7628 §3.2.2).

        Args:
            status: What is wrong with the token, in OAuth's words.
            scope: The scope it should have, "" to leave that open.
            discovery: URL of the document that says how to get a token, "" if there is none; only OAUTHBEARER tells it.

        """
        self._refused = True
        problem: dict[str, str] = {"status": "401" if self._x else status}
        if self._x:
            problem["schemes"] = "bearer"
        if scope or self._x:
            problem["scope"] = scope
        if discovery and not self._x:
            problem["openid-configuration"] = discovery
        return Challenge(json.dumps(problem, separators=(",", ":")).encode())

    def _pairs(self, message: bytes) -> dict[bytes, bytes] | None:
        """client-resp = (gs2-header kvsep *kvpair kvsep) / kvsep (RFC 7628 §3.1); XOAUTH2 has no header."""
        head = b""
        if not self._x:
            head, _, message = message.partition(_SEPARATOR)
        fields = message.split(_SEPARATOR)
        if fields[-2:] != [b"", b""]:
            return None
        pairs = {}
        for pair in fields[:-2]:
            name, equals, value = pair.partition(b"=")
            if not equals or not name or name in pairs or (name == b"user" and not self._x):
                return None
            pairs[name] = value
        if not self._x:
            gs2 = _GS2.fullmatch(head)
            user = text((gs2[1] or b"") if gs2 else b"\xff")
            if user is None or any(found[1] is None for found in _ESCAPE.finditer(user)):
                return None
            pairs[b"user"] = user.replace("=2C", ",").replace("=3D", "=").encode()
        return pairs


class OAuthClient:
    """
    The client's role, in either mechanism.

    Attributes:
        name: OAUTHBEARER or XOAUTH2.
        problem: What the server said was wrong with the token, None if nothing, as it came.

    """

    __slots__ = ("_message", "_x", "name", "problem")

    def __init__(self, user: str, token: str, host: str = "", port: int = 0, xoauth2: bool = False) -> None:
        """
        Begin.

        Args:
            user: Whom to act as.
            token: As it was given out.
            host: The server as it was dialled; only OAUTHBEARER tells it.
            port: Its port.
            xoauth2: Which of the two it is.

        Raises:
            ValueError: The user is empty or has control characters, or the token is none.

        """
        if not user or not user.isprintable() or not host.isprintable() or not _TOKEN.fullmatch(token):
            raise ValueError("an OAuth user may not be empty or have control characters, and a token is letters only")
        self._x = xoauth2
        self.name = "XOAUTH2" if xoauth2 else "OAUTHBEARER"
        self.problem: dict[str, Any] | None = None
        if xoauth2:
            fields = [f"user={user}"]
        else:
            fields = ["n,a=" + user.replace("=", "=3D").replace(",", "=2C") + ","]
            fields += [f"host={host}"] if host else []
            fields += [f"port={port}"] if port else []
        self._message = "\1".join([*fields, f"auth=Bearer {token}", "", ""]).encode()

    def initial(self) -> bytes:
        """Return the whole message."""
        return self._message

    def answer(self, challenge: bytes) -> bytes | None:
        """Return the message to the empty challenge; at any other take note of it and let the server say NO."""
        if not challenge:
            return self._message
        if self.problem is not None:
            return None
        try:
            problem = json.loads(challenge)
        except (ValueError, RecursionError):
            problem = {}
        self.problem = problem if isinstance(problem, dict) else {}
        return b"" if self._x else _SEPARATOR
