from mailhorn.mime.entity import Entity

MESSAGE = b"""From: a@b
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=
Content-Type: multipart/mixed; boundary=x

before
--x
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<b>=FC</b>
--x
Content-Type: message/rfc822

Subject: inner

inside
--x--
after
""".replace(b"\n", b"\r\n")


def test_a_message_is_a_tree() -> None:
    """Parts come in their order, each with its own header and text."""
    message = Entity(MESSAGE)
    assert [(e.type, e.subtype) for e in message.walk()] == [
        ("multipart", "mixed"),
        ("text", "html"),
        ("message", "rfc822"),
        ("text", "plain"),
    ]
    html, attached = message.children
    assert html.text() == "<b>ü</b>"
    assert html.raw() == b"<b>=FC</b>"
    assert attached.children[0].header("subject") == ["inner"]
    assert attached.children[0].text() == "inside"
    assert message.text() == ""


def test_fields_come_decoded_or_as_they_are() -> None:
    """Addresses must be read from what was not decoded."""
    message = Entity(MESSAGE)
    assert message.header("subject") == ["Grüße"]
    assert message.structured("subject") == ["=?utf-8?q?Gr=C3=BC=C3=9Fe?="]
    assert message.fields()[0] == ("From", "a@b")
    assert message.header("cc") == []


def test_where_a_part_is() -> None:
    """The span cuts the part out of the message."""
    message = Entity(MESSAGE)
    start, end = message.children[0].span
    assert MESSAGE[start:end] == message.children[0].whole()
    assert MESSAGE[start:end].startswith(b"Content-Type: text/html") and MESSAGE[start:end].endswith(b"</b>")


def test_what_stands_around_the_parts() -> None:
    """Prologue and epilogue of a multipart; nothing else has any."""
    message = Entity(MESSAGE)
    assert [text.strip() for text in message.around()] == ["before", "after"]
    assert message.children[0].around() == []


def test_a_message_that_is_none() -> None:
    """Anything is a message."""
    assert Entity(b"").text() == ""
    assert list(Entity(b"no header\n\nbody").walk())[0].type == "text"
