"""An OAuth authorization server that gives out tokens (RFC 6749), as a client sees it; plain calls that block.

Rule 1: neither codes nor tokens nor our own secret are part of any error or log. Rule 2: https, or this machine.
Rule 3: a redirect is not followed, an answer is read up to a size and for a time.
"""

import base64
import hashlib
import http.client
import json
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT = 15.0
"""Seconds for one question."""
MAX_ANSWER = 256 * 1024
"""Octets; tokens of 20 KB are seen."""
PIECE = 4096
"""Octets read between two looks at the clock."""
DEVICE_INTERVAL = 5.0
"""Seconds between two questions whether somebody has agreed, if the server does not say (RFC 8628 §3.2)."""
LIFE = 3600.0
"""Seconds a token lasts if the server does not say."""

_GRANT_GONE = frozenset({"invalid_grant", "access_denied", "expired_token"})
_OURS = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"})


class AuthorizationFailed(OSError):
    """
    There is no token. The text says why.

    Attributes:
        code: What the server calls it (RFC 6749 §5.2, RFC 8628 §3.5), "" if it said nothing that can be read.

    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code

    @property
    def final(self) -> bool:
        """Whether asking again is of no use: somebody has to log in, or to mend the settings."""
        return self.code in _GRANT_GONE or self.code in _OURS


@dataclass(frozen=True, slots=True)
class Granted:
    """
    What was given out.

    Attributes:
        access: The token that is shown to the mail server.
        refresh: The token that gets the next one, "" if there is none, or if the last one is to be kept.
        lasts: Seconds the access token is good for.

    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    lasts: float


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """
    A login that somebody finishes on another device (RFC 8628 §3.2).

    Attributes:
        code: What we ask with.
        shown: What the person types in there.
        url: Where.
        lasts: Seconds they have.
        interval: Seconds between two of our questions.

    """

    code: str = field(repr=False)
    shown: str
    url: str
    lasts: float
    interval: float


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """
    Where tokens come from, and who we are there.

    Attributes:
        authorize: URL a person is sent to, "" if there is none.
        token: URL that gives out tokens.
        device: URL that begins a login on another device, "" if there is none.
        client_id: Who we are.
        client_secret: Our password there, "" if we have none.
        scope: What we ask for.

    """

    authorize: str
    token: str
    device: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scope: str = ""

    def __post_init__(self) -> None:
        for url in (self.authorize, self.token, self.device):
            parts = urlsplit(url)
            local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
            if url and (not parts.hostname or not (parts.scheme == "https" or local)):
                raise ValueError(f"not an https URL: {url!r}")

    def refresh(self, refresh_token: str) -> Granted:
        """Return a new token for an old login (RFC 6749 §6). Raises AuthorizationFailed."""
        return self._granted(grant_type="refresh_token", refresh_token=refresh_token)

    def begin_device(self) -> DeviceLogin:
        """Begin a login on another device. Raises AuthorizationFailed."""
        said = self._ask(self.device, {"client_id": self.client_id, "scope": self.scope})
        url = said.get("verification_uri") or said.get("verification_url")  # Google's spelling
        code, shown = said.get("device_code"), said.get("user_code")
        if not (isinstance(url, str) and isinstance(code, str) and isinstance(shown, str)):
            raise AuthorizationFailed("its answer has no code in it")
        return DeviceLogin(
            code,
            shown,
            url,
            _seconds(said.get("expires_in"), 900.0),
            _seconds(said.get("interval"), DEVICE_INTERVAL),
        )

    def finish_device(self, login: DeviceLogin) -> Granted:
        """Return the token. Raises AuthorizationFailed, with "authorization_pending" until somebody has agreed."""
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        return self._granted(grant_type=grant, device_code=login.code)

    def browser_url(self, redirect: str, state: str, verifier: str, user: str) -> str:
        """
        Return where to send a browser (RFC 6749 §4.1.1, RFC 7636 §4.3).

        Args:
            redirect: Where it comes back to, on this machine (RFC 8252 §7.3).
            state: Random; it must come back with it.
            verifier: Random; only who knows it gets the token.
            user: Who is to log in.

        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=")
        fields = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect,
            "scope": self.scope,
            "state": state,
            "code_challenge": challenge.decode("ascii"),
            "code_challenge_method": "S256",
            "login_hint": user,
            # Without these two Google gives no token that gets the next one; others do not mind.
            "access_type": "offline",
            "prompt": "consent",
        }
        return f"{self.authorize}{'&' if '?' in self.authorize else '?'}{urlencode(fields)}"

    def finish_browser(self, code: str, redirect: str, verifier: str) -> Granted:
        """Return the token for the code that a browser came back with. Raises AuthorizationFailed."""
        return self._granted(grant_type="authorization_code", code=code, redirect_uri=redirect, code_verifier=verifier)

    def _granted(self, **fields: str) -> Granted:
        fields["client_id"] = self.client_id
        if self.client_secret:
            fields["client_secret"] = self.client_secret
        said = self._ask(self.token, fields)
        access, refresh = said.get("access_token"), said.get("refresh_token", "")
        if not isinstance(access, str) or not access or not isinstance(refresh, str):
            raise AuthorizationFailed("its answer has no token in it")
        return Granted(access, refresh, _seconds(said.get("expires_in"), LIFE))

    def _ask(self, url: str, fields: dict[str, str]) -> dict[str, Any]:
        host = urlsplit(url).hostname or ""
        try:
            status, answer = _posted(url, urlencode(fields))
        except (OSError, http.client.HTTPException) as error:
            raise AuthorizationFailed(f"{host}: {error or type(error).__name__}") from error
        try:
            said = json.loads(answer)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise AuthorizationFailed(f"{host} answered {status} and nothing that can be read")
        if status != http.client.OK or "error" in said:
            code = _word(said.get("error"))
            described = _word(said.get("error_description"))
            raise AuthorizationFailed(f"{host}: {code or status}" + (f", {described}" if described else ""), code)
        return said


def _posted(url: str, body: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    deadline = time.monotonic() + TIMEOUT
    connection = (
        http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=TIMEOUT, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    try:
        connection.request("POST", path, body, headers)
        with connection.getresponse() as response:
            answer = bytearray()
            while piece := response.read1(PIECE):
                answer += piece
                if len(answer) > MAX_ANSWER:
                    raise OSError(f"its answer has more than {MAX_ANSWER} octets")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no whole answer within {TIMEOUT:g} s")
            return response.status, bytes(answer)
    finally:
        connection.close()


def _word(said: object) -> str:
    """What a server said, fit for a log: on one line, and short."""
    return "".join(c if c.isprintable() else " " for c in said[:200]) if isinstance(said, str) else ""


def _seconds(said: object, otherwise: float) -> float:
    """Return a number of seconds; some servers write it as text."""
    try:
        seconds = float(said) if isinstance(said, (int, float, str)) else otherwise
    except ValueError:
        return otherwise
    return seconds if 0 < seconds < 10**9 else otherwise


__all__ = ["AuthorizationFailed", "AuthorizationServer", "DeviceLogin", "Granted"]
