"""What final delivery puts in front of a message (RFC 5321 §4.4): who sent it, and how it came here.

What is the same for all messages of a connection, or of a second, is put together once.
"""

from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from itertools import count
from secrets import token_hex

from ...smtp.address import is_domain


def ids() -> Iterator[str]:
    """Yield names for messages, unique on this machine as long as nobody draws the same 48 bits at a start."""
    start = token_hex(6)
    return (f"{start}{number:06x}" for number in count(1))


@lru_cache(maxsize=1024)
def came_from(name: str, address: str, hostname: str, protocol: str) -> str:
    """
    Stamp = From-domain By-domain Opt-info, up to the id

    RFC 5321 §4.4.

    Args:
        name: What the client called itself, "" if it did not say; what is no domain is not repeated.
        address: Its IP address.
        hostname: Our name.
        protocol: What it spoke, as `with_protocol` gives it.

    """
    known = name if name.isascii() and is_domain(name) else "unknown"
    return f"Received: from {known} ({address_literal(address)})\r\n\tby {hostname} with {protocol} id "


def trace(sender: str, recipient: str, stamp: str, id: str, at: str) -> bytes:
    """
    Return-path-line and Time-stamp-line

    RFC 5321 §4.4.

    Args:
        sender: Reverse path without its brackets, "" for `<>`.
        recipient: The forward path if there was one only: several would tell each about the others (§7.2); else "".
        stamp: From `came_from`.
        id: Ours, to find the message in the log.
        at: When, from `date_time`.

    """
    who = f" for <{recipient}>" if recipient else ""
    return f"Return-Path: <{sender}>\r\n{stamp}{id}{who};\r\n\t{at}\r\n".encode()


@lru_cache(maxsize=4)
def date_time(second: int) -> str:
    """date-time (RFC 5322 §3.3) of a second since 1970, in this machine's zone."""
    return format_datetime(datetime.fromtimestamp(second).astimezone())


def with_protocol(*, lmtp: bool, extended: bool, tls: bool, authenticated: bool, utf8: bool) -> str:
    """Return the name of what was spoken (RFC 3848, RFC 6531 §4.3), as ESMTPSA or UTF8LMTP."""
    if not extended:
        return "SMTP"
    base = ("UTF8" if utf8 else "" if lmtp else "E") + ("LMTP" if lmtp else "SMTP")
    return base + ("S" if tls else "") + ("A" if authenticated else "")


def address_literal(address: str) -> str:
    """address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]" (RFC 5321 §4.1.3)"""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


__all__ = ["address_literal", "came_from", "date_time", "ids", "trace", "with_protocol"]
