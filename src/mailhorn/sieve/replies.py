"""
The mails that scripts cause: answers of vacation, rejections, notifications; and when there is to be none. Pure.

Rule 1: nobody answers a machine, a list, or mail that was not for the user (RFC 5230 §4.5, §4.6, RFC 3834). Rule 2:
what a script sends says that a machine sent it (Auto-Submitted), and goes out with the null path.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from .actions import Notify, Reject, Vacation
from .address import addresses, outbound
from .dates import of_instant, std11
from .questions import Instant
from .writing import encoded_field, text_entity

Fields = Sequence[tuple[str, str, str]]
"""A header: name, value unfolded, value decoded."""

_LIST_FIELDS = frozenset("list-id list-help list-subscribe list-unsubscribe list-post list-owner list-archive".split())
_MACHINES = re.compile(
    r"mailer-daemon|listserv|majordomo|noreply|no-reply|bounces?|(?:.*-request)|(?:owner-.*)|(?:.*-bounces?)|nobody",
    re.IGNORECASE,
)
_TO_FIELDS = ("to", "cc", "bcc", "resent-to", "resent-cc", "resent-bcc")
MAX_SUBJECT = 256
"""Characters of a message's subject in the subject of an answer."""
MAX_REFERENCES = 2000
"""Characters of References that an answer carries on."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """
    A mail to be sent.

    Attributes:
        sender: The reverse path; "" is the null path.
        recipients: Where it goes.
        message: All of it.

    """

    sender: str
    recipients: tuple[str, ...]
    message: bytes


@dataclass(frozen=True, slots=True)
class Received:
    """
    The mail that a script looked at.

    Attributes:
        fields: Its header.
        sender: Its reverse path; "" is the null path.
        recipient: The address it was delivered to.
        owner: The addresses of the user, the one to write from first; may be empty.

    """

    fields: Fields
    sender: str
    recipient: str
    owner: tuple[str, ...] = ()

    def values(self, name: str) -> list[str]:
        """Return the values of the fields of that name in lower case."""
        return [value for written, value, _ in self.fields if written.lower() == name]

    def decoded(self, name: str) -> str:
        """Return the decoded value of the first field of that name, "" if there is none."""
        return next((decoded.strip() for written, _, decoded in self.fields if written.lower() == name), "")


def why_not(vacation: Vacation, received: Received) -> str | None:
    """Return why a message is not answered, None if it is (RFC 5230 §4.5, §4.6); memory is somebody else's."""
    if not received.sender:
        return "it has no sender to answer to"
    found = addresses(received.sender)
    local_part = found[0].local_part if len(found) == 1 else None
    if local_part is None:
        return "its sender is no address"
    if _MACHINES.fullmatch(local_part):
        return "its sender looks like a machine"
    own = {address.lower() for address in _plain((received.recipient, *received.owner, *vacation.addresses))}
    if any(address.lower() == found[0].whole.lower() for address in own):
        return "the user sent it"
    for name, value, _ in received.fields:
        lower = name.lower()
        if lower in _LIST_FIELDS:
            return "it is from a mailing list"
        if lower == "auto-submitted" and value.partition(";")[0].strip().lower() != "no":
            return "a machine sent it"
        if lower == "precedence" and value.strip().lower() in ("bulk", "junk", "list"):
            return "it was sent in bulk"
        if lower == "x-auto-response-suppress" and {"all", "oof"} & {one.strip().lower() for one in value.split(",")}:
            return "its sender asks for no answer"
    if not any(
        address.whole.lower() in own
        for name in _TO_FIELDS
        for value in received.values(name)
        for address in addresses(value)
    ):
        return "it was not addressed to the user"
    return None


def _plain(texts: Iterable[str]) -> list[str]:
    return [address for text in texts if text and (address := outbound(text)) is not None]


def vacation_reply(vacation: Vacation, received: Received, now: Instant, id: str) -> Outgoing:
    """
    Return the answer (RFC 5230 §5).

    Args:
        vacation: What the script decided.
        received: The message that is answered.
        now: When.
        id: The Message-ID of the answer, with its angle brackets.

    """
    subject = vacation.subject
    if subject is None:
        original = received.decoded("subject")[:MAX_SUBJECT]
        subject = f"Auto: {original}" if original else "Automated reply"
    author = vacation.sender or _author(received)
    head = _head(now, id, author, received.sender, subject)
    original_id = received.values("message-id")[:1]
    if original_id and original_id[0].strip():
        before = (received.values("references") or received.values("in-reply-to") or [""])[0].strip()
        head += encoded_field("In-Reply-To", original_id[0].strip())
        head += encoded_field("References", " ".join(f"{before[-MAX_REFERENCES:]} {original_id[0]}".split()))
    head += b"Auto-Submitted: auto-replied (vacation)\r\nPrecedence: bulk\r\nX-Auto-Response-Suppress: All\r\n"
    head += b"MIME-Version: 1.0\r\n"
    body = text_entity(vacation.reason)
    if vacation.mime:
        body = vacation.reason.encode("utf-8", "surrogateescape")
    return Outgoing("", (received.sender,), head + body)


def _author(received: Received) -> str:
    return received.owner[0] if received.owner else received.recipient


def _head(now: Instant, id: str, author: str, to: str, subject: str) -> bytes:
    return (
        encoded_field("Date", std11(of_instant(now.seconds, now.zone)))
        + encoded_field("Message-ID", id)
        + encoded_field("From", author if "<" in author else f"<{author}>")
        + encoded_field("To", f"<{to}>")
        + encoded_field("Subject", subject)
    )


def rejection(reject: Reject, received: Received, now: Instant, id: str, boundary: str) -> Outgoing | None:
    """
    Return the notice that a message was refused, None if it must not be sent (RFC 5429 §2.1.2, §2.2).

    For reject a disposition notification (RFC 8098), for ereject a delivery status (RFC 3464); never to the null path.
    """
    if not received.sender:
        return None
    to = received.recipient
    author = (
        f"Mail Delivery System <MAILER-DAEMON@{to.rpartition('@')[2] or 'localhost'}>" if reject.in_protocol else to
    )
    head = _head(now, id, author, received.sender, "Automatically rejected mail")
    kind = "delivery-status" if reject.in_protocol else "disposition-notification"
    head += b"Auto-Submitted: auto-replied (rejected)\r\nMIME-Version: 1.0\r\n"
    mark = boundary.encode()
    head += b'Content-Type: multipart/report; report-type=%b;\r\n boundary="%b"\r\n\r\n' % (kind.encode(), mark)
    told = text_entity(f"Your message to <{to}> was automatically rejected:\r\n{reject.reason}\r\n")
    host = to.rpartition("@")[2] or "localhost"
    if reject.in_protocol:
        reason = " ".join(reject.reason.split())
        report = (
            f"Reporting-MTA: dns; {host}\r\n\r\nFinal-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: 5.7.1\r\n"
        )
        report += f"Diagnostic-Code: smtp; 550 {reason.encode('ascii', 'replace').decode('ascii')[:200]}\r\n"
    else:
        original = (received.values("message-id") or [""])[0].strip()
        report = f"Reporting-UA: {host}; mailhorn\r\nFinal-Recipient: rfc822; {to}\r\n"
        report += f"Original-Message-ID: {original}\r\n" if original else ""
        report += "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n"
    original_header = b"".join(encoded_field(name, value) for name, value, _ in received.fields)
    body = b"--%b\r\n" % mark + told + b"\r\n--%b\r\nContent-Type: message/%b\r\n\r\n" % (mark, kind.encode())
    body += report.encode("ascii", "replace")
    body += b"\r\n--%b\r\nContent-Type: text/rfc822-headers\r\n\r\n" % mark + original_header + b"\r\n--%b--\r\n" % mark
    return Outgoing("", (received.sender,), head + body)


_HEADERS_NOT_TAKEN = frozenset(
    "from sender received date message-id return-path auto-submitted mime-version content-type"
    " content-transfer-encoding bcc to cc subject body".split()
)


@dataclass(frozen=True, slots=True)
class Mailto:
    """
    A mailto URI (RFC 6068).

    Attributes:
        to: Its addresses, those of cc and bcc apart.
        cc: Further ones.
        bcc: Further ones that are not named.
        headers: Other header fields: name and value; those that could forge something are left out (RFC 5436 §2.3).
        subject: None if it gives none.
        body: None if it gives none.

    """

    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    subject: str | None = None
    body: str | None = None


_FIELD_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
_NOT_IN_URI = re.compile(r"[^A-Za-z0-9._~:/?@!$&'()+*,;=%-]")
"""What must be encoded in a URI (RFC 3986 §2), or begins what a mailto has none of."""
_BAD_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
MAX_NOTIFIED = 8
"""Recipients of one mailto notification."""


def mailto(uri: str) -> Mailto | None:
    """mailtoURI = "mailto:" [ to ] [ hfields ] (RFC 6068 §2); None if it is none, or has no or too many recipients."""
    scheme, colon, rest = uri.partition(":")
    if scheme.lower() != "mailto" or not colon or _NOT_IN_URI.search(rest) or _BAD_PERCENT.search(rest):
        return None
    path, _, query = rest.partition("?")
    # A comma that is encoded is one between addresses, too: RFC 5436 §2.1 is about RFC 2368, which writes it so.
    found: dict[str, list[str]] = {"to": [one for one in unquote(path).split(",") if one], "cc": [], "bcc": []}
    headers: list[tuple[str, str]] = []
    texts: dict[str, str] = {}
    for field in query.split("&") if query else ():
        name, equals, value = field.partition("=")
        name, value = unquote(name), unquote(value)
        lower = name.lower()
        if not equals or not _FIELD_NAME.fullmatch(name):
            return None
        if lower in found:
            found[lower] += [one for one in value.split(",") if one.strip()]
        elif lower in ("subject", "body"):
            texts[lower] = value
        elif lower not in _HEADERS_NOT_TAKEN:
            headers.append((name, " ".join(value.split())))
    checked = {name: [outbound(one.strip()) for one in ones] for name, ones in found.items()}
    seen: set[str] = set()
    good = {
        name: tuple([one for one in ones if one is not None and _is_new(one, seen)]) for name, ones in checked.items()
    }
    if any(None in ones for ones in checked.values()) or not 0 < sum(map(len, good.values())) <= MAX_NOTIFIED:
        return None
    return Mailto(good["to"], good["cc"], good["bcc"], tuple(headers), texts.get("subject"), texts.get("body"))


def _is_new(address: str, seen: set[str]) -> bool:
    """Say whether an address was not named before; now it is."""
    key = address.lower()
    if key in seen:
        return False
    seen.add(key)
    return True


def notification(notify: Notify, received: Received, now: Instant, id: str) -> Outgoing | None:
    """
    Return the mail of a mailto notification (RFC 5436); None if there must be none.

    Nobody is notified of a mail that a machine sent, so that two of them do not notify each other for ever (§2.7).
    """
    target = mailto(notify.method)
    if target is None:
        return None
    for value in received.values("auto-submitted"):
        if value.partition(";")[0].strip().lower() != "no":
            return None
    what = (
        notify.message if notify.message is not None else f"{received.decoded('from')}: {received.decoded('subject')}"
    )
    subject = target.subject if target.subject is not None else what.partition("\n")[0][:MAX_SUBJECT] or "Notification"
    head = encoded_field("Date", std11(of_instant(now.seconds, now.zone))) + encoded_field("Message-ID", id)
    head += encoded_field("From", notify.sender or _author(received))
    for name, ones in (("To", target.to), ("Cc", target.cc)):
        if ones:
            head += encoded_field(name, ", ".join(f"<{one}>" for one in ones))
    head += encoded_field("Subject", subject)
    priority = {1: ("1 (High)", "High"), 3: ("5 (Low)", "Low")}.get(notify.importance, ("3 (Normal)", "Normal"))
    head += encoded_field("X-Priority", priority[0]) + encoded_field("Importance", priority[1])
    head += encoded_field("Auto-Submitted", f'auto-notified; owner-email="{_author(received)}"')
    for name, value in target.headers:
        head += encoded_field(name, value)
    head += b"MIME-Version: 1.0\r\n"
    body = target.body if target.body is not None else what
    sender = received.recipient if notify.sender is None else outbound(notify.sender) or received.recipient
    return Outgoing(sender if received.sender else "", target.to + target.cc + target.bcc, head + text_entity(body))
