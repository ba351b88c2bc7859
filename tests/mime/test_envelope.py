"""mime/envelope.py: ENVELOPE."""

from mailhorn.mime.envelope import envelope
from mailhorn.model.structure import Address, Envelope

GRAY = Address(b"Terry Gray", None, b"gray", b"cac.washington.edu")
HEADER = b"""\
Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
From: Terry Gray <gray@cac.washington.edu>
Subject: IMAP4rev2 WG mtg
 summary and minutes
To: imap@cac.washington.edu
cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>
Message-Id: <B27397-0100000@cac.washington.edu>
MIME-Version: 1.0

""".replace(b"\n", b"\r\n")


def test_the_example_of_rfc_9051() -> None:
    """RFC 9051 §8: sender and reply-to are those of from where they are not given."""
    assert envelope(HEADER) == Envelope(
        date=b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
        subject=b"IMAP4rev2 WG mtg summary and minutes",
        from_=(GRAY,),
        sender=(GRAY,),
        reply_to=(GRAY,),
        to=(Address(None, None, b"imap", b"cac.washington.edu"),),
        cc=(
            Address(None, None, b"minutes", b"CNRI.Reston.VA.US"),
            Address(b"John Klensin", None, b"KLENSIN", b"MIT.EDU"),
        ),
        bcc=(),
        in_reply_to=None,
        message_id=b"<B27397-0100000@cac.washington.edu>",
    )


def test_own_sender_and_reply_to() -> None:
    """Given ones stand; empty ones are as good as none."""
    found = envelope(b"From: a@x\nSender: b@x\nReply-To: \nIn-Reply-To: <1>\n <2>\n")
    assert found.sender == (Address(None, None, b"b", b"x"),)
    assert found.reply_to == found.from_
    assert found.in_reply_to == b"<1> <2>"


def test_several_fields_of_a_name() -> None:
    """Texts: the first. Addresses: all, so that nobody sees another sender than the next one."""
    found = envelope(b"Subject: one\nSubject: two\nFrom: a@x\nfrom: b@x\n")
    assert found.subject == b"one"
    assert [address.mailbox for address in found.from_] == [b"a", b"b"]


def test_nothing() -> None:
    """No header, no envelope."""
    assert envelope(b"") == Envelope(None, None, (), (), (), (), (), (), None, None)
    assert envelope(b"Subject:\n").subject == b""
