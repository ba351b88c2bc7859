"""Asking an OAuth authorization server whose token this is (RFC 7662), with the standard library's HTTP in threads.

Imported only where such a server is set. A redirect is not followed, an answer is read up to a size and for a time, and
neither the token nor our own secret is part of any error.
"""

import asyncio
import http.client
import json
import ssl
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

THREADS = 4
"""That ask; more logins with tokens wait for one."""
MAX_ANSWER = 64 * 1024
"""Octets; a token with hundreds of scopes has a few thousand."""
PIECE = 4096
"""Octets read between two looks at the clock."""


class IntrospectionFailed(OSError):
    """Nothing was found out about the token. The text says why, for the log."""


class Introspection:
    """
    One authorization server's endpoint.

    Attributes:
        private: Nobody on the way there can read what is asked: https, or this machine.

    """

    def __init__(
        self,
        url: str,
        client_id: str = "",
        client_secret: str = "",
        timeout: float = 5.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """
        Take it; nothing is asked yet.

        Args:
            url: Of the endpoint, http or https.
            client_id: Who we are there, "" to say nothing.
            client_secret: Our password there.
            timeout: Seconds for one question.
            context: For https; None trusts whom the system trusts.

        Raises:
            ValueError: The URL is none.

        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http or https URL: {url!r}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self.private = self._secure or self._host in ("localhost", "127.0.0.1", "::1")
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._context = context or (ssl.create_default_context() if self._secure else None)
        self._headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if client_id:  # RFC 6749 §2.3.1: both encoded before they are joined
            pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
            self._headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        self._pool = ThreadPoolExecutor(THREADS, "introspection")

    async def ask(self, token: str) -> dict[str, Any]:
        """
        Return what the server says of the token: at least `active` (RFC 7662 §2.2).

        Raises:
            IntrospectionFailed: It said nothing that can be used.

        """
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(0)  # a timeout needs a task, and work that has never waited may have none
            async with asyncio.timeout(2 * self._timeout):  # with the time that it may wait for a thread
                return await loop.run_in_executor(self._pool, self._ask, token)
        except TimeoutError as error:
            raise IntrospectionFailed(f"no answer within {self._timeout:g} s") from error

    def close(self) -> None:
        """Ask no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, token: str) -> dict[str, Any]:
        deadline = time.monotonic() + self._timeout
        connection = (
            http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)
            if self._secure
            else http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        )
        try:
            body = urlencode({"token": token, "token_type_hint": "access_token"})
            connection.request("POST", self._path, body, self._headers)
            with connection.getresponse() as response:
                answer = bytearray()
                while piece := response.read1(PIECE):
                    answer += piece
                    if len(answer) > MAX_ANSWER:
                        raise IntrospectionFailed(f"its answer has more than {MAX_ANSWER} octets")
                    if time.monotonic() > deadline:
                        raise IntrospectionFailed(f"no whole answer within {self._timeout:g} s")
        except (OSError, http.client.HTTPException) as error:
            raise IntrospectionFailed(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise IntrospectionFailed(f"it answered {response.status} {response.reason}")
        try:
            said = json.loads(answer)
        except (ValueError, RecursionError) as error:
            raise IntrospectionFailed("its answer is no JSON") from error
        if not isinstance(said, dict) or not isinstance(said.get("active"), bool):
            raise IntrospectionFailed("its answer does not say whether the token is active")
        return said


__all__ = ["Introspection", "IntrospectionFailed"]
