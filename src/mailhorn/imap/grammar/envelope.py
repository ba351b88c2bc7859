"""envelope and address (RFC 9051 §7.5.2, §9)."""

from ...model.structure import Address, Envelope
from .atoms import parse_nstring, skip_nil, write_nstring
from .cursor import STRICT, Cursor, Dialect, Writer


def parse_envelope(cur: Cursor) -> Envelope:
    """
    envelope = "(" env-date SP env-subject SP env-from SP env-sender SP env-reply-to SP env-to SP env-cc SP
    env-bcc SP env-in-reply-to SP env-message-id ")"

    RFC 9051 §7.5.2, §9.
    """
    cur.opens()
    date = parse_nstring(cur)
    cur.space()
    subject = parse_nstring(cur)
    from_, sender, reply_to, to, cc, bcc = (_spaced_addresses(cur) for _ in range(6))
    cur.space()
    in_reply_to = parse_nstring(cur)
    cur.space()
    message_id = parse_nstring(cur)
    if not cur.closes():
        raise cur.fails("the end of an envelope")
    return Envelope(date, subject, from_, sender, reply_to, to, cc, bcc, in_reply_to, message_id)


def _spaced_addresses(cur: Cursor) -> tuple[Address, ...]:
    cur.space()
    return parse_addresses(cur)


def write_envelope(out: Writer, value: Envelope) -> None:
    """Write an envelope."""
    from_ = addresses_bytes(value.from_, out.dialect)
    sender, reply_to = [
        from_ if people is value.from_ else addresses_bytes(people, out.dialect)  # the usual case
        for people in (value.sender, value.reply_to)
    ]
    to, cc, bcc = [addresses_bytes(people, out.dialect) for people in (value.to, value.cc, value.bcc)]
    lists = from_, sender, reply_to, to, cc, bcc
    write_ready_envelope(out, value.date, value.subject, lists, value.in_reply_to, value.message_id)


def write_ready_envelope(
    out: Writer,
    date: bytes | None,
    subject: bytes | None,
    lists: tuple[bytes, bytes, bytes, bytes, bytes, bytes],
    in_reply_to: bytes | None,
    message_id: bytes | None,
) -> None:
    """Write an envelope of which the addresses are written already, each list by `addresses_bytes`."""
    write = out.write
    write(b"(")
    write_nstring(out, date)
    write(b" ")
    write_nstring(out, subject)
    write(b" %b %b %b %b %b %b " % lists)
    write_nstring(out, in_reply_to)
    write(b" ")
    write_nstring(out, message_id)
    write(b")")


def envelope_bytes(value: Envelope) -> bytes:
    """Return an envelope as it is sent, for whoever keeps it ready; 8-bit texts are literals."""
    out = Writer(STRICT)
    write_envelope(out, value)
    return out.data()


def parse_addresses(cur: Cursor) -> tuple[Address, ...]:
    """
    env-from = "(" 1*address ")" / nil, and the like

    RFC 9051 §9.
    """
    if skip_nil(cur):
        return ()
    cur.opens()
    people: list[Address] = []
    while not cur.closes():
        if cur.dialect.loose_spaces and people:
            cur.skip(b" ")
        people.append(parse_address(cur))
    if not people and not cur.dialect.loose_values:
        raise cur.fails("an address")
    return tuple(people)


def addresses_bytes(people: tuple[Address, ...], dialect: Dialect = STRICT) -> bytes:
    """Return a list of addresses as it is sent, NIL if there are none."""
    if not people:
        return b"NIL"
    out = Writer(dialect)
    out.write(b"(")
    for person in people:
        write_address(out, person)
    out.write(b")")
    return out.data()


def parse_address(cur: Cursor) -> Address:
    """
    address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"

    RFC 9051 §7.5.2, §9.
    """
    cur.opens()
    name = parse_nstring(cur)
    cur.space()
    route = parse_nstring(cur)
    cur.space()
    mailbox = parse_nstring(cur)
    cur.space()
    host = parse_nstring(cur)
    if not cur.closes():
        raise cur.fails("the end of an address")
    return Address(name, route, mailbox, host)


def write_address(out: Writer, value: Address) -> None:
    """Write an address."""
    write = out.write
    write(b"(")
    write_nstring(out, value.name)
    write(b" ")
    write_nstring(out, value.route)
    write(b" ")
    write_nstring(out, value.mailbox)
    write(b" ")
    write_nstring(out, value.host)
    write(b")")
