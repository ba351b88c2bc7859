"""Where a browser comes back to once its user has agreed: this machine, with what only we can know (RFC 8252)."""

import contextlib
import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from .authorization import AuthorizationFailed

READING = 5.0
"""Seconds a browser may take to say what it wants."""
DONE = b"<!doctype html><title>mailhorn</title><p>Logged in. You may close this window."
FAILED = b"<!doctype html><title>mailhorn</title><p>Not logged in; the terminal says why."


class Redirect:
    """
    Listens on this machine for one browser. A `with` block says for how long.

    Attributes:
        url: Where it is to come back to.
        state: What it must bring.

    """

    def __init__(self, port: int = 0) -> None:
        """Listen. Raises OSError if the port is taken."""
        self.state = secrets.token_urlsafe(24)
        self._brought: dict[str, str] | None = None
        self._server = HTTPServer(("127.0.0.1", port), _handler(self._took))
        # By name and without a path: what Microsoft compares with a registered http://localhost; Google takes it, too.
        self.url = f"http://localhost:{self._server.server_port}"

    def wait(self, seconds: float) -> str:
        """
        Return the code that the browser came back with.

        Raises:
            AuthorizationFailed: It came back with something else, or not in time.

        """
        deadline = time.monotonic() + seconds
        while self._brought is None:
            self._server.timeout = deadline - time.monotonic()
            if self._server.timeout <= 0:
                raise AuthorizationFailed("no browser came back in time")
            self._server.handle_request()
        if "code" not in self._brought:
            code = self._brought.get("error", "")[:100]
            raise AuthorizationFailed(f"the browser came back with: {code if code.isprintable() else '?'}", code)
        return self._brought["code"]

    def _took(self, path: str) -> bytes | None:
        """Take a request; returns the page to show, None if it is none of ours."""
        brought = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        if not secrets.compare_digest(brought.get("state", "").encode(), self.state.encode()):
            return None
        if self._brought is None:
            self._brought = brought
        return DONE if "code" in brought else FAILED

    def __enter__(self) -> "Redirect":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.server_close()


def _handler(took: Callable[[str], bytes | None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = READING

        def do_GET(self) -> None:
            page = took(self.path)
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page or b"")))
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the code is in the path."""

    return Handler


__all__ = ["Redirect"]
