"""MIME against Python's own reader, and against anything at all."""

import email
import email.policy
from email.message import Message

from hypothesis import given
from hypothesis import strategies as st

from mailhorn.mime.decode import decoded_header, part_text, text_parts
from mailhorn.mime.envelope import envelope
from mailhorn.mime.header import fields, header_fields
from mailhorn.mime.packed import pack, part_range, unpack
from mailhorn.mime.scan import Part, scan
from mailhorn.mime.structure import body_structure
from mailhorn.model.structure import BodyStructure, MultiPart

line = st.sampled_from(
    [b"text", b"", b"--", b"--b1x", b"-- b1", b"--b", b"From: x", b" --b1", b"--b1--x", b"=20", b"..", b"\xff\0x"]
)
bodies = st.lists(line, max_size=5).map(b"\r\n".join)
kinds = st.sampled_from(
    [b"", b"Content-Type: text/html; charset=utf-8\r\n", b"Content-Type: image/png; name=\"a;b\"\r\nX: y\r\n z\r\n"]
)  # fmt: skip
leaves = st.builds(lambda kind, body: kind + b"\r\n" + body, kinds, bodies)


@st.composite
def multiparts(draw: st.DrawFn, children: st.SearchStrategy[bytes]) -> bytes:
    """Return a multipart of drawn children, its boundary not in any of them."""
    parts = draw(st.lists(children, min_size=1, max_size=3))
    n = 1
    while any(b"--b%d" % n in part for part in parts):
        n += 1
    boundary = b"b%d" % n
    head = b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n'
    text = head + draw(st.sampled_from([b"", b"preamble\r\n"]))
    for part in parts:
        text += b"--" + boundary + draw(st.sampled_from([b"\r\n", b"  \r\n"])) + part + b"\r\n"
    return text + b"--" + boundary + b"--" + draw(st.sampled_from([b"", b"\r\n", b"\r\nepilogue\r\n"]))


wrapped = st.builds(
    lambda inner: b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n" + inner, st.deferred(lambda: tree)
)
tree: st.SearchStrategy[bytes] = st.recursive(leaves, lambda inner: multiparts(inner) | wrapped, max_leaves=6)


def ours(part: Part, data: bytes) -> object:
    """Return type and children, or type and body."""
    kind = (part.type + b"/" + part.subtype).decode()
    if part.children:
        return kind, [ours(child, data) for child in part.children]
    return kind, data[part.body_start : part.body_end]


def theirs(message: Message) -> object:
    """Return the same of Python's reader."""
    if message.is_multipart():
        return message.get_content_type(), [theirs(child) for child in message.get_payload()]
    return message.get_content_type(), message.get_payload(decode=True)


@given(tree)
def test_structure_is_the_one_python_finds(data: bytes) -> None:
    """Part count, types and payloads are those of the standard library on well-formed messages."""
    data = b"Subject: top\r\n" + data
    assert ours(scan(data), data) == theirs(email.message_from_bytes(data, policy=email.policy.compat32))


def leaf_octets(structure: BodyStructure) -> list[int]:
    """Return the sizes of all leaves."""
    if isinstance(structure, MultiPart):
        return [size for part in structure.parts for size in leaf_octets(part)]
    return leaf_octets(structure.body) if structure.body else [structure.octets]


def numbers(structure: BodyStructure, prefix: tuple[int, ...] = (), root: bool = True) -> list[tuple[int, ...]]:
    """Return the number of each leaf, as a client works them out from BODYSTRUCTURE."""
    if isinstance(structure, MultiPart):
        return [n for i, part in enumerate(structure.parts, 1) for n in numbers(part, (*prefix, i), False)]
    own = (*prefix, 1) if root else prefix
    return numbers(structure.body, own, True) if structure.body else [own]


@given(tree)
def test_numbers_worked_out_from_the_structure_lead_to_the_parts(data: bytes) -> None:
    """A client that counts through BODYSTRUCTURE gets octets of just that size for each leaf."""
    root = unpack(pack(scan(data)))
    structure = body_structure(root, data)
    ranges = [part_range(root, number) for number in numbers(structure)]
    assert [found and found[1] - found[0] for found in ranges] == leaf_octets(structure)


junk = st.lists(
    st.sampled_from([
        b"Content-Type:", b" multipart/mixed;", b"boundary=b", b" message/rfc822", b"\r\n", b"\n", b"\r", b"--b", b"--",
        b"\r\n\r\n", b"To: ", b"(", b")", b'"', b"\\", b"<", b">", b"@", b",", b";", b":", b"=?utf-8?q?", b"?=", b"a",
        b"=", b"*0*=", b"'", b"%", b"\0", b"\xff", b" ", b"Subject: ", b"Content-Disposition: x", b"base64",
        b"Content-Transfer-Encoding: ", b"charset=idna",
    ]),
    max_size=40,
).map(b"".join)  # fmt: skip


def check(part: Part, start: int, end: int) -> None:
    """Check that parts lie within each other and in order."""
    assert start <= part.header_start <= part.body_start <= part.body_end <= end
    at = part.body_start
    for child in part.children:
        check(child, at, part.body_end)
        at = child.body_end
    assert part.is_multipart is (bool(part.children) and not part.is_message)


@given(junk | st.binary(max_size=200))
def test_anything_can_be_read(data: bytes) -> None:
    """Nothing raises, and parts lie within each other."""
    root = scan(data)
    check(root, 0, len(data))
    assert unpack(pack(root)) == root
    body_structure(root, data)
    envelope(data[: root.body_start])
    decoded_header(data)
    for part in text_parts(root):
        part_text(part, data)
    every = header_fields(data[: root.body_start], [], exclude=True)
    names = [name for name, _ in fields(data[: root.body_start])]
    assert [name for name, _ in fields(every)] == names
