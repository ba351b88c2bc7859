"""What final delivery puts in front of a message (RFC 5321 §4.4): who sent it, and how it came here."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from ...smtp.address import Mailbox, is_domain, write_path


@dataclass(frozen=True, slots=True)
class Arrival:
    """
    How a message came.

    Attributes:
        sender: Reverse path, None for `<>`.
        recipient: The forward path if there was one only: several would tell each about the others (§7.2).
        name: What the client called itself, "" if it did not say.
        address: Its IP address.
        protocol: What it spoke, as `with_protocol` gives it.
        id: Ours, to find the message in the log.

    """

    sender: Mailbox | None
    recipient: Mailbox | None
    name: str
    address: str
    protocol: str
    id: str


def trace(arrival: Arrival, hostname: str, at: datetime) -> bytes:
    """
    Return-path-line and Time-stamp-line

    RFC 5321 §4.4.

    Args:
        arrival: How the message came.
        hostname: Our name.
        at: When, with its zone.

    """
    name = arrival.name if arrival.name.isascii() and is_domain(arrival.name) else "unknown"
    who = f" for {write_path(arrival.recipient)}" if arrival.recipient else ""
    return (
        f"Return-Path: {write_path(arrival.sender)}\r\n"
        f"Received: from {name} ({address_literal(arrival.address)})\r\n"
        f"\tby {hostname} with {arrival.protocol} id {arrival.id}{who};\r\n"
        f"\t{format_datetime(at)}\r\n"
    ).encode()


def with_protocol(*, lmtp: bool, extended: bool, tls: bool, authenticated: bool, utf8: bool) -> str:
    """Return the name of what was spoken (RFC 3848, RFC 6531 §4.3), as ESMTPSA or UTF8LMTP."""
    if not extended:
        return "SMTP"
    base = ("UTF8" if utf8 else "" if lmtp else "E") + ("LMTP" if lmtp else "SMTP")
    return base + ("S" if tls else "") + ("A" if authenticated else "")


def address_literal(address: str) -> str:
    """address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]" (RFC 5321 §4.1.3)"""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


__all__ = ["Arrival", "address_literal", "trace", "with_protocol"]
