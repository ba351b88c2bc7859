"""What a sender is told when a letter cannot be delivered: a report (RFC 3464) in a multipart/report (RFC 6522). Pure.

Rule 1: a letter without a sender is never told of, or reports would travel for ever (RFC 5321 §4.5.5). Rule 2: it is
plain ASCII but for the header that is returned, whatever others have said. Rule 3: the same failure makes the same
Message-ID, so that who is told twice, after a crash, sees it once. Rule 4: the boundary is a hash of all that it stands
between and a letter's author could know, so nobody can have put it there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256

from .queue import Taken

MAX_HEADER = 32 * 1024
"""Octets of the letter's header that are returned: enough to know it by."""

_STATUS = re.compile(r"(\d{3}) ([245]\.\d{1,3}\.\d{1,3})(?!\S)")
_LINE = 990
"""Octets of a line that may go anywhere (RFC 5322 §2.1.1)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A recipient who does not get the letter.

    Attributes:
        number: Its number in the queue.
        address: Who.
        said: What the smarthost said last, as "550 5.1.1 No such user".
        expired: It was tried for as long as it may be; else it was refused.

    """

    number: int
    address: str
    said: str
    expired: bool


def bounce(letter: Taken, failures: Sequence[Failure], hostname: str, smarthost: str, now: float) -> bytes:
    """
    Return the report to the letter's sender, who is not "".

    Args:
        letter: What cannot be delivered.
        failures: To whom not, one at least.
        hostname: Who reports.
        smarthost: The name of who refused.
        now: Seconds since 1970.

    """
    header = _header(letter.content)
    digest = sha256(b"%d %d %r\n" % (letter.id, letter.submitted_at, [one.number for one in failures]) + header)
    boundary = f"report-{digest.hexdigest()[:32]}"
    text = "".join(_told(failure) for failure in failures)
    for_whom = f"\r\nIt was sent by the mail rules of {_ascii(letter.account)} ({_ascii(letter.why)}).\r\n"
    status = "\r\n".join(_status(failure, smarthost) for failure in failures)
    lines = [
        f"From: Mail Delivery System <MAILER-DAEMON@{hostname}>",
        f"To: <{letter.sender}>",
        "Subject: Undelivered mail returned to sender",
        f"Date: {formatdate(now)}",
        f"Message-ID: <{digest.hexdigest()[:40]}@{hostname}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
        "",
        "This is a report in the format of RFC 3464.",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is the mail server {hostname}. A message could not be delivered:",
        "",
        text + for_whom,
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {hostname}",
        f"Arrival-Date: {formatdate(letter.submitted_at)}",
        "",
        status,
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        *([] if header.isascii() else ["Content-Transfer-Encoding: 8bit"]),
        "",
    ]
    return "\r\n".join(lines).encode("utf-8") + b"\r\n" + header + f"\r\n--{boundary}--\r\n".encode()


def _told(failure: Failure) -> str:
    why = "no luck for days; the last answer was" if failure.expired else "the answer was"
    return f"  {_ascii(failure.address)}: {why}:\r\n    {_ascii(failure.said) or 'none'}\r\n"


def _status(failure: Failure, smarthost: str) -> str:
    found = _STATUS.match(failure.said)
    status = found[2] if found and found[2][0] == found[1][0] else "4.4.7" if failure.expired else "5.0.0"
    return "\r\n".join(
        [
            f"Final-Recipient: {_recipient(failure.address)}",
            "Action: failed",
            f"Status: {status}",
            f"Remote-MTA: dns; {_ascii(smarthost)}",
            *([f"Diagnostic-Code: smtp; {_ascii(failure.said)}"] if failure.said[:3].isdigit() else []),
            "",
        ]
    )


def _recipient(address: str) -> str:
    """Return type and address (RFC 3464 §2.3.2); beyond ASCII, as RFC 6533 §3 writes it (utf-8-addr-xtext)."""
    if address.isascii():
        return f"rfc822; {_ascii(address)}"
    plain = set(map(chr, range(33, 127))) - set("\\+=")
    return "utf-8; " + "".join(char if char in plain else f"\\x{{{ord(char):X}}}" for char in address)


def _ascii(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text)[:_LINE]


def _header(content: bytes) -> bytes:
    """Return the letter's header, whole lines of it, that a MIME part can hold."""
    end = content.find(b"\r\n\r\n")
    header = content[: end + 2 if end >= 0 else len(content)]
    if len(header) > MAX_HEADER:
        header = header[: header.rfind(b"\r\n", 0, MAX_HEADER) + 2]
    return header.replace(b"\0", b"?")


__all__ = ["Failure", "bounce"]
