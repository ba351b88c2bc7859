"""Whose OAuth token is it: asks the authorization server, and remembers its answer for a moment.

Rule 1: a token is kept as a keyed digest only, and is in no log. Rule 2: the same token asked twice at once is asked
once, since a client's connections come together. Rule 3: only a good token is remembered, never beyond its own end.
"""

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from .accounts import TooBusy

REMEMBERED_FOR = 60.0
"""Seconds a good token is remembered: what is revoked is refused a minute later."""
REMEMBERED = 10_000
"""Tokens remembered, some 200 octets each."""
MAX_WAITING = 256
"""Tokens asked about at once; more have to come again."""

log = structlog.get_logger("mailhorn.tokens")


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """
    What a token must say.

    Attributes:
        login: Name of the field of the answer that has the login, or the mail address, of whose it is.
        scope: One of its scopes must be this, "" for any.
        audience: It must be meant for this, "" for anybody.
        discovery: Where clients find out how to get a token, "" to tell them nothing (RFC 7628 §3.2.2).

    """

    login: str = "username"
    scope: str = ""
    audience: str = ""
    discovery: str = ""


class Tokens:
    """Who a token lets in."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[dict[str, Any]]],
        close: Callable[[], None],
        options: TokenOptions | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Begin.

        Args:
            ask: Returns what the authorization server says of a token (RFC 7662 §2.2); OSError if it says nothing.
            close: Called at the end.
            options: What it must say.
            clock: The time of day, seconds since 1970.

        """
        self.options = options or TokenOptions()
        self._ask = ask
        self.close = close
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._good: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[str]] = {}

    async def owner(self, token: str) -> str:
        """
        Return the login or mail address of whose token it is, "" if it is no good, or not for us.

        Raises:
            TooBusy: The authorization server cannot be asked now.

        """
        digest = hmac.digest(self._key, token.encode(), "sha256")
        known = self._good.get(digest)
        if known is not None:
            if 0 < known[1] - self._clock() <= REMEMBERED_FOR:  # more: the clock was set back
                return known[0]
            del self._good[digest]
        task = self._running.get(digest)
        if task is None:
            if len(self._running) >= MAX_WAITING:
                raise TooBusy("too many logins at once, try again later")
            task = asyncio.get_running_loop().create_task(self._find_out(digest, token))
            self._running[digest] = task
            task.add_done_callback(lambda _: self._running.pop(digest, None))
        # Who asked may go away meanwhile; others may be waiting for the same answer.
        return await asyncio.shield(task)

    async def _find_out(self, digest: bytes, token: str) -> str:
        try:
            said = await self._ask(token)
        except OSError as error:
            log.error("the authorization server could not be asked about a token", reason=str(error))
            raise TooBusy("tokens cannot be verified now, try again later") from None
        now = self._clock()
        owner, until = self._owner_of(said), _until(said, now)
        if owner and until > now:
            self._good[digest] = owner, min(until, now + REMEMBERED_FOR)
            if len(self._good) > REMEMBERED:
                self._good.popitem(last=False)
            return owner
        return ""

    def _owner_of(self, said: dict[str, Any]) -> str:
        options, audience = self.options, said.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        scope = said.get("scope")
        owner = said.get(options.login)
        wrong = (
            "" if said.get("active") is True else "it is not active",
            "" if not options.scope or (isinstance(scope, str) and options.scope in scope.split()) else "its scope",
            "" if not options.audience or options.audience in meant else "its audience",
            "" if isinstance(owner, str) and owner else f"there is no {options.login!r} in the answer",
        )
        reason = next(filter(None, wrong), "")
        if reason:
            log.info("a token was refused", reason=reason)
            return ""
        return str(owner)


def _until(said: dict[str, Any], now: float) -> float:
    """Return when the token ends, as far as is known."""
    end = said.get("exp")
    if not isinstance(end, int | float) or isinstance(end, bool):
        return now + REMEMBERED_FOR
    return float(end)


__all__ = ["TokenOptions", "Tokens"]
