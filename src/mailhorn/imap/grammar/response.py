"""response: everything a server says, both ways (RFC 9051 §7, §9; RFC 3501 §7).

The tables at the end are the list of what we speak, with `_parse_numbered` for what begins with a number.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from ...model.ids import ModSeq, SeqNum
from ..responses import (
    AclResponse,
    Capabilities,
    Condition,
    Continuation,
    Enabled,
    ESearchResponse,
    Exists,
    Expunged,
    Fetched,
    FlagsResponse,
    IdResponse,
    ListResponse,
    ListRightsResponse,
    Metadata,
    MyRightsResponse,
    Namespaces,
    Quota,
    QuotaRoots,
    Recent,
    Response,
    ResponseCode,
    SearchResponse,
    SortResponse,
    StatusItems,
    StatusResponse,
    Tagged,
    ThreadResponse,
    UidFetched,
    Unknown,
    Vanished,
)
from .atoms import MAX_NUMBER, parse_number, parse_number64, parse_tag, write_number, write_tag
from .code import parse_resp_text_code, write_resp_text_code
from .cursor import LENIENT, STRICT, Cursor, Dialect, SyntaxProblem, Unwritable, Writer
from .ext.acl import (
    parse_acl_data,
    parse_listrights_data,
    parse_myrights_data,
    write_acl_data,
    write_listrights_data,
    write_myrights_data,
)
from .ext.enable import parse_enable_data, write_enable_data
from .ext.esearch import parse_esearch_response, write_esearch_response
from .ext.id import parse_id_params_list, write_id_params_list
from .ext.metadata import parse_metadata_resp, write_metadata_resp
from .ext.namespace import parse_namespace_response, write_namespace_response
from .ext.qresync import parse_expunged_resp, write_expunged_resp
from .ext.quota import (
    parse_quota_response,
    parse_quotaroot_response,
    write_quota_response,
    write_quotaroot_response,
)
from .ext.sort import parse_sort_data, write_sort_data
from .ext.thread import parse_thread_data, write_thread_data
from .ext.uidonly import parse_uidfetch_resp, write_uidfetch_resp
from .fetch import parse_msg_att, write_msg_att
from .flag import parse_flag_list, write_flag_list
from .list import parse_mailbox_list, write_mailbox_list
from .mailbox import parse_mailbox, write_mailbox
from .status import parse_status_att_list, write_status_att_list

_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9\-]*(?![^ ])")
_NUMBERS = re.compile(rb"(?>(?: +[0-9]{1,10})*)(?! *[0-9])")
_CONDITIONS: Final = {condition.value: condition for condition in Condition}
_TAGGED: Final = {condition.value: condition for condition in (Condition.OK, Condition.NO, Condition.BAD)}
_UNSAFE = re.compile(rb"[\r\n\x00]")


def parse_response(frame: bytes, dialect: Dialect = LENIENT) -> Response:
    """
    response-data / response-tagged / continue-req

    RFC 9051 §7, §9.

    Args:
        frame: The whole response without its final end of line, literals inside.
        dialect: What to forgive. Where it is loose, untagged data that is broken is Unknown, like untagged data
            that we never heard of.

    Raises:
        SyntaxProblem: It is neither tagged nor untagged nor a continuation; or strictly anything that is broken.

    """
    if frame.startswith(b"* "):
        cur = Cursor(frame, dialect, 2)
        try:
            response = _parse_untagged(cur)
        except SyntaxProblem:
            if not dialect.loose_values:
                raise
            return Unknown(frame[2:])
        return response
    if frame.startswith(b"+"):
        return Continuation(frame[2:] if frame.startswith(b"+ ") else frame[1:])
    cur = Cursor(frame, dialect)
    tag = parse_tag(cur)
    cur.space()
    start = cur.pos
    found = _WORD.match(frame, start)
    condition = _TAGGED.get(found[0].upper()) if found else None
    if found is None or condition is None:
        raise SyntaxProblem(start, "OK, NO or BAD")
    cur.pos = found.end()
    return Tagged(tag, condition, *_parse_resp_text(cur))


def write_response(response: Response, dialect: Dialect = STRICT) -> bytes:
    """
    Return a response as it is sent, with its final CRLF.

    Raises:
        Unwritable: It has no form on the wire (a flag that is none, a number that is too large …).

    """
    out = Writer(dialect)
    head, write = _WRITERS[type(response)]
    out.write(head)
    write(out, response)
    out.write(b"\r\n")
    return out.data()


def _parse_untagged(cur: Cursor) -> Response:
    """
    response-data = "*" SP (resp-cond-state / resp-cond-bye / mailbox-data / message-data / capability-data) CRLF

    RFC 9051 §9. Reads on behind the first SP.
    """
    if cur.dialect.loose_spaces:
        while cur.skip(b" "):
            pass
    if cur.data[cur.pos : cur.pos + 1].isdigit():
        return _parse_numbered(cur)
    start = cur.pos
    found = _WORD.match(cur.data, start)
    if found is None:
        return Unknown(cur.data[2:])
    word = found[0].upper()
    cur.pos = found.end()
    condition = _CONDITIONS.get(word)
    if condition is not None:
        return StatusResponse(condition, *_parse_resp_text(cur))
    parse = _PARSERS.get(word)
    if parse is None:
        return Unknown(cur.data[2:])
    response = parse(cur)
    cur.end()
    return response


def _parse_numbered(cur: Cursor) -> Response:
    """
    number SP "EXISTS" / number SP "RECENT" / nz-number SP ("EXPUNGE" / ("FETCH" SP msg-att))

    RFC 9051 §7.4, §7.5, §9.
    """
    start = cur.pos
    number = parse_number(cur)
    cur.space()
    found = _WORD.match(cur.data, cur.pos)
    if found is None:
        return Unknown(cur.data[2:])
    cur.pos = found.end()
    response: Response
    match found[0].upper():
        case b"EXISTS":
            response = Exists(number)
        case b"RECENT":
            response = Recent(number)
        case b"EXPUNGE" if number:
            response = Expunged(SeqNum(number))
        case b"FETCH" if number:
            cur.space()
            response = Fetched(SeqNum(number), parse_msg_att(cur))
        case b"UIDFETCH":
            response = parse_uidfetch_resp(cur, number, start)
        case b"EXPUNGE" | b"FETCH":
            raise SyntaxProblem(start, "a number from 1")
        case _:
            return Unknown(cur.data[2:])
    cur.end()
    return response


def _parse_resp_text(cur: Cursor) -> tuple[ResponseCode | None, bytes]:
    """
    resp-text = ["[" resp-text-code "]" SP] [text]

    RFC 9051 §7.1, §9. Reads on behind the condition. The text may be missing altogether; a code that does not
    parse belongs to the text where the dialect is loose.
    """
    if not cur.skip(b" "):
        return None, b""
    code = None
    if cur.at(b"["):
        start = cur.pos
        try:
            code = parse_resp_text_code(cur)
            cur.skip(b" ")
        except SyntaxProblem:
            if not cur.dialect.loose_values:
                raise
            cur.pos = start
    return code, cur.data[cur.pos :]


def _write_resp_text(out: Writer, code: ResponseCode | None, text: bytes) -> None:
    """Write code and text. Text is for people: what would end the line, or look like a code, is replaced."""
    text = _UNSAFE.sub(b" ", text)
    if code is not None:
        out.write(b" ")
        write_resp_text_code(out, code)
    elif text.startswith(b"["):
        text = b"(" + text[1:]
    out.write(b" " + text)


def _parse_search(cur: Cursor) -> SearchResponse:
    """
    "SEARCH" *(SP nz-number) [SP search-sort-mod-seq]

    RFC 3501 §9, RFC 7162 §7.
    """
    numbers = tuple(map(int, cur.need(_NUMBERS, "numbers")[0].split()))
    if numbers and not (min(numbers) and max(numbers) <= MAX_NUMBER):
        raise cur.fails("numbers of 32 bits")
    mod_seq = None
    if cur.skip(b" (MODSEQ "):
        mod_seq = ModSeq(parse_number64(cur))
        cur.expect(b")")
    return SearchResponse(numbers, mod_seq)


def _parse_flags(cur: Cursor) -> FlagsResponse:
    """
    "FLAGS" SP flag-list

    RFC 9051 §7.3.5, §9.
    """
    cur.space()
    return FlagsResponse(parse_flag_list(cur))


def _parse_list(cur: Cursor, subscribed: bool) -> ListResponse:
    """
    ("LIST" / "LSUB") SP mailbox-list

    RFC 9051 §7.3.1, §9.
    """
    cur.space()
    return parse_mailbox_list(cur, subscribed)


def _parse_status(cur: Cursor) -> StatusItems:
    """
    "STATUS" SP mailbox SP "(" [status-att-list] ")"

    RFC 9051 §7.3.4, §9.
    """
    cur.space()
    mailbox = parse_mailbox(cur)
    cur.space()
    return StatusItems(mailbox, parse_status_att_list(cur))


def _parse_id(cur: Cursor) -> IdResponse:
    cur.space()
    return IdResponse(parse_id_params_list(cur))


def _write_fetched(out: Writer, value: Fetched) -> None:
    out.write(b"* %d FETCH " % value.seq)
    write_msg_att(out, value.items)


def _write_exists(out: Writer, value: Exists) -> None:
    out.write(b"* %d EXISTS" % value.count)


def _write_recent(out: Writer, value: Recent) -> None:
    out.write(b"* %d RECENT" % value.count)


def _write_expunged(out: Writer, value: Expunged) -> None:
    out.write(b"* %d EXPUNGE" % value.seq)


def _write_tagged(out: Writer, value: Tagged) -> None:
    if value.condition.value not in _TAGGED:
        raise Unwritable("tagged BYE or PREAUTH")
    write_tag(out, value.tag)
    out.write(b" " + value.condition.value)
    _write_resp_text(out, value.code, value.text)


def _write_condition(out: Writer, value: StatusResponse) -> None:
    out.write(value.condition.value)
    _write_resp_text(out, value.code, value.text)


def _write_continuation(out: Writer, value: Continuation) -> None:
    out.write(b"+ " + _UNSAFE.sub(b" ", value.text))


def _write_search(out: Writer, value: SearchResponse) -> None:
    out.write(b"".join([b" %d" % number for number in value.numbers]))
    if value.mod_seq is not None:
        out.write(b" (MODSEQ ")
        write_number(out, value.mod_seq)
        out.write(b")")


def _write_threads(out: Writer, value: ThreadResponse) -> None:
    write_thread_data(out, value.threads)


def _write_flags(out: Writer, value: FlagsResponse) -> None:
    write_flag_list(out, value.flags)


def _write_list(out: Writer, value: ListResponse) -> None:
    out.write(b"LSUB " if value.subscribed else b"LIST ")
    write_mailbox_list(out, value)


def _write_status(out: Writer, value: StatusItems) -> None:
    write_mailbox(out, value.mailbox)
    out.write(b" ")
    write_status_att_list(out, value.items)


def _write_capabilities(out: Writer, value: Capabilities | Enabled) -> None:
    write_enable_data(out, value.capabilities)


def _write_id(out: Writer, value: IdResponse) -> None:
    write_id_params_list(out, value.fields)


def _write_unknown(out: Writer, value: Unknown) -> None:
    if _UNSAFE.search(value.data):
        raise Unwritable("CR, LF or NUL in a line")
    out.write(value.data)


# The list of what we speak; conditions and what begins with a number apart.

_PARSERS: Final[dict[bytes, Callable[[Cursor], Response]]] = {
    b"SEARCH": _parse_search,
    b"VANISHED": parse_expunged_resp,
    b"ESEARCH": parse_esearch_response,
    b"SORT": parse_sort_data,
    b"THREAD": lambda cur: ThreadResponse(parse_thread_data(cur)),
    b"FLAGS": _parse_flags,
    b"LIST": lambda cur: _parse_list(cur, False),
    b"LSUB": lambda cur: _parse_list(cur, True),
    b"STATUS": _parse_status,
    b"CAPABILITY": lambda cur: Capabilities(parse_enable_data(cur)),
    b"ENABLED": lambda cur: Enabled(parse_enable_data(cur)),
    b"METADATA": parse_metadata_resp,
    b"QUOTA": parse_quota_response,
    b"QUOTAROOT": parse_quotaroot_response,
    b"ACL": parse_acl_data,
    b"LISTRIGHTS": parse_listrights_data,
    b"MYRIGHTS": parse_myrights_data,
    b"NAMESPACE": parse_namespace_response,
    b"ID": _parse_id,
}
"""How to read on behind the word of each untagged response."""

_WRITERS: Final[dict[type[Response], tuple[bytes, Callable[[Writer, Any], None]]]] = {
    Fetched: (b"", _write_fetched),
    UidFetched: (b"* ", write_uidfetch_resp),
    Exists: (b"", _write_exists),
    Expunged: (b"", _write_expunged),
    Vanished: (b"* ", write_expunged_resp),
    Metadata: (b"* METADATA", write_metadata_resp),
    Quota: (b"* QUOTA", write_quota_response),
    QuotaRoots: (b"* QUOTAROOT", write_quotaroot_response),
    AclResponse: (b"* ACL", write_acl_data),
    ListRightsResponse: (b"* LISTRIGHTS", write_listrights_data),
    MyRightsResponse: (b"* MYRIGHTS", write_myrights_data),
    Recent: (b"", _write_recent),
    Tagged: (b"", _write_tagged),
    StatusResponse: (b"* ", _write_condition),
    Continuation: (b"", _write_continuation),
    SearchResponse: (b"* SEARCH", _write_search),
    ESearchResponse: (b"* ESEARCH", write_esearch_response),
    SortResponse: (b"* SORT", write_sort_data),
    ThreadResponse: (b"* THREAD", _write_threads),
    FlagsResponse: (b"* FLAGS ", _write_flags),
    ListResponse: (b"* ", _write_list),
    StatusItems: (b"* STATUS ", _write_status),
    Capabilities: (b"* CAPABILITY", _write_capabilities),
    Enabled: (b"* ENABLED", _write_capabilities),
    Namespaces: (b"* NAMESPACE", write_namespace_response),
    IdResponse: (b"* ID ", _write_id),
    Unknown: (b"* ", _write_unknown),
}
"""How each response begins, empty if it depends, and what writes the rest."""
