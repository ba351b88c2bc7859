"""body: what BODYSTRUCTURE and BODY tell of a message's parts (RFC 9051 §7.5.2, §9)."""

from ...model.structure import BodyStructure, Disposition, Extension, MultiPart, Params, SinglePart
from .atoms import parse_nstring, parse_number64, parse_string, skip_nil, write_nstring, write_number, write_string
from .cursor import MAX_DEPTH, STRICT, Cursor, Unwritable, Writer
from .envelope import parse_envelope, write_envelope
from .value import skip_value

_NO_EXTENSION = Extension()


def parse_body(cur: Cursor, depth: int = 0) -> BodyStructure:
    """
    body = "(" (body-type-1part / body-type-mpart) ")"

    RFC 9051 §7.5.2, §9.
    """
    if depth >= MAX_DEPTH:
        raise cur.fails("fewer parts in parts")
    cur.opens()
    return parse_body_type_mpart(cur, depth) if cur.at(b"(") else parse_body_type_1part(cur, depth)


def write_body(out: Writer, value: BodyStructure, *, extended: bool, depth: int = 0) -> None:
    """Write a structure, with extension data (BODYSTRUCTURE) or without (BODY)."""
    if depth >= MAX_DEPTH:
        raise Unwritable("too many parts in parts")
    if isinstance(value, MultiPart):
        write_body_type_mpart(out, value, extended, depth)
    else:
        write_body_type_1part(out, value, extended, depth)


def body_structure_bytes(value: BodyStructure, extended: bool) -> bytes:
    """
    Return a structure as it is sent, for whoever keeps it ready.

    Args:
        value: At most MAX_DEPTH levels of parts.
        extended: True for BODYSTRUCTURE, False for BODY.

    Raises:
        Unwritable: It nests deeper.

    """
    out = Writer(STRICT)
    write_body(out, value, extended=extended)
    return out.data()


def without_extensions(structure: bytes) -> bytes:
    """Return BODY, given BODYSTRUCTURE as `body_structure_bytes` made it."""
    out = Writer(STRICT)
    write_body(out, parse_body(Cursor(structure)), extended=False)
    return out.data()


def parse_body_type_mpart(cur: Cursor, depth: int) -> MultiPart:
    """
    body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]

    RFC 9051 §9. Reads on behind the opening parenthesis, through the closing one.
    """
    parts = [parse_body(cur, depth + 1)]
    loose = cur.dialect.loose_spaces
    while cur.at(b"(") or (loose and cur.at(b" (")):
        cur.skip(b" ")
        parts.append(parse_body(cur, depth + 1))
    cur.space()
    subtype = parse_string(cur)
    if cur.closes():
        return MultiPart(tuple(parts), subtype)
    cur.space()
    params = parse_body_fld_param(cur)
    return MultiPart(tuple(parts), subtype, params, parse_extension(cur))


def write_body_type_mpart(out: Writer, value: MultiPart, extended: bool, depth: int) -> None:
    """Write a multipart."""
    if not value.parts:
        raise Unwritable("a multipart without parts")
    out.write(b"(")
    for part in value.parts:
        write_body(out, part, extended=extended, depth=depth + 1)
    out.write(b" ")
    write_string(out, value.subtype)
    if extended and value.extension is not None:
        out.write(b" ")
        write_body_fld_param(out, value.params)
        write_extension(out, value.extension)
    out.write(b")")


def parse_body_type_1part(cur: Cursor, depth: int) -> SinglePart:
    """
    body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]

    RFC 9051 §9. Which one it is, is told by what follows as well: servers describe broken message/rfc822
    parts as basic ones.
    """
    kind = parse_string(cur)
    cur.space()
    subtype = parse_string(cur)
    cur.space()
    params = parse_body_fld_param(cur)
    cur.space()
    content_id = parse_nstring(cur)
    cur.space()
    description = parse_nstring(cur)
    cur.space()
    encoding = parse_nstring(cur) if cur.dialect.loose_values else parse_string(cur)
    cur.space()
    octets = 0 if cur.dialect.loose_values and skip_nil(cur) else parse_number64(cur)
    lines = envelope = body = None
    if cur.at(b" ("):
        cur.space()
        envelope = parse_envelope(cur)
        cur.space()
        body = parse_body(cur, depth + 1)
        cur.space()
        lines = parse_number64(cur)
    elif cur.data[cur.pos + 1 : cur.pos + 2].isdigit() and cur.at(b" "):
        cur.space()
        lines = parse_number64(cur)
    md5, extension = None, None
    if not cur.closes():
        cur.space()
        md5 = parse_nstring(cur)
        extension = parse_extension(cur)
    return SinglePart(
        *(kind, subtype, params, content_id, description, b"7BIT" if encoding is None else encoding, octets),
        *(lines, envelope, body, md5, extension),
    )


def write_body_type_1part(out: Writer, value: SinglePart, extended: bool, depth: int) -> None:
    """Write a leaf or a message/rfc822."""
    write = out.write
    _write_head(out, value)
    write_number(out, value.octets)
    if value.envelope is not None and value.body is not None:
        write(b" ")
        write_envelope(out, value.envelope)
        write(b" ")
        write_body(out, value.body, extended=extended, depth=depth + 1)
        write(b" ")
        write_number(out, value.lines or 0)
    elif value.lines is not None:
        write(b" ")
        write_number(out, value.lines)
    _write_tail(out, value, extended)


def leaf_bytes(value: SinglePart) -> tuple[bytes, bytes]:
    """Return what stands before the octets of a leaf, and behind its octets and lines, with extension data."""
    head, tail = Writer(STRICT), Writer(STRICT)
    _write_head(head, value)
    _write_tail(tail, value, extended=True)
    return head.data(), tail.data()


def _write_head(out: Writer, value: SinglePart) -> None:
    write = out.write
    write(b"(")
    write_string(out, value.type)
    write(b" ")
    write_string(out, value.subtype)
    write(b" ")
    write_body_fld_param(out, value.params)
    write(b" ")
    write_nstring(out, value.content_id)
    write(b" ")
    write_nstring(out, value.description)
    write(b" ")
    write_string(out, value.encoding)
    write(b" ")


def _write_tail(out: Writer, value: SinglePart, extended: bool) -> None:
    if extended and value.extension is not None:
        out.write(b" ")
        write_nstring(out, value.md5)
        write_extension(out, value.extension)
    out.write(b")")


def parse_body_fld_param(cur: Cursor) -> Params:
    """
    body-fld-param = "(" string SP string *(SP string SP string) ")" / nil

    RFC 9051 §9.
    """
    if skip_nil(cur):
        return ()
    cur.opens()
    params: list[tuple[bytes, bytes]] = []
    while not cur.closes():
        if params:
            cur.space()
        name = parse_string(cur)
        cur.space()
        value = parse_nstring(cur) or b"" if cur.dialect.loose_values else parse_string(cur)
        params.append((name, value))
    if not params and not cur.dialect.loose_values:
        raise cur.fails("a parameter")
    return tuple(params)


def write_body_fld_param(out: Writer, params: Params) -> None:
    """Write parameters, NIL if there are none."""
    if not params:
        out.write(b"NIL")
        return
    for number, (name, value) in enumerate(params):
        out.write(b" " if number else b"(")
        write_string(out, name)
        out.write(b" ")
        write_string(out, value)
    out.write(b")")


def parse_extension(cur: Cursor) -> Extension:
    """
    [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]

    RFC 9051 §9. Reads through the closing parenthesis; body-extensions are skipped.
    """
    if cur.closes():
        return _NO_EXTENSION
    cur.space()
    disposition = parse_body_fld_dsp(cur)
    language: tuple[bytes, ...] = ()
    location = None
    if not cur.closes():
        cur.space()
        language = parse_body_fld_lang(cur)
        if not cur.closes():
            cur.space()
            location = parse_nstring(cur)
            while not cur.closes():
                cur.space()
                skip_value(cur)
    return Extension(disposition, language, location)


def write_extension(out: Writer, value: Extension) -> None:
    """Write all of it, and a space before."""
    out.write(b" ")
    write_body_fld_dsp(out, value.disposition)
    out.write(b" ")
    write_body_fld_lang(out, value.language)
    out.write(b" ")
    write_nstring(out, value.location)


def parse_body_fld_dsp(cur: Cursor) -> Disposition | None:
    """
    body-fld-dsp = "(" string SP body-fld-param ")" / nil

    RFC 9051 §9.
    """
    if skip_nil(cur):
        return None
    cur.opens()
    kind = parse_string(cur)
    cur.space()
    params = parse_body_fld_param(cur)
    if not cur.closes():
        raise cur.fails("the end of a disposition")
    return Disposition(kind, params)


def write_body_fld_dsp(out: Writer, value: Disposition | None) -> None:
    """Write a disposition or NIL."""
    if value is None:
        out.write(b"NIL")
        return
    out.write(b"(")
    write_string(out, value.kind)
    out.write(b" ")
    write_body_fld_param(out, value.params)
    out.write(b")")


def parse_body_fld_lang(cur: Cursor) -> tuple[bytes, ...]:
    """
    body-fld-lang = nstring / "(" string *(SP string) ")"

    RFC 9051 §9.
    """
    if not cur.skip(b"("):
        language = parse_nstring(cur)
        return () if language is None else (language,)
    languages = [parse_string(cur)]
    while not cur.closes():
        cur.space()
        languages.append(parse_string(cur))
    return tuple(languages)


def write_body_fld_lang(out: Writer, value: tuple[bytes, ...]) -> None:
    """Write languages, NIL if there are none."""
    if not value:
        out.write(b"NIL")
        return
    for number, language in enumerate(value):
        out.write(b" " if number else b"(")
        write_string(out, language)
    out.write(b")")
