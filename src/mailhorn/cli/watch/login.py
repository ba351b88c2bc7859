"""`mailhorn watch login ACCOUNT`: gets an account's first access token, by a browser or on another device.

Rule: what is printed is what a person must see: an address, and a code that is of use once. Tokens go to their file.
"""

import contextlib
import secrets
import time
import webbrowser
from pathlib import Path

from ...config.credentials import token_source_of
from ...config.find import watch_settings
from ...config.watching import journal_path
from ...net.authorization import AuthorizationFailed, AuthorizationServer, Granted
from ...net.redirect import Redirect
from ...watch.tokens import keep, server_of
from ..failure import CANNOT, WRONG, CommandFailed
from .test import chosen

PATIENCE = 600.0
"""Seconds a person has to agree in a browser."""
SLOWER = 5.0
"""Seconds more between two questions, each time the server finds them too many (RFC 8628 §3.5)."""
VERIFIER = 48
"""Octets, written as 64 characters (RFC 7636 §4.1: 43 to 128)."""


def login(config: Path | None, name: str, on_device: bool | None, port: int, opens: bool) -> None:
    """Get the account's tokens and keep them."""
    settings, _ = watch_settings(config)
    account = chosen(settings, name)
    source = token_source_of(account, journal_path(settings))
    if source is None:
        raise CommandFailed(f"account {name!r} has no oauth_client_id: it logs in with a password", WRONG)
    if on_device and not source.device:
        raise CommandFailed(
            f"{account.host}: logging in on another device is not offered for mail; use --browser", WRONG
        )
    if on_device is False and not source.authorize:
        raise CommandFailed(f"{account.host}: oauth_authorize is not set; use --device", WRONG)
    server = server_of(source)
    by_browser = bool(source.authorize) if on_device is None else not on_device
    try:
        granted = _by_browser(server, account.user, port, opens) if by_browser else _by_device(server)
    except AuthorizationFailed as error:
        raise CommandFailed(f"not logged in: {error}", CANNOT) from error
    if not granted.refresh:
        raise CommandFailed("not logged in: the server gave no refresh token; is the scope right?", CANNOT)
    try:
        keep(source.file, granted)
    except OSError as error:
        raise CommandFailed(f"{source.file} cannot be written: {error.strerror}", CANNOT) from error
    print(f"Logged in; the tokens are in {source.file}. Try it: mailhorn watch test {name}")


def _by_browser(server: AuthorizationServer, user: str, port: int, opens: bool) -> Granted:
    """RFC 8252 with RFC 7636: the browser comes back to this machine."""
    verifier = secrets.token_urlsafe(VERIFIER)
    try:
        redirect = Redirect(port)
    except OSError as error:
        raise CommandFailed(f"port {port} cannot be used: {error.strerror}", CANNOT) from error
    with redirect:
        url = server.browser_url(redirect.url, redirect.state, verifier, user)
        print(f"Log in as {user} in a browser on this machine, here:\n\n  {url}\n", flush=True)
        if opens:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(url)
        code = redirect.wait(PATIENCE)
        return server.finish_browser(code, redirect.url, verifier)


def _by_device(server: AuthorizationServer) -> Granted:
    """RFC 8628: the person types a code in elsewhere."""
    begun = server.begin_device()
    print(f"On any device, open\n\n  {begun.url}\n\nand enter the code  {begun.shown}\n", flush=True)
    interval, deadline = begun.interval, time.monotonic() + begun.lasts
    while time.monotonic() < deadline:
        time.sleep(interval)
        try:
            return server.finish_device(begun)
        except AuthorizationFailed as error:
            if error.code == "slow_down":
                interval += SLOWER
            elif error.final:
                raise
            elif error.code != "authorization_pending":  # not an answer of the server's: RFC 8628 §3.5, back off
                interval = min(2 * interval, 60.0)
    raise AuthorizationFailed("nobody has entered the code in time")


__all__ = ["login"]
