"""TLS contexts, a certificate for the first start, and how a connection is encrypted.

TLS 1.2 at least (RFC 8996); clients verify unless told otherwise in so many words.
"""

import asyncio.sslproto
import datetime
import os
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

RECORD = 16 * 1024
"""Octets of one TLS record at the most, and of what is taken out of one at once."""

RECEIVED = 64 * 1024
"""Octets that are read from a socket at once, into one buffer for all connections."""

VALID_FOR = datetime.timedelta(days=3650)
"""Of a self-signed certificate: nobody renews it, clients pin it."""

CERTIFICATE = "self-signed.crt"
KEY = "self-signed.key"


class TLSProblem(Exception):
    """A certificate or key cannot be used. The text says which, why and what to do, in one line."""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """
    Return a context for a server.

    Args:
        certificate: PEM file: the certificate and what leads to its root.
        key: PEM file of its private key.

    Raises:
        TLSProblem: A file is missing, unreadable, or they do not belong together.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    for file in (certificate, key):
        if not os.access(file, os.R_OK):
            reason = "it may not be read by this user" if file.exists() else "it does not exist"
            raise TLSProblem(f"TLS: cannot use {file}: {reason}")
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = str(error) if isinstance(error, _Encrypted) else "not a certificate and its key in PEM form"
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            reason = "the key does not belong to the certificate"
        raise TLSProblem(f"TLS: cannot use {certificate} with {key}: {reason}") from error
    return context


def objection(context: ssl.SSLContext, certificate: Path) -> str | None:
    """
    Return what clients object to in a certificate even if they trust who signed it, None if nothing: it has expired.

    A handshake in memory finds out, with the words that clients will use.

    Args:
        context: From `server_context`.
        certificate: Its PEM file.

    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up), context.wrap_bio(up, down, server_side=True)]
    for end in ends * 2:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except ssl.SSLError as error:
            return error.reason
    return None


def client_context(ca: Path | None = None, verify: bool = True) -> ssl.SSLContext:
    """
    Return a context for a client.

    Args:
        ca: PEM file with the certificates to trust instead of the system's.
        verify: False takes any certificate: encryption without knowing with whom.

    Raises:
        TLSProblem: The file cannot be used.

    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise TLSProblem(f"TLS: cannot use {ca} as list of trusted certificates: {error.strerror or error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def self_signed(directory: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """
    Return certificate and key in the directory, made at the first call and then kept.

    Args:
        directory: Where the two files are; it is made if need be.
        names: Host names and IP addresses to put into it; the first is its subject.

    Raises:
        TLSProblem: The directory cannot be written.

    """
    certificate, key = directory / CERTIFICATE, directory / KEY
    if certificate.exists() and key.exists():
        return certificate, key
    signed, secret = _made_elsewhere(names)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        # The key first: a crash in between leaves no certificate, and the pair is made anew.
        _write(key, secret)
        _write(certificate, signed)
    except OSError as error:
        raise TLSProblem(f"TLS: cannot write a certificate into {directory}: {error.strerror}") from error
    return certificate, key


def _made_elsewhere(names: Sequence[str]) -> tuple[bytes, bytes]:
    """Have certificate and key made by a process of its own: what it loads is needed once in a server's life."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    made = subprocess.run(
        [sys.executable, "-m", "mailhorn.net.certificate", str(VALID_FOR.days), *names],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    signed, end, secret = made.stdout.partition(_END)
    if made.returncode or not end:
        reason = made.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise TLSProblem(f"TLS: cannot make a certificate: {reason}")
    return signed + end, secret


_END = b"-----END CERTIFICATE-----\n"


class _Encrypted(ValueError):
    """The key asks for a password."""


def _no_password() -> bytes:
    raise _Encrypted("the key is encrypted; store it without a password")


def _write(path: Path, data: bytes) -> None:
    """Write the file at once or not at all, readable by its owner only."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with 0600
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


class _Layer(asyncio.sslproto.SSLProtocol):
    """
    asyncio's TLS, with one buffer for all connections of a thread to receive into.

    It is used with every event loop, uvloop too, whose own layer keeps 256 KiB for each connection: in a new process
    they are never touched and cost nothing, but those of clients that come later lie where something else was before:
    a server with a thousand clients, a sixth of them encrypted, grew by 30 MiB in ten minutes. asyncio keeps as much,
    and clears it.
    """

    _of_thread = threading.local()

    max_size = 1  # while the buffer is made that is not used

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        view = getattr(self._of_thread, "view", None)
        if view is None:
            view = self._of_thread.view = memoryview(bytearray(RECEIVED))
        vars(self).update(_ssl_buffer=view, _ssl_buffer_view=view, max_size=RECORD)


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    server_side: bool,
    handshake_timeout: float,
    shutdown_timeout: float,
    server_hostname: str | None = None,
) -> asyncio.Transport:
    """
    Encrypt a connection, as the event loop's method of that name does.

    Args:
        transport: The connection in the clear.
        protocol: What is told of decrypted data.
        context: From `server_context` or `client_context`.
        server_side: Which side this is.
        handshake_timeout: Seconds.
        shutdown_timeout: Seconds that a close waits for the peer's.
        server_hostname: Whose certificate is expected; for clients.

    Returns:
        The encrypted connection.

    Raises OSError (ssl.SSLError among them) if the handshake failed; the connection is then lost.

    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    layer = _Layer(
        loop,
        protocol,
        context,
        waiter,
        server_side,
        server_hostname,
        call_connection_made=False,
        ssl_handshake_timeout=handshake_timeout,
        ssl_shutdown_timeout=shutdown_timeout,
    )
    transport.pause_reading()  # so that no encrypted octet goes to the protocol
    transport.set_protocol(layer)
    begin = loop.call_soon(layer.connection_made, transport)
    resume = loop.call_soon(transport.resume_reading)
    try:
        await waiter
    except BaseException:
        transport.close()
        begin.cancel()
        resume.cancel()
        raise
    return cast(asyncio.Transport, layer._app_transport)


__all__ = ["TLSProblem", "client_context", "objection", "self_signed", "server_context", "start_tls"]
