"""An authorization server that says whose a token is (RFC 7662), over real HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

from mailhorn.config.settings import OAuth, Secret


class Introspector(BaseHTTPRequestHandler):
    """An authorization server's endpoint."""

    tokens = {
        "good": {"active": True, "username": "ann", "scope": "mail calendar", "aud": ["mail.example.org"]},
        "mail": {"active": True, "username": "ann@localhost", "scope": "mail", "aud": "mail.example.org"},
        "old": {"active": False},
        "narrow": {"active": True, "username": "ann", "scope": "calendar", "aud": "mail.example.org"},
        "elsewhere": {"active": True, "username": "ann", "scope": "mail", "aud": "files.example.org"},
        "over": {"active": True, "username": "ann", "scope": "mail", "aud": "mail.example.org", "exp": 1},
        "nobody": {"active": True, "username": "nobody", "scope": "mail", "aud": "mail.example.org"},
    }
    asked: list[str]

    def do_POST(self) -> None:
        assert self.headers["Authorization"] == "Basic bWFpbDpwJTI2dw=="
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        (token,) = body["token"]
        self.asked.append(token)
        if token == "broken":
            self.send_error(500)
            return
        answer = json.dumps(self.tokens.get(token, {"active": False})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def introspection() -> Iterator[tuple[OAuth, list[str]]]:
    """Run the endpoint; gives the settings for it, and what it was asked."""
    asked: list[str] = []
    handler = type("Asked", (Introspector,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as endpoint:
        thread = Thread(target=endpoint.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield (
                OAuth(
                    introspection=f"http://127.0.0.1:{endpoint.server_port}/introspect",
                    client_id="mail",
                    client_secret=Secret("p&w"),
                    scope="mail",
                    audience="mail.example.org",
                    discovery="https://login.example.org/.well-known/openid-configuration",
                ),
                asked,
            )
        finally:
            endpoint.shutdown()
            thread.join()


__all__ = ["introspection"]
