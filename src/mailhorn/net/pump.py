"""The pump: the only driver of bytes between a transport and a protocol core (design decision D4).

Rule 1: a core is fed and drained here and nowhere else; the session only takes its events and calls `flush`.
Rule 2: an idle connection has no task, no timer and no buffer. Rule 3: nothing is read from a peer that does
not read what it is sent. Rule 4: whatever goes wrong in core or session ends the connection and is logged once,
with its stack, as our own bug; what the network does is never a bug. Rule 5: every end is bounded in time.
"""

import asyncio
import contextlib
import socket
import ssl
import sys
import zlib
from typing import Protocol, cast

import structlog

from .deflate import Deflate
from .protocol_log import ProtocolLog
from .spout import Spout
from .tls import start_tls

HIGH_WATER = 64 * 1024
"""Octets waiting to be sent from which on a session must hold back: enough to keep a fast link busy while the
next piece is made, and 1,000 stalled peers still cost only 64 MB."""
LOW_WATER = 16 * 1024
"""Octets waiting to be sent below which it may go on."""
LINGER = 5.0
"""Seconds a peer has, after we said good-bye, to read what it was sent and to close its side."""
TLS_HANDSHAKE = 20.0
"""Seconds for a TLS handshake: four round trips at their worst on a phone, no parking place for a flood."""

log = structlog.get_logger("mailhorn.net")


class Core(Protocol):
    """Three of a protocol core's four verbs; `events_received` is for the session."""

    def receive_data(self, data: bytes, /) -> None:
        """Take bytes from the peer."""

    def receive_eof(self) -> None:
        """Take note that the peer will send no more."""

    def data_to_send(self) -> bytes:
        """Return what is to be sent, b"" for nothing."""


class Session(Protocol):
    """Who takes the core's events. All are plain calls in the event loop and must not block."""

    def connected(self, pump: "Pump", /) -> None:
        """The transport is there: keep the pump, greet."""

    def received(self) -> None:
        """The core may have events. What it has to send afterwards is sent by the pump."""

    def writable(self) -> None:
        """The peer has read enough of what it was sent; called only after `Pump.writable` was False."""

    def lost(self, error: Exception | None, /) -> None:
        """The connection is gone, whoever ended it; called once, after `connected`, and nothing follows."""


class Pump(asyncio.Protocol):
    """
    Moves the bytes of one connection.

    Attributes:
        core: The protocol core that is fed.
        session: Who takes its events.
        address: The peer's IP address in its usual text form, "" before the connection is made.
        port: The peer's port.
        tls: Whether the connection is encrypted.
        writable: Whether more may be sent now; False while the peer does not read.
        closed: Whether `close` or `abort` was called or the connection is gone: sending is over.
        eof: Whether the peer has ended its side. The session must `close` when it has said all it has to say.

    """

    __slots__ = (
        "_deflate",
        "_error",
        "_held",
        "_inflating",
        "_linger",
        "_log",
        "_loop",
        "_lost",
        "_paused",
        "_reading",
        "_transport",
        "address",
        "closed",
        "core",
        "eof",
        "port",
        "session",
        "tls",
        "writable",
    )

    def __init__(self, core: Core, session: Session, log: ProtocolLog | None = None) -> None:
        self.core = core
        self.session = session
        self.address = ""
        self.port = 0
        self.tls = False
        self.writable = True
        self.closed = False
        self.eof = False
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        self._held: list[bytes] | None = None
        self._deflate: Deflate | None = None
        self._inflating = False
        self._paused = False
        self._reading = True
        self._lost = False

    @property
    def peer(self) -> str:
        """Return the peer as `address:port`, IPv6 addresses in brackets."""
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Return whether the peer is this machine."""
        return self.address.startswith("127.") or self.address in ("::1", UNIX)

    @property
    def shown(self) -> tuple[str, ...]:
        """Return whom the peer's verified certificate names: its mail addresses, else its common name; () if none."""
        certificate = None if self._transport is None else self._transport.get_extra_info("peercert")
        if not certificate:
            return ()
        addresses = [name for kind, name in certificate.get("subjectAltName", ()) if kind == "email"]
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        return tuple(addresses or names)

    @property
    def shown_certificate(self) -> bytes | None:
        """Return the peer's certificate in DER, verified or not; None if it showed none."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        return None if tls is None else cast(bytes | None, tls.getpeercert(binary_form=True))

    # what the session asks for

    def flush(self) -> None:
        """Send what the core has to send. Harmless at any time."""
        transport = self._transport
        if self.closed or transport is None:
            return
        try:
            data = self.core.data_to_send()
        except Exception as error:
            self.fail(error)
            return
        if not data or transport.is_closing():
            return
        if self._log is not None:
            self._log.sent(data)
        transport.write(data if self._deflate is None else self._deflate.compress(data))

    def close(self, linger: bool = True) -> None:
        """
        Send what the core has to send, then end the connection.

        Our side is ended first and what still comes in is thrown away until the peer has ended its own: closing a
        socket with unread bytes in it resets the connection, and the peer might never see our last words.

        Args:
            linger: False does not wait for that: for peers that are not counted, of which there may be any number.

        """
        if self.closed:
            return
        self.flush()
        self._end(linger)

    def abort(self) -> None:
        """End the connection at once; what is not sent yet is lost."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def fail(self, error: Exception) -> None:
        """End the connection because of an error of ours, and log it with its stack. The peer is told nothing."""
        if self._error is not None:
            return
        self._error = error
        log.error("bug in a connection, it was closed", peer=self.peer, exc_info=error)
        if not self.closed:
            self._end()

    def pause(self) -> None:
        """Read no more until `resume`."""
        self._paused = True
        self._read_or_not()

    def resume(self) -> None:
        """Read again, if the peer reads too."""
        if not self._paused:
            return
        self._paused = False
        self._read_or_not()
        self._go_on_inflating()

    @property
    def compressing(self) -> bool:
        """Whether `compress` was called."""
        return self._deflate is not None

    def compress(self) -> None:
        """Compress all that is sent from now on, and expect the same of the peer (RFC 4978)."""
        self._deflate = Deflate()

    def rest(self) -> None:
        """Give back what is needed only while something is sent."""
        if self._deflate is not None:
            self._deflate.rest()

    def spout(self) -> Spout | None:
        """
        Return a way to send files without a detour.

        None if there is none: what is sent is encrypted, compressed or logged, something waits to be sent, or the
        system has no descriptor left. Until it is closed nothing else may be sent, but the connection may end.
        """
        transport = self._transport
        if transport is None or self.closed or self.tls or self._deflate is not None or self._log is not None:
            return None
        sock = transport.get_extra_info("socket")
        if sock is None or not self.writable or transport.get_write_buffer_size():
            return None
        try:
            return Spout(sock.fileno())
        except OSError:
            return None

    def brim(self) -> None:
        """Send what the core has to send; `writable` is False then until the system has all of it."""
        self.flush()
        if self.writable and not self.closed and self._transport is not None:
            self._transport.set_write_buffer_limits(0)
            if self.writable:
                self._transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)

    def acknowledge(self) -> None:
        """
        Have the system acknowledge at once what was received.

        For a peer that sends what belongs together in pieces: it may keep back a small one until the piece before is
        acknowledged (RFC 9293 §3.7.4), which the system puts off for some 40 ms where nothing is answered.
        """
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        if sock is not None and sock.family != socket.AF_UNIX and hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):  # it is gone
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    async def start_tls(
        self, context: ssl.SSLContext, server_side: bool = True, server_hostname: str | None = None
    ) -> None:
        """
        Encrypt the connection; what was sent before is still sent in the clear.

        Call `pause` in the tick in which the core asked for this, or the first encrypted bytes go to the core. Tell
        the core that TLS has started before awaiting anything else: what came with the end of the handshake is fed
        to it in the next tick.

        Raises OSError (ssl.SSLError among them) if the handshake failed; the connection is then lost.
        """
        if self._transport is None or self.closed:
            raise ConnectionError("the connection is gone")
        self.flush()
        self._held = []
        try:
            encrypted = await start_tls(
                self._transport,
                self,
                context,
                server_side=server_side,
                server_hostname=server_hostname,
                handshake_timeout=TLS_HANDSHAKE,
                shutdown_timeout=LINGER,
            )
        except OSError as error:
            self.connection_lost(error)  # asyncio does not tell the protocol when it is the handshake that failed
            raise
        if self._lost:
            raise ConnectionError("the connection was lost during the TLS handshake")
        self._transport = encrypted
        self._transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self.tls = True
        self.writable = True
        self._paused = False
        self._reading = True
        if self.closed:
            self._transport.abort()
        self._loop.call_soon(self._feed_held)

    # what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports are not subclasses of asyncio's, they only behave alike.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)
        self.tls = self._transport.get_extra_info("sslcontext") is not None
        name = self._transport.get_extra_info("peername")
        if isinstance(name, tuple):
            self.address, self.port = plain_address(name[0]), name[1]
        elif name is None:  # gone before we looked
            self.address = "unknown"
        else:
            self.address = UNIX
        if self.closed:  # the session's maker refused it before it began
            self._transport.abort()
            return
        try:
            self.session.connected(self)
        except Exception as error:
            self.fail(error)
            return
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Feed the core, let the session look, send the answer."""
        if self.closed:
            return
        if self._held is not None:
            self._held.append(data)
            return
        if self._deflate is not None:
            self._deflate.received(data)
            self._inflate()
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self._log is not None:
            self._log.received(data)
        try:
            self.core.receive_data(data)
            self.session.received()
        except Exception as error:
            self.fail(error)
            return
        self.flush()

    def eof_received(self) -> bool:
        """Tell the core; keep our side open so that the session can still answer (TLS cannot)."""
        self.eof = True
        if self.closed or self._held is not None:
            return False
        try:
            self.core.receive_eof()
            self.session.received()
        except Exception as error:
            self.fail(error)
        self.flush()
        return not self.tls and not self.closed

    def pause_writing(self) -> None:
        """Hold back: the peer does not read."""
        self.writable = False
        self._read_or_not()

    def resume_writing(self) -> None:
        """Go on: the peer has read."""
        self.writable = True
        if self._transport is None or self.closed:
            return
        self._transport.set_write_buffer_limits(HIGH_WATER, LOW_WATER)  # `brim` has other ones
        try:
            self.session.writable()
        except Exception as error:
            self.fail(error)
            return
        self.flush()
        self._read_or_not()
        self._go_on_inflating()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the session, once."""
        if self._lost:
            return
        self._lost = True
        self.closed = True
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        try:
            self.session.lost(self._error or exc)
        except Exception as error:
            log.error("bug while a connection ended", peer=self.peer, exc_info=error)
        # Session and transport know the pump, too: in a circle they and their buffers would stay until the collector
        # comes by, which takes hundreds of connections. Nothing is called any more.
        del self.session
        self._transport = None

    def _feed_held(self) -> None:
        held, self._held = self._held, None
        if held:
            self.data_received(b"".join(held))

    def _inflate(self) -> None:
        """Take one piece of what came compressed; the next one after all others had their turn."""
        self._inflating = False
        deflate = self._deflate
        if self.closed or deflate is None or not deflate.waiting or self._paused or not self.writable:
            return
        try:
            data = deflate.take()
        except zlib.error as error:
            log.info("peer cut off, what it sends cannot be inflated", peer=self.peer, error=str(error))
            self.abort()
            return
        if data:
            self._take(data)
        self._go_on_inflating()
        self._read_or_not()

    def _go_on_inflating(self) -> None:
        if self._deflate is not None and self._deflate.waiting and not self._inflating:
            self._inflating = True
            self._loop.call_soon(self._inflate)

    def _read_or_not(self) -> None:
        behind = self._deflate is not None and self._deflate.waiting
        reading = self.closed or (self.writable and not self._paused and not behind)
        transport = self._transport
        if reading is self._reading or transport is None or transport.is_closing():
            return
        self._reading = reading
        if reading:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def _end(self, linger: bool = True) -> None:
        self.closed = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._linger = self._loop.call_later(LINGER, transport.abort)
        if not linger or self.tls or self.eof or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
        except OSError:  # it was reset, and the loop is about to tell us
            transport.abort()
            return
        self._read_or_not()  # to see the peer's end; `data_received` throws the rest away


UNIX = "unix"
"""`Pump.address` of a peer on a Unix socket."""


def plain_address(address: str) -> str:
    """Return an IP address without scope, IPv4 in IPv6 as IPv4; equal addresses share one string."""
    address = address.partition("%")[0]
    if address.startswith("::ffff:") and "." in address:
        address = address[7:]
    return sys.intern(address)


__all__ = ["Core", "Pump", "Session", "plain_address"]
