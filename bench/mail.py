"""The messages that are sent: the same in every run, but for the name each one has of its own."""

import itertools
import time
from collections.abc import Iterator

LINE = b"The quick brown fox jumps over the lazy dog and is measured doing so.\r\n"
Payload = tuple[bytes, ...]
"""A message as it follows DATA, in pieces: the large ones are shared by all messages of a size."""

_serial = itertools.count(time.time_ns() // 1000)


def payloads(octets: int) -> Iterator[Payload]:
    """Return endless messages of about that size, each with its own Message-ID, dots and the end of data included."""
    before = (
        b"From: Bench <bench@example.org>\r\nTo: you@localhost\r\nSubject: A message of the benchmark\r\n"
        b"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <"
    )
    after = b"@bench.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    body = LINE * max(1, (octets - len(before) - len(after) - 16) // len(LINE)) + b".\r\n"
    for serial in _serial:
        yield b"%b%d%b" % (before, serial, after), body


def correspondence(count: int) -> Iterator[Payload]:
    """Return what a mailbox of people holds: threads, names, HTML beside text, now and then a picture."""
    people = [b"Alice Archer", b"Bob Baker", b"Carol Cook", b"Dan Draper", "Zoë Müller".encode()]
    for number, serial in zip(range(count), _serial, strict=False):
        name = people[number % len(people)]
        header = (
            b"From: %b <person%d@example.org>\r\nTo: you@localhost, Other <other@example.net>\r\n"
            b"Subject: %b number %d\r\nDate: %02d Jun 2026 12:%02d:00 +0000\r\nMessage-ID: <%d@people.example.org>\r\n"
            b"In-Reply-To: <%d@people.example.org>\r\nMIME-Version: 1.0\r\n"
            % (
                name if name.isascii() else b"=?utf-8?q?Zo=C3=AB_M=C3=BCller?=",
                number % 97,
                b"Invoice" if number % 10 == 0 else b"Re: Conversation",
                number,
                number % 30 + 1,
                number % 60,
                serial,
                serial - 7,
            )
        )
        text = b"Hello,\r\n\r\n" + LINE * (5 + number % 23) + b"needle%06d\r\n" % number
        if number % 3 == 0:
            yield (header + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text + b".\r\n",)
            continue
        mark = b"=_%d" % serial
        parts = [
            b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text,
            b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>" + text + b"</p></body></html>\r\n",
        ]
        kind = b"alternative"
        if number % 15 == 1:
            kind = b"mixed"
            parts.append(
                b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
                b'Content-Disposition: attachment; filename="picture.png"\r\n\r\n'
                + (b"iVBORw0KGgo" * 7 + b"\r\n")
                * 120
            )
        body = b"".join(b"--" + mark + b"\r\n" + part for part in parts) + b"--" + mark + b"--\r\n.\r\n"
        yield (header + b'Content-Type: multipart/%b; boundary="%b"\r\n\r\n' % (kind, mark) + body,)
