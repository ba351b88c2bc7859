"""Messages to read: generated ones, the same for the same seed, and AWKWARD ones, each with a name for what is odd."""

import base64
import quopri
import random

_WORDS = ("mail", "horn", "Grüße", "report", "of", "the", "2nd", "quarter", "a", "Straße", "tea", "€", "list")
_ENCODED = (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", b"=?iso-8859-1?B?R3L832U=?=", b"plain words", b'with "quotes" and \\ in it')
_TEXTS = (
    b"",
    b"one line without an end",
    b"one line\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b".\r\n..\r\n",
    b"--\r\n-- \r\nsignature\r\n",
    b"--not a boundary\r\n--x\r\n",
    b"From the beginning of a line\r\n>From\r\n",
    b"trailing space \r\n\ttab\r\n",
    "Grüße aus Köln\r\n".encode(),
    b"\xff\xfe raw octets \x80\r\n",
    b"line\r\n" * 40,
    b"x" * 1200 + b"\r\n",
)
_PEOPLE = (
    b"ann@example.org",
    b"Ann Example <ann@example.org>",
    b'"Example, Ann" <ann@example.org>',
    b'"A \\"B\\" C" <a.b@example.org>',
    b"ann@example.org (Ann Example)",
    b"=?utf-8?Q?J=C3=BCrgen?= <j@example.org>",
    b"<ann@example.org>",
    b"Ann B. C. Dee <ann@example.org>",
    b'"ann b"@example.org',
    b"ann@[192.0.2.1]",
    b"<@relay.example,@other.example:ann@example.org>",
    b"Team: ann@example.org, Bob <bob@example.org>;",
    b"undisclosed-recipients:;",
    b"a@example.org,\r\n b@example.org,\r\n\tC D <c@example.org>",
)
_TYPES = (
    b"text/plain",
    b"text/plain; charset=utf-8",
    b'text/html; charset="ISO-8859-1"',
    b"text/plain; charset=us-ascii; format=flowed",
    b"image/png; name=a.png",
    b'application/pdf; name="a b;c.pdf"',
    b'application/octet-stream;\r\n\tname="folded\r\n name.bin"',
    b"application/x-thing; name*=utf-8''%e2%82%ac.bin",
    b'application/x-thing; name*0="one "; name*1="two.bin"',
    b"application/x-thing; name*0*=utf-8''%e2%82; name*1*=%ac; name*2=\".bin\"",
    b"audio/mpeg",
    b"text/calendar; method=REQUEST; charset=UTF-8",
)
_DISPOSITIONS = (
    b"inline",
    b"attachment; filename=a.png",
    b'attachment; filename="a \\"b\\".png"; size=12',
    b"attachment; filename*=utf-8''na%C3%AFve.txt",
    b'attachment;\r\n filename*0="very long ";\r\n filename*1="name.txt"',
)


def generated(seed: int) -> bytes:
    """Return a message such as senders make; CR LF everywhere, no NUL."""
    return _Author(random.Random(seed)).message(0)


class _Author:
    """One message under way."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._boundaries = 0

    def _perhaps(self, odds: float) -> bool:
        return self._dice.random() < odds

    def message(self, depth: int) -> bytes:
        dice, lines = self._dice, []
        for name in (b"Received", b"Received", b"X-Mailer"):
            if self._perhaps(0.4):
                lines.append(name + b": from a.example by b.example\r\n\twith ESMTP; Sat, 21 Nov 2026 10:00:00 +0000")
        if self._perhaps(0.95):
            lines.append(b"Date: Sat, 21 Nov 2026 10:%02d:00 +0100" % dice.randrange(60))
        for name, odds in (
            (b"From", 0.97),
            (b"Sender", 0.2),
            (b"Reply-To", 0.2),
            (b"To", 0.9),
            (b"Cc", 0.4),
            (b"bcc", 0.2),
        ):
            if self._perhaps(odds):
                lines.append(name + b": " + b", ".join(dice.choices(_PEOPLE, k=dice.choice((1, 1, 1, 2, 3)))))
        if self._perhaps(0.95):
            lines.append(b"Subject: " + self._subject())
        if self._perhaps(0.9):
            lines.append(b"Message-ID: <%x@example.org>" % dice.getrandbits(64))
        if self._perhaps(0.3):
            lines.append(b"In-Reply-To: <%x@example.org>" % dice.getrandbits(64))
        if self._perhaps(0.3):
            lines.append(b"References: <1@example.org>\r\n <2@example.org>")
        lines.append(b"MIME-Version: 1.0")
        if self._perhaps(0.3):
            dice.shuffle(lines)
        return b"".join(line + b"\r\n" for line in lines) + self.entity(depth)

    def _subject(self) -> bytes:
        dice = self._dice
        kind = dice.randrange(4)
        if kind == 0:
            return dice.choice(_ENCODED)
        words = " ".join(dice.choices(_WORDS, k=dice.randrange(1, 9)))
        return b"\r\n ".join(words.encode().split(b" ", 1)) if kind == 1 else words.encode()

    def entity(self, depth: int, *, message: bool = False) -> bytes:
        """Return Content-* fields, the empty line and the body."""
        dice = self._dice
        roll = dice.random()
        if depth < 4 and (roll < 0.35 if depth else roll < 0.6):
            return self.multipart(depth)
        if depth < 4 and (message or roll < 0.45):
            head = b"" if message else b"Content-Type: message/rfc822\r\n"
            return head + self._extras(0.1) + b"\r\n" + self.message(depth + 1)
        return self.leaf()

    def multipart(self, depth: int) -> bytes:
        dice = self._dice
        self._boundaries += 1
        boundary = dice.choice((b"=_%d", b"b%d", b"----=_Part_%d.1", b"--b %d", b"'b(%d)'")) % self._boundaries
        kinds = (b"mixed", b"alternative", b"related", b'signed; protocol="x/y"', b"report", b"digest")
        subtype = dice.choice(kinds if depth < 3 else kinds[:-1])
        quoted = (
            b'"%b"' % boundary if self._perhaps(0.7) or b" " in boundary or b"=" in boundary else b'"%b"' % boundary
        )
        out = [b"Content-Type: multipart/" + subtype + dice.choice((b"; ", b";\r\n\t", b";")) + b"boundary=" + quoted]
        out += [b"\r\n", self._extras(0.1), b"\r\n", dice.choice((b"", b"", b"This is MIME.\r\n", b"\r\n"))]
        for _ in range(dice.choice((1, 2, 2, 3, 5))):
            out += [b"--", boundary, dice.choice((b"", b"", b"", b" \t")), b"\r\n"]
            out += [self.entity(depth + 1, message=subtype == b"digest"), b"\r\n"]
        if depth or self._perhaps(0.9):
            ends = (b"\r\n", b"\r\n", b"\r\nepilogue\r\n", b"\r\n\r\n", b"")
            out += [b"--", boundary, b"--", dice.choice(ends[:-1] if depth else ends)]
        return b"".join(out)

    def leaf(self) -> bytes:
        dice = self._dice
        text = dice.choice(_TEXTS) if self._perhaps(0.7) else " ".join(dice.choices(_WORDS, k=60)).encode() + b"\r\n"
        head = b"" if self._perhaps(0.1) else b"Content-Type: " + dice.choice(_TYPES) + b"\r\n"
        encoding = dice.choice((b"", b"7bit", b"8bit", b"base64", b"quoted-printable", b"binary"))
        if encoding == b"base64":
            text = base64.encodebytes(dice.randbytes(dice.randrange(300)).replace(b"\0", b"0")).replace(b"\n", b"\r\n")
        elif encoding == b"quoted-printable":
            text = quopri.encodestring(text.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
        if encoding:
            head += b"Content-Transfer-Encoding: " + encoding + b"\r\n"
        return head + self._extras(0.25) + b"\r\n" + text

    def _extras(self, odds: float) -> bytes:
        dice = self._dice
        fields = (
            b"Content-ID: <%x@example.org>" % dice.getrandbits(32),
            b'Content-Description: a (really) "good" one',
            b"Content-Disposition: " + dice.choice(_DISPOSITIONS),
            b"Content-Language: " + dice.choice((b"en", b"en, de", b"de (German),fr")),
            b"Content-Location: http://example.org/a b",
            b"Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==",
            b"X-Other: something\r\n  folded",
        )
        return b"".join(field + b"\r\n" for field in fields if self._perhaps(odds))


def _nested(levels: int) -> bytes:
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))
    closing = b"".join(b"\r\n--b%d--" % n for n in reversed(range(levels)))
    return opening + b"\r\ndeep" + closing + b"\r\n"


def _multipart(
    *parts: bytes, head: bytes = b'Content-Type: multipart/mixed; boundary="x"', close: bytes = b"--x--\r\n"
) -> bytes:
    return (
        b"MIME-Version: 1.0\r\n" + head + b"\r\n\r\n" + b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + close
    )


def _text(header: bytes, body: bytes = b"body\r\n") -> bytes:
    return header + b"\r\nMIME-Version: 1.0\r\n\r\n" + body


_TWO = _multipart(b"\r\none", b"Content-Type: text/html\r\n\r\n<p>two</p>")

AWKWARD: dict[str, bytes] = {
    "no header end": b"From: ann@example.org\r\nSubject: cut off",
    "no header end, whole line": b"From: ann@example.org\r\nSubject: cut off\r\n",
    "no header": b"\r\nonly a body\r\n",
    "no field at all": b"this is no header\r\nand this neither\r\n",
    "junk line in the header": _text(b"Subject: a\r\nthis is junk\r\nTo: b@example.org"),
    "line that begins with a colon": _text(b"Subject: a\r\n: nothing\r\nTo: b@example.org"),
    "mbox From line": _text(b"From ann@example.org Sat Nov 21 10:00:00 2026\r\nSubject: a"),
    "space before the colon": _text(b"Subject : a\r\nTo\t: b@example.org"),
    "folded at the start": _text(b" folded\r\nSubject: a"),
    "white line in a fold": _text(b"Subject: a\r\n \r\n b\r\nTo: b@example.org"),
    "empty subject": _text(b"Subject:\r\nTo:\r\nFrom: \r\nDate: \r\nMessage-ID:"),
    "many folds": _text(b"Subject: a\r\n\tb\r\n   c\r\n \t d"),
    "two of each": _text(
        b"Subject: 1\r\nSubject: 2\r\nFrom: a@x\r\nFrom: b@x\r\nTo: a@x\r\nTo: b@x\r\nDate: 1\r\nDate: 2\r\n"
        b"Message-ID: <1>\r\nMessage-ID: <2>\r\nIn-Reply-To: <1>\r\nIn-Reply-To: <2>"
    ),
    "8-bit header": _text("From: Jürgen <j@example.org>\r\nSubject: Grüße".encode()),
    "latin-1 header": _text("From: Jürgen <j@example.org>\r\nSubject: Grüße".encode("latin-1")),
    "8-bit address": _text('To: jürgen@exämple.org, "Ä" <ä@x>'.encode()),
    "CR only": b"Subject: a\rTo: b@example.org\r\rbody\rmore\r",
    "CR in a header": _text(b"Subject: a\rb\r\nTo: c@example.org"),
    "CR in the body": _text(b"Subject: a", b"one\rtwo\r\n\r\r\nthree\r"),
    "LF only": b"Subject: a\nTo: b@example.org\n\nbody\nmore\n",
    "CRLF and LF": b"Subject: a\r\nTo: b@example.org\nCc: c@example.org\r\n\nbody\r\nmore\nend\r\n",
    "LF in a multipart": _TWO.replace(b"\r\n", b"\n"),
    "control characters": _text(b"Subject: a\x01b\x7fc\x1b[m\r\nFrom: \x02 <a@example.org>"),
    "long line": _text(b"Subject: " + b"a" * 5000, b"b" * 20000),
    "group": _text(b"To: Friends: ann@example.org, Bob <bob@example.org>;\r\nCc: nobody:;"),
    "group in a list": _text(b"To: a@x, Friends: b@x;, c@x"),
    "group without an end": _text(b"To: Friends: b@x, c@x"),
    "groups in groups": _text(b"To: A: B: b@x; c@x;"),
    "empty group name": _text(b"To: :a@x;"),
    "quoted group name": _text(b'To: "My Friends": a@x;'),
    "address without a domain": _text(b"To: ann, bob smith, <carl>"),
    "address with two at signs": _text(b"To: a@b@c, <d@e@f>"),
    "address with nothing": _text(b"To: <>, <@x>, @y, <a@>"),
    "address with an open angle": _text(b"To: Ann <ann@x, bob@x"),
    "address with a stray angle": _text(b"To: ann@x>, bob@x"),
    "address with an open quote": _text(b'To: "Ann <ann@x>, bob@x'),
    "address with comments": _text(b"To: (a) ann (b) @ (c) x (d), Ann (e) <bob@x> (f), (g)"),
    "address with nested comments": _text(b"To: ann@x (a (b) \\) c)"),
    "address with an open comment": _text(b"To: ann@x (a, bob@x"),
    "address with spaces": _text(b"To: ann . bee @ example . org, < carl @ x >"),
    "address with dots": _text(b"To: ann..b@x., .c@x"),
    "address with a route": _text(b"To: <@a,@b:ann@x>, <@a@b:c@x>, Bob <@a:bob@x>"),
    "address with a literal": _text(b"To: a@[1.2.3.4], <b@[IPv6:::1]>"),
    "address with commas only": _text(b"To: ,,a@x,,b@x,"),
    "address with semicolons": _text(b"To: a@x; b@x; c@x"),
    "address with encoded words": _text(b'To: =?utf-8?Q?a=2C_b?= <a@x>, "=?utf-8?Q?c?=" <c@x>'),
    "address with backslashes": _text(b'To: "a\\\\b\\"c" <d@x>, a\\b <e@x>'),
    "address folded": _text(b"To: Ann\r\n Bee\r\n\t<ann@x>,\r\n bob@x"),
    "address with brackets": _text(b"To: [Ann] <a@x>, Ann [Bee] <b@x>"),
    "message ID with spaces": _text(b"Message-ID: <a b@x> \r\nIn-Reply-To: <a@x> <b@x>\r\n <c@x>"),
    "type missing": _multipart(b"\r\nbody", b"X-No: type\r\n\r\nbody"),
    "type twice": _text(b"Content-Type: text/html\r\nContent-Type: image/png; name=a"),
    "type is nonsense": _text(b"Content-Type: nonsense"),
    "type is empty": _text(b"Content-Type:\r\nSubject: a"),
    "type without a subtype": _text(b"Content-Type: text/"),
    "type with spaces": _text(b"Content-Type: text / html ; charset = utf-8"),
    "type with comments": _text(b"Content-Type: text(a)/(b)html(c); (d) charset(e)=(f)utf-8(g)"),
    "type with a trailing semicolon": _text(b"Content-Type: text/html;"),
    "type with two semicolons": _text(b"Content-Type: text/html;; charset=utf-8"),
    "parameter without a value": _text(b"Content-Type: text/html; charset; name=a"),
    "parameter with an empty value": _text(b'Content-Type: text/html; charset=; name=""'),
    "parameter with an open quote": _text(b'Content-Type: text/html; name="a; charset=utf-8'),
    "parameter with a slash": _text(b"Content-Type: text/html; name=a/b; x=y z"),
    "parameter twice": _text(b"Content-Type: text/html; charset=a; charset=b"),
    "parameter with an escape": _text(b'Content-Type: text/html; name="a\\"b\\\\c"'),
    "parameter in UTF-8": _text('Content-Type: text/html; name="ä.html"'.encode()),
    "parameter with capitals": _text(b'Content-Type: TEXT/HTML; NAME="A.html"; CharSet=UTF-8'),
    "RFC 2231 charset": _text(b"Content-Type: image/png; name*=utf-8'de'%e2%82%ac.png"),
    "RFC 2231 sections": _text(b'Content-Type: image/png; name*0="a "; name*1="b"; name*2=.png'),
    "RFC 2231 sections out of order": _text(b"Content-Type: image/png; name*1=b; name*0=a; name*2=c"),
    "RFC 2231 sections with a gap": _text(b"Content-Type: image/png; name*0=a; name*2=c"),
    "RFC 2231 sections without the first": _text(b"Content-Type: image/png; name*1=b"),
    "RFC 2231 sections encoded": _text(b"Content-Type: image/png; name*0*=utf-8''%e2%82; name*1*=%ac; name*2=\"x y\""),
    "RFC 2231 sections encoded later": _text(b'Content-Type: image/png; name*0="a\'b%"; name*1*=%ac'),
    "RFC 2231 and plain": _text(b"Content-Type: image/png; name=a; name*=utf-8''b; name*0=c"),
    "RFC 2231 disposition": _text(b"Content-Disposition: attachment; filename*0*=''a; filename*1=b; filename=c"),
    "disposition is nonsense": _text(b"Content-Disposition: ; filename=a"),
    "disposition twice": _text(b"Content-Disposition: inline\r\nContent-Disposition: attachment; filename=a"),
    "no MIME-Version": b"Content-Transfer-Encoding: base64\r\nContent-ID: <a>\r\n\r\nYWJj\r\n",
    "language": _text(b"Content-Language: en, , de-AT (Austria)"),
    "language is empty": _text(b"Content-Language:"),
    "location": _text(b"Content-Location: http://a/\r\n b c"),
    "encoding is nonsense": _text(b"Content-Transfer-Encoding: x-nonsense; a=b"),
    "encoding with a comment": _text(b"Content-Transfer-Encoding: (a) 8bit (b)"),
    "encoding is empty": _text(b"Content-Transfer-Encoding:"),
    "encoding twice": _text(b"Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64"),
    "content fields that are empty": _text(b"Content-ID:\r\nContent-Description:\r\nContent-MD5:\r\nContent-Location:"),
    "boundary missing": _text(b"Content-Type: multipart/mixed", b"--x\r\n\r\none\r\n--x--\r\n"),
    "boundary empty": _text(b'Content-Type: multipart/mixed; boundary=""', b"--\r\n\r\none\r\n----\r\n"),
    "boundary never there": _text(b"Content-Type: multipart/mixed; boundary=x", b"nothing\r\n"),
    "boundary only closed": _text(b"Content-Type: multipart/mixed; boundary=x", b"--x--\r\n"),
    "boundary not closed": _multipart(b"\r\none", b"\r\ntwo", close=b""),
    "boundary not closed, no line end": _multipart(b"\r\none", close=b"--x\r\n\r\ntwo"),
    "boundary at the very end": _multipart(b"\r\none", close=b"--x"),
    "boundary without a part": _multipart(b"\r\none", close=b"--x\r\n--x--\r\n"),
    "boundary with a longer name": _multipart(b"\r\none\r\n--xy\r\nstill one", b"\r\ntwo"),
    "boundary with text behind": _multipart(b"\r\none\r\n--x and more\r\nstill one?", b"\r\ntwo"),
    "boundary with spaces behind": _multipart(b"\r\none", b"\r\ntwo").replace(b"--x\r\n", b"--x \t\r\n"),
    "boundary that ends in a space": _text(
        b'Content-Type: multipart/mixed; boundary="x "', b"--x \r\n\r\none\r\n--x --\r\n"
    ),
    "boundary indented": _multipart(b"\r\none\r\n --x\r\nstill one", b"\r\ntwo"),
    "boundary in the preamble": _text(
        b"Content-Type: multipart/mixed; boundary=x", b"see --x\r\n--x\r\n\r\none\r\n--x--"
    ),
    "boundary after the end": _multipart(b"\r\none", close=b"--x--\r\n--x\r\n\r\nnot a part\r\n--x--\r\n"),
    "boundary right after the header": _text(b"Content-Type: multipart/mixed; boundary=x", b"--x\r\n\r\n\r\n--x--"),
    "boundary closed and text behind": _multipart(b"\r\none", close=b"--x--junk\r\n--x\r\n\r\ntwo\r\n--x--\r\n"),
    "boundary of the outer one within": _multipart(
        b'Content-Type: multipart/mixed; boundary="y"\r\n\r\n--y\r\n\r\ninner', b"\r\nouter"
    ),
    "boundary the same twice": _multipart(
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\ninner\r\n--x--', b"\r\nouter"
    ),
    "boundary begins like the outer": _multipart(
        b'Content-Type: multipart/mixed; boundary="xy"\r\n\r\n--xy\r\n\r\ninner\r\n--xy--', b"\r\nouter"
    ),
    "boundary begins like the inner": _multipart(
        b'Content-Type: multipart/mixed; boundary="y"\r\n\r\n--y\r\n\r\n--y2\r\ninner\r\n--y--', b"\r\nouter"
    )
    .replace(b"--x", b"--y2")
    .replace(b'"x"', b'"y2"'),
    "boundary in capitals": _text(
        b"Content-Type: multipart/mixed; boundary=x", b"--X\r\n\r\none\r\n--X--\r\n--x\r\n\r\ntwo\r\n"
    ),
    "boundary in comments": _text(
        b"Content-Type: multipart/mixed; boundary=x (comment)", b"--x\r\n\r\none\r\n--x--\r\n"
    ),
    "parts are empty": _multipart(b"", b"\r\n", b"Content-Type: text/html"),
    "part is only a header": _multipart(b"Content-Type: text/html\r\nX-More: a", b"\r\ntwo"),
    "part begins with the boundary": _text(
        b"Content-Type: multipart/mixed; boundary=x", b"--x\r\nContent-Type: text/html\r\n--x\r\n\r\ntwo\r\n--x--\r\n"
    ),
    "multipart empty": _text(b"Content-Type: multipart/mixed; boundary=x", b""),
    "multipart in base64": _text(
        b"Content-Type: multipart/mixed; boundary=x\r\nContent-Transfer-Encoding: base64",
        b"--x\r\n\r\none\r\n--x--\r\n",
    ),
    "multipart with a language": _text(
        b"Content-Type: multipart/mixed; boundary=x; a=b\r\nContent-Language: de\r\nContent-Disposition: inline\r\n"
        b"Content-Location: here\r\nContent-ID: <a>",
        b"--x\r\n\r\none\r\n--x--\r\n",
    ),
    "digest": _multipart(
        b"\r\nSubject: inner\r\nFrom: a@x\r\n\r\nbody",
        b"Content-Type: text/plain\r\n\r\nno message",
        b"\r\n",
        head=b"Content-Type: multipart/digest; boundary=x",
    ),
    "digest with a broken type": _multipart(
        b"Content-Type: nonsense\r\n\r\nSubject: inner\r\n\r\nbody", head=b"Content-Type: multipart/digest; boundary=x"
    ),
    "message in a message": _text(
        b"Content-Type: message/rfc822",
        b"Subject: 1\r\nContent-Type: message/rfc822\r\n\r\nSubject: 2\r\nContent-Type: text/html\r\n\r\nbody\r\n",
    ),
    "message with a multipart": _multipart(
        b"Content-Type: message/rfc822\r\n\r\n" + _TWO.replace(b"--x", b"--y").replace(b'"x"', b'"y"'), b"\r\nafter"
    ),
    "message empty": _multipart(b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: message/rfc822\r\n"),
    "message without a header": _multipart(b"Content-Type: message/rfc822\r\n\r\n\r\nonly a body"),
    "message in base64": _multipart(
        b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(_text(b"Subject: inner")).replace(b"\n", b"\r\n")
    ),
    "message/global": _multipart(b"Content-Type: message/global\r\n\r\nSubject: inner\r\n\r\nbody"),
    "message/partial": _multipart(b"Content-Type: message/partial; id=a; number=1\r\n\r\nSubject: inner\r\n\r\nbody"),
    "message/delivery-status": _multipart(b"Content-Type: message/delivery-status\r\n\r\nA: b\r\n\r\nC: d\r\n"),
    "200 levels of multiparts": _nested(200),
    "90 levels of multiparts": _nested(90),
    "200 levels of messages": b"".join(b"Subject: %d\r\nContent-Type: message/rfc822\r\n\r\n" % n for n in range(200))
    + b"Subject: end\r\n\r\nbody\r\n",
    "base64 with padding missing": _text(b"Content-Transfer-Encoding: base64", b"YWJjZA\r\n"),
    "base64 with junk": _text(b"Content-Transfer-Encoding: base64", b"YW*Jj\r\nZA==\r\n"),
    "base64 with text behind": _text(b"Content-Transfer-Encoding: base64", b"YWJjZA==\r\n\r\nfooter\r\n"),
    "base64 in one line": _text(b"Content-Transfer-Encoding: base64", b"YWJj" * 500),
    "base64 cut off": _text(b"Content-Transfer-Encoding: base64", b"YWJjZ"),
    "base64 of NUL": _text(b"Content-Transfer-Encoding: base64\r\nContent-Type: image/png", b"AAECAwA=\r\n"),
    "base64 in spaces": _text(b"Content-Transfer-Encoding: base64", b"  YW Jj\tZA == \r\n"),
    "base64 joined": _text(b"Content-Transfer-Encoding: base64", b"YQ==\r\nYg==\r\n"),
    "base64 empty": _text(b"Content-Transfer-Encoding: base64", b""),
    "quoted-printable": _text(b"Content-Transfer-Encoding: quoted-printable", b"a=3Db=\r\nc =20 \r\nd=e4\r\n"),
    "quoted-printable broken": _text(b"Content-Transfer-Encoding: quoted-printable", b"a=ZZb= c\r\n=3\r\n=\r\nd="),
    "quoted-printable with spaces": _text(b"Content-Transfer-Encoding: quoted-printable", b"a  \t \r\nb= \t\r\nc \r\n"),
    "quoted-printable of NUL": _text(b"Content-Transfer-Encoding: quoted-printable", b"a=00b\r\n"),
    "quoted-printable in lower case": _text(b"Content-Transfer-Encoding: quoted-printable", b"=c3=a4=C3=A4\r\n"),
    "quoted-printable of line ends": _text(b"Content-Transfer-Encoding: quoted-printable", b"a=0D=0Ab=0Ac\r\n"),
    "quoted-printable without an end": _text(b"Content-Transfer-Encoding: quoted-printable", b"no end  "),
    "uuencode": _text(b"Content-Transfer-Encoding: x-uuencode", b"begin 644 a\r\n#86)C\r\n`\r\nend\r\n"),
}
"""Mail that breaks a rule, or uses one that few know. No NUL: no client may send it."""
