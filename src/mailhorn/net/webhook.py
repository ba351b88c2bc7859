"""Telling a web address something: one POST of JSON, a plain call that blocks. A redirect is not followed."""

import ssl
import time
from urllib.parse import urlsplit

MAX_ANSWER = 64 * 1024
"""Octets that are read of an answer; only its status matters."""


def checked(url: str) -> str:
    """Return the URL. Raises ValueError unless it is https, or this machine: what is told is somebody's mail."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ValueError(f"not an https URL: {url!r}")
    return url


def post(url: str, body: bytes, key: str, timeout: float) -> None:
    """
    Tell it, once.

    Args:
        url: From `checked`.
        body: JSON.
        key: The same each time it is told again.
        timeout: Seconds for all of it.

    Raises:
        OSError: It was not taken; the text says why.

    """
    import http.client  # by who tells something: it is 0.8 MiB

    parts = urlsplit(url)
    deadline = time.monotonic() + timeout
    host = parts.hostname or ""
    connection = (
        http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=ssl.create_default_context())
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, parts.port, timeout=timeout)
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", "Idempotency-Key": key})
        with connection.getresponse() as response:
            read = 0
            while read < MAX_ANSWER and (piece := response.read1(4096)):
                read += len(piece)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no whole answer within {timeout:g} s")
            if not 200 <= response.status < 300:
                raise OSError(f"it answered {response.status}")
    except http.client.HTTPException as error:
        raise OSError(f"it does not speak HTTP: {type(error).__name__}") from error
    finally:
        connection.close()


__all__ = ["checked", "post"]
