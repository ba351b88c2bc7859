"""TLS contexts, a certificate for the first start, and how a connection is encrypted.

TLS 1.2 at least (RFC 8996); clients verify unless told otherwise in so many words.
"""

import asyncio.sslproto
import contextlib
import datetime
import hashlib
import os
import socket
import ssl
import subprocess
import sys
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


def abort(transport: asyncio.WriteTransport) -> None:
    """End a connection at once, if it is not over: asyncio of Python 3.11.2 fails where an encrypted one is."""
    with contextlib.suppress(AttributeError):
        transport.abort()


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """
    Return a context for a server.

    Args:
        certificate: PEM file: the certificate and what leads to its root.
        key: PEM file of its private key.
        client_ca: PEM file with the authorities whose certificates clients may show; None asks for none. Who shows
            another one gets no connection, who shows none does.

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
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not certificates in PEM form"
            raise TLSProblem(f"TLS: cannot use {client_ca} as authority of client certificates: {reason}") from error
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def end_point(certificate: bytes) -> bytes | None:
    """
    Return the channel binding `tls-server-end-point` of a server's certificate (RFC 5929 §4.1).

    Of the exporter of RFC 9266 there is none: Python's TLS does not give it.

    Args:
        certificate: In DER.

    Returns:
        Its hash, by the function that its signature was made with; None if there is no such function, as with EdDSA.

    """
    name = _SIGNED_WITH.get(_signature_algorithm(certificate))
    return hashlib.new(name, certificate).digest() if name else None


def _signature_algorithm(certificate: bytes) -> bytes:
    """Return the OID: Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature } (RFC 5280 §4.1)."""
    try:
        body, _ = _value(certificate)
        _, after = _value(body)
        algorithm, _ = _value(body[after:])
        oid, after = _value(algorithm)
        if oid != _RSASSA_PSS:
            return oid
        parameters, _ = _value(algorithm[after:])
        if parameters[:1] != b"\xa0":
            return _SHA1_WITH_RSA  # the default (RFC 4055 §3.1)
        hashing, _ = _value(parameters)
        named, _ = _value(hashing)
        return _value(named)[0]
    except IndexError:
        return b""


def _value(der: bytes) -> tuple[bytes, int]:
    """Return the first value's octets, and where the next one begins. Raises IndexError if it is cut."""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise IndexError("cut")
    return der[start : start + length], start + length


def _oid(text: str) -> bytes:
    numbers = [int(number) for number in text.split(".")]
    encoded = bytearray([40 * numbers[0] + numbers[1]])
    for number in numbers[2:]:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        encoded += bytes(reversed(septets))
    return bytes(encoded)


_RSASSA_PSS = _oid("1.2.840.113549.1.1.10")
_SHA1_WITH_RSA = _oid("1.2.840.113549.1.1.5")
_SIGNED_WITH = {
    _oid(text): name
    for name, texts in {
        "sha256": (
            "1.2.840.113549.1.1.4",  # MD5 and SHA-1 count as SHA-256 here (RFC 5929 §4.1)
            "1.2.840.113549.1.1.5",
            "1.2.840.10045.4.1",
            "1.2.840.113549.1.1.11",
            "1.2.840.10045.4.3.2",
            "2.16.840.1.101.3.4.2.1",
        ),
        "sha384": ("1.2.840.113549.1.1.12", "1.2.840.10045.4.3.3", "2.16.840.1.101.3.4.2.2"),
        "sha512": ("1.2.840.113549.1.1.13", "1.2.840.10045.4.3.4", "2.16.840.1.101.3.4.2.3"),
    }.items()
    for text in texts
}
"""What hashes: RSA with it, ECDSA with it, and the hash alone, which RSASSA-PSS names."""


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
    from tempfile import mkstemp  # once in the life of a server

    handle, temporary = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with 0600
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


async def connect_tls(
    sock: socket.socket,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    server_hostname: str,
    handshake_timeout: float,
    shutdown_timeout: float,
) -> None:
    """
    Encrypt a connected socket from the first octet, as a client; `protocol` is told of the connection once it is.

    Args:
        sock: Connected, not blocking; closed when the connection ends, or cannot be encrypted.
        protocol: What is told of the connection and of decrypted data.
        context: From `client_context`.
        server_hostname: Whose certificate is expected.
        handshake_timeout: Seconds.
        shutdown_timeout: Seconds that a close waits for the peer's.

    Raises OSError (ssl.SSLError among them) if the handshake failed; the connection is then lost.

    """
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    layer = _Layer(
        loop,
        protocol,
        context,
        waiter,
        False,
        server_hostname,
        ssl_handshake_timeout=handshake_timeout,
        ssl_shutdown_timeout=shutdown_timeout,
    )
    transport, _ = await loop.create_connection(lambda: layer, sock=sock)
    try:
        await waiter
    except BaseException:
        transport.close()
        raise


__all__ = [
    "TLSProblem",
    "abort",
    "client_context",
    "connect_tls",
    "end_point",
    "objection",
    "self_signed",
    "server_context",
    "start_tls",
]
