"""response: everything a server says, both ways (RFC 9051 §7, §9; RFC 3501 §7).

The lines in `_parse_untagged`, `_parse_numbered` and `_write` are the list of what we speak.
"""

import re
from typing import Final

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
    _write(out, response)
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
    response: Response
    match word:
        case b"SEARCH":
            response = _parse_search(cur)
        case b"VANISHED":
            response = parse_expunged_resp(cur)
        case b"ESEARCH":
            response = parse_esearch_response(cur)
        case b"SORT":
            response = parse_sort_data(cur)
        case b"THREAD":
            response = ThreadResponse(parse_thread_data(cur))
        case b"FLAGS":
            cur.space()
            response = FlagsResponse(parse_flag_list(cur))
        case b"LIST" | b"LSUB":
            cur.space()
            response = parse_mailbox_list(cur, word == b"LSUB")
        case b"STATUS":
            cur.space()
            mailbox = parse_mailbox(cur)
            cur.space()
            response = StatusItems(mailbox, parse_status_att_list(cur))
        case b"CAPABILITY":
            response = Capabilities(parse_enable_data(cur))
        case b"ENABLED":
            response = Enabled(parse_enable_data(cur))
        case b"METADATA":
            response = parse_metadata_resp(cur)
        case b"QUOTA":
            response = parse_quota_response(cur)
        case b"QUOTAROOT":
            response = parse_quotaroot_response(cur)
        case b"ACL":
            response = parse_acl_data(cur)
        case b"LISTRIGHTS":
            response = parse_listrights_data(cur)
        case b"MYRIGHTS":
            response = parse_myrights_data(cur)
        case b"NAMESPACE":
            response = parse_namespace_response(cur)
        case b"ID":
            cur.space()
            response = IdResponse(parse_id_params_list(cur))
        case _:
            return Unknown(cur.data[2:])
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


def _write(out: Writer, response: Response) -> None:
    """Write a response without its end of line."""
    write = out.write
    match response:
        case Fetched(seq, items):
            write(b"* %d FETCH " % seq)
            write_msg_att(out, items)
        case UidFetched():
            write(b"* ")
            write_uidfetch_resp(out, response)
        case Exists(count):
            write(b"* %d EXISTS" % count)
        case Expunged(seq):
            write(b"* %d EXPUNGE" % seq)
        case Vanished():
            write(b"* ")
            write_expunged_resp(out, response)
        case Metadata():
            write(b"* METADATA")
            write_metadata_resp(out, response)
        case Quota():
            write(b"* QUOTA")
            write_quota_response(out, response)
        case QuotaRoots():
            write(b"* QUOTAROOT")
            write_quotaroot_response(out, response)
        case AclResponse():
            write(b"* ACL")
            write_acl_data(out, response)
        case ListRightsResponse():
            write(b"* LISTRIGHTS")
            write_listrights_data(out, response)
        case MyRightsResponse():
            write(b"* MYRIGHTS")
            write_myrights_data(out, response)
        case Recent(count):
            write(b"* %d RECENT" % count)
        case Tagged(tag, condition, code, text):
            if condition.value not in _TAGGED:
                raise Unwritable("tagged BYE or PREAUTH")
            write_tag(out, tag)
            write(b" " + condition.value)
            _write_resp_text(out, code, text)
        case StatusResponse(condition, code, text):
            write(b"* " + condition.value)
            _write_resp_text(out, code, text)
        case Continuation(text):
            write(b"+ " + _UNSAFE.sub(b" ", text))
        case SearchResponse(numbers, mod_seq):
            write(b"* SEARCH" + b"".join([b" %d" % number for number in numbers]))
            if mod_seq is not None:
                write(b" (MODSEQ ")
                write_number(out, mod_seq)
                write(b")")
        case ESearchResponse():
            write(b"* ESEARCH")
            write_esearch_response(out, response)
        case SortResponse():
            write(b"* SORT")
            write_sort_data(out, response)
        case ThreadResponse(threads):
            write(b"* THREAD")
            write_thread_data(out, threads)
        case FlagsResponse(flags):
            write(b"* FLAGS ")
            write_flag_list(out, flags)
        case ListResponse(subscribed=subscribed):
            write(b"* LSUB " if subscribed else b"* LIST ")
            write_mailbox_list(out, response)
        case StatusItems(mailbox, items):
            write(b"* STATUS ")
            write_mailbox(out, mailbox)
            write(b" ")
            write_status_att_list(out, items)
        case Capabilities(capabilities):
            write(b"* CAPABILITY")
            write_enable_data(out, capabilities)
        case Enabled(capabilities):
            write(b"* ENABLED")
            write_enable_data(out, capabilities)
        case Namespaces():
            write(b"* NAMESPACE")
            write_namespace_response(out, response)
        case IdResponse(fields):
            write(b"* ID ")
            write_id_params_list(out, fields)
        case Unknown(data):
            if _UNSAFE.search(data):
                raise Unwritable("CR, LF or NUL in a line")
            write(b"* " + data)
