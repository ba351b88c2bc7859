"""The access token of an account: kept in a file, renewed before it expires, and not oftener than is good.

Rule 1: a refresh token may be good for once only, so what comes with a new one is in the file before it is used.
Rule 2: renewing has a rate limit of its own, whatever the connections want (fault F58).
Rule 3: a token is in no log and in no error.
Rule 4: the connections of an account share one of these; several at once cause one renewal.
"""

import asyncio
import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..net.authorization import AuthorizationFailed, AuthorizationServer, Granted
from .account import TokenSource

AHEAD = 0.1
"""Share of its life that a token has left when it is renewed: connections are made anew at nine tenths of it (F42)."""
LEAST_LEFT = 60.0
"""Seconds a token must be good for at least: a login takes some of them."""
RENEWAL_PAUSE = 60.0
"""Seconds from one renewal to the next, whether it worked or not (fault F58)."""


class NoToken(Exception):
    """
    There is no token. The text says why, for the log.

    Attributes:
        final: Whether somebody has to do something before there is one.

    """

    def __init__(self, text: str, final: bool) -> None:
        super().__init__(text)
        self.final = final


def server_of(source: TokenSource) -> AuthorizationServer:
    """Return who gives out an account's tokens. Raises ValueError if one of its URLs is none."""
    return AuthorizationServer(
        source.authorize, source.token, source.device, source.client_id, source.client_secret, source.scope
    )


@dataclass(frozen=True, slots=True)
class AccessToken:
    """
    A token that is good now.

    Attributes:
        text: Itself.
        good_for: Seconds until it is to be renewed.
        new: Whether it was given out just now: a server that refuses it will refuse the next one, too.

    """

    text: str = field(repr=False)
    good_for: float
    new: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What the file has: the tokens, when the access token was given out and when it expires (seconds since 1970)."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    since: float
    until: float


def keep(file: Path, granted: Granted, refresh: str = "") -> Kept:
    """
    Write tokens to their file, at once or not at all, readable by its owner only.

    Args:
        file: Where to.
        granted: What was given out.
        refresh: The refresh token to keep if none came with it.

    Raises:
        OSError: It cannot be written.

    """
    now = time.time()
    kept = Kept(granted.access, granted.refresh or refresh, now, now + granted.lasts)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
            json.dump(
                {"access": kept.access, "refresh": kept.refresh, "since": kept.since, "until": kept.until}, output
            )
            output.flush()
            os.fsync(output.fileno())
        os.replace(new, file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return kept


def kept_in(file: Path) -> Kept | None:
    """Return the tokens in a file, None if there is no such file. Raises OSError, ValueError if it has others."""
    try:
        found = json.loads(file.read_text("utf-8"))
        return Kept(str(found["access"]), str(found["refresh"]), float(found["since"]), float(found["until"]))
    except FileNotFoundError:
        return None
    except (LookupError, TypeError) as error:
        raise ValueError("it is not what was written there") from error


class AccountTokens:
    """The tokens of one account, for all its connections. Of one event loop."""

    def __init__(self, source: TokenSource, clock: Callable[[], float]) -> None:
        """
        Begin; nothing is read yet.

        Args:
            source: Where they come from.
            clock: Seconds of a clock that runs through suspend.

        """
        self._source = source
        self._server = server_of(source)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: Kept | None = None
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._asked_at = float("-inf")
        self._failed = ""

    async def get(self, refused: str = "") -> AccessToken:
        """
        Return a token that is good for a while.

        Args:
            refused: One that the mail server did not take.

        Raises:
            NoToken: There is none.

        """
        async with self._lock:
            await self._read(refused)
            kept, now = self._kept, self._clock()
            usable = kept is not None and kept.access != refused and self._expires_at - now > LEAST_LEFT
            if kept is not None and usable and now < self._renew_at:
                return AccessToken(kept.access, self._renew_at - now, False)
            if kept is None or not kept.refresh:
                raise NoToken(f"nobody has logged in yet, or not for long; run: {self._source.login}", True)
            if now - self._asked_at < RENEWAL_PAUSE:
                if usable:
                    return AccessToken(kept.access, max(self._expires_at - now - LEAST_LEFT, 1.0), False)
                why = f" ({self._failed})" if self._failed else ""
                raise NoToken(f"a new token was asked for a moment ago{why}; it is tried again in a minute", False)
            self._asked_at = now
            try:
                self._take(await asyncio.to_thread(self._renewed, kept.refresh))
            except AuthorizationFailed as error:
                self._failed = str(error)
                if usable and not error.final:
                    return AccessToken(kept.access, max(self._expires_at - now - LEAST_LEFT, 1.0), False)
                todo = f"; run: {self._source.login}" if error.final else ""
                raise NoToken(f"no new token: {error}{todo}", error.final) from error
            except OSError as error:
                raise NoToken(f"{self._source.file} cannot be written: {error.strerror}", False) from error
            self._failed = ""
            assert self._kept is not None
            return AccessToken(self._kept.access, self._renew_at - self._clock(), True)

    def _renewed(self, refresh: str) -> Kept:
        return keep(self._source.file, self._server.refresh(refresh), refresh)

    async def _read(self, refused: str) -> None:
        """Read the file, the first time and whenever what we have is of no use: somebody may have logged in again."""
        soon = self._clock() + LEAST_LEFT
        if self._kept is not None and self._kept.access != refused and soon < min(self._renew_at, self._expires_at):
            return
        try:
            found = await asyncio.to_thread(kept_in, self._source.file)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise NoToken(f"{self._source.file} cannot be used: {reason}; run: {self._source.login}", True) from error
        if found is not None and found != self._kept:
            self._take(found)

    def _take(self, kept: Kept) -> None:
        """Note until when a token is good: by the clock of the file, then by ours, which nobody sets."""
        life = max(kept.until - kept.since, 0.0)
        left = min(max(kept.until - time.time(), 0.0), life)
        self._kept = kept
        self._expires_at = self._clock() + left
        self._renew_at = self._expires_at - life * AHEAD


__all__ = ["AccessToken", "AccountTokens", "NoToken", "keep", "kept_in", "server_of"]
