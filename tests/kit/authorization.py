"""A small OAuth authorization server over real HTTP: browser, other device, renewal, and whose token it is."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from mailhorn.net.authorization import AuthorizationServer
from mailhorn.watch.account import TokenSource
from mailhorn.watch.tokens import server_of

SECRET = "not-so-secret"


@dataclass
class Authority:
    """
    What the server gives out and remembers.

    Attributes:
        lasts: Seconds its access tokens are good for.
        refusal: What it answers to any wish for a token, None to give it.
        broken: Whether it answers with what is no JSON.
        agreed: Whether somebody has agreed on the other device.
        asked: The fields of each wish for a token.
        active: The access tokens it has given out and not taken back.
        refresh: The one refresh token that is good; each use gives a new one.

    """

    base: str = ""
    lasts: int = 3600
    refusal: str | None = None
    broken: bool = False
    agreed: bool = False
    asked: list[dict[str, str]] = field(default_factory=list)
    active: set[str] = field(default_factory=set)
    refresh: str = ""
    lock: Lock = field(default_factory=Lock)
    _number: int = 0
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def client(self) -> AuthorizationServer:
        """Return what a client knows of it."""
        return server_of(self.source(Path()))

    def source(self, file: Path) -> TokenSource:
        """Return what an account knows of it, whose tokens are in this file."""
        urls = [f"{self.base}/{name}" for name in ("authorize", "token", "device")]
        return TokenSource(*urls, "mailhorn", SECRET, "mail", file, "mailhorn watch login ann")

    def grant(self) -> dict[str, Any]:
        """Return a new pair of tokens."""
        self._number += 1
        access, self.refresh = f"access-{self._number}", f"refresh-{self._number}"
        self.active.add(access)
        return {"access_token": access, "refresh_token": self.refresh, "expires_in": self.lasts, "token_type": "Bearer"}

    def authorize(self, fields: dict[str, str]) -> str:
        """Return where the browser goes once its user has agreed."""
        code = f"code-{len(self._codes)}"
        self._codes[code] = fields
        return fields["redirect_uri"] + "?" + urlencode({"code": code, "state": fields["state"]})

    def token(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Return the answer to a wish for a token."""
        self.asked.append(fields)
        if self.broken:
            return 200, {}
        if self.refusal is not None:
            return 400, {"error": self.refusal, "error_description": "no\r\nreason"}
        if fields.get("client_secret") != SECRET:
            return 401, {"error": "invalid_client"}
        match fields["grant_type"]:
            case "refresh_token" if fields["refresh_token"] == self.refresh:
                return 200, self.grant()
            case "authorization_code":
                begun = self._codes.pop(fields["code"], None)
                proof = base64.urlsafe_b64encode(hashlib.sha256(fields["code_verifier"].encode()).digest())
                if begun and begun["code_challenge"] == proof.rstrip(b"=").decode():
                    return 200, self.grant()
            case "urn:ietf:params:oauth:grant-type:device_code" if fields["device_code"] == "device-1":
                return (200, self.grant()) if self.agreed else (400, {"error": "authorization_pending"})
        return 400, {"error": "invalid_grant"}


class Handler(BaseHTTPRequestHandler):
    """Its endpoints."""

    authority: Authority

    def do_GET(self) -> None:
        """A browser comes by, and its user agrees."""
        fields = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        self.send_response(302)
        self.send_header("Location", self.authority.authorize(fields))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """A program asks."""
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        fields = {name: values[0] for name, values in body.items()}
        authority = self.authority
        status: int = 200
        with authority.lock:
            match self.path:
                case "/token":
                    status, answer = authority.token(fields)
                case "/device":
                    answer = {
                        "device_code": "device-1",
                        "user_code": "ABCD-EFGH",
                        "verification_uri": f"{authority.base}/agree",
                        "interval": "0.01",
                    }
                case _:
                    answer = {"active": fields["token"] in authority.active, "username": "ann"}
        text = b"<html>" if authority.broken else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def authorization() -> Iterator[Authority]:
    """Run the server for as long as the block lasts."""
    authority = Authority()
    handler = type("Bound", (Handler,), {"authority": authority})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        authority.base = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield authority
        finally:
            server.shutdown()
            thread.join()


__all__ = ["SECRET", "Authority", "authorization"]
