"""What is written is read as the same: every rule of the grammar, every command and every response."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kit import imap_values as values

from mailhorn.imap import commands as c
from mailhorn.imap.framing import NEED_DATA, SERVER_LIMITS, Frame, Framer
from mailhorn.imap.grammar import (
    atoms,
    body,
    code,
    date,
    envelope,
    fetch,
    flag,
    mailbox,
    search,
    section,
    sequence,
    status,
    store,
)
from mailhorn.imap.grammar import list as listing
from mailhorn.imap.grammar.command import CommandProblem, parse_append_head, parse_command, write_command
from mailhorn.imap.grammar.cursor import LENIENT, STRICT, Cursor, Dialect, SyntaxProblem, Unwritable, Writer
from mailhorn.imap.grammar.ext import condstore, enable, id, namespace, qresync, sasl_ir, uidplus
from mailhorn.imap.grammar.response import parse_response, write_response
from mailhorn.imap.responses import Response
from mailhorn.model.numbers import SeqSet, UIDSet

DIALECTS = [STRICT, LENIENT, Dialect(utf8=True), replace(LENIENT, utf8=True)]

Rule = tuple[st.SearchStrategy[Any], Callable[[Cursor], Any], Callable[[Writer, Any], None]]

RULES: dict[str, Rule] = {
    "tag": (values.tags, atoms.parse_tag, atoms.write_tag),
    "atom": (values.atoms, atoms.parse_atom, atoms.write_atom),
    "word": (values.words, atoms.parse_word, atoms.write_word),
    "string": (values.octets, atoms.parse_string, atoms.write_string),
    "astring": (values.octets, atoms.parse_astring, atoms.write_astring),
    "nstring": (values.optional_octets, atoms.parse_nstring, atoms.write_nstring),
    "number": (values.numbers, atoms.parse_number, atoms.write_number),
    "nz-number": (values.nz_numbers, atoms.parse_nz_number, atoms.write_number),
    "number64": (values.numbers64, atoms.parse_number64, atoms.write_number),
    "sequence-set": (
        values.seq_sets,
        lambda cur: sequence.parse_sequence_set(cur, SeqSet),
        sequence.write_sequence_set,
    ),
    "sequence-set of UIDs": (
        values.uid_sets,
        lambda cur: sequence.parse_sequence_set(cur, UIDSet),
        sequence.write_sequence_set,
    ),
    "uid-set": (values.known_uid_sets, sequence.parse_uid_set, sequence.write_uid_set),
    "mailbox": (values.mailboxes, mailbox.parse_mailbox, mailbox.write_mailbox),
    "list-mailbox": (values.mailboxes, mailbox.parse_list_mailbox, mailbox.write_list_mailbox),
    "flag-list": (values.flag_lists, flag.parse_flag_list, flag.write_flag_list),
    "flag-perm": (values.perm_flag_lists, flag.parse_flag_perm_list, flag.write_flag_list),
    "flag": (values.flags, flag.parse_flag, lambda out, one: out.write(flag.flags_text([one]))),
    "date": (st.dates(), date.parse_date, date.write_date),
    "date-time": (values.moments, date.parse_date_time, date.write_date_time),
    "envelope": (values.envelopes, envelope.parse_envelope, envelope.write_envelope),
    "address": (values.addresses, envelope.parse_address, envelope.write_address),
    "body with extensions": (
        values.structures(True),
        body.parse_body,
        lambda out, value: body.write_body(out, value, extended=True),
    ),
    "body": (
        values.structures(False),
        body.parse_body,
        lambda out, value: body.write_body(out, value, extended=False),
    ),
    "body-fld-dsp": (st.none() | values.dispositions, body.parse_body_fld_dsp, body.write_body_fld_dsp),
    "section": (values.sections, section.parse_section, section.write_section),
    "fetch-att": (values.fetch_items, fetch.parse_fetch_att, fetch.write_fetch_att),
    "fetch-atts": (values.fetch_item_lists, fetch.parse_fetch_atts, fetch.write_fetch_atts),
    "msg-att": (st.lists(values.fetched_items, max_size=3).map(tuple), fetch.parse_msg_att, fetch.write_msg_att),
    "search-program": (
        values.searches.map(lambda asked: (asked.key, asked.charset)),
        search.parse_search_program,
        lambda out, value: search.write_search_program(out, *value),
    ),
    "store-att-flags": (
        values.stores.map(lambda asked: (asked.mode, asked.silent, asked.flags)),
        store.parse_store_att_flags,
        lambda out, value: store.write_store_att_flags(out, *value),
    ),
    "status-att-list": (values.status_items, status.parse_status_att_list, status.write_status_att_list),
    "delimiter": (values.delimiters, listing.parse_delimiter, listing.write_delimiter),
    "resp-text-code": (values.codes, code.parse_resp_text_code, code.write_resp_text_code),
    "enable-data": (values.capability_lists, enable.parse_enable_data, enable.write_enable_data),
    "id-params-list": (values.id_fields, id.parse_id_params_list, id.write_id_params_list),
    "namespace-response": (
        values.namespaces,
        namespace.parse_namespace_response,
        namespace.write_namespace_response,
    ),
    "authenticate": (
        st.builds(c.Authenticate, values.words.map(str.upper), st.none() | values.octets),
        sasl_ir.parse_authenticate,
        sasl_ir.write_authenticate,
    ),
    "fetch-mod-resp": (
        values.mod_seqs,
        lambda cur: (cur.expect(b"MODSEQ "), condstore.parse_fetch_mod_resp(cur))[1],
        condstore.write_fetch_mod_resp,
    ),
    "store-modifiers": (values.mod_seqs, condstore.parse_store_modifiers, condstore.write_store_modifiers),
    "select-params": (
        st.tuples(st.booleans(), values.resyncs),
        lambda cur: (cur.space(), qresync.parse_select_params(cur))[1],
        lambda out, value: qresync.write_select_params(out, *value),
    ),
    "uid-expunge": (
        values.uid_sets.map(c.Expunge),
        uidplus.parse_uid_expunge,
        lambda out, value: uidplus.write_uid_expunge(out, value.uids),
    ),
}


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), dialect=st.sampled_from(DIALECTS))
def test_a_rule_reads_what_it_wrote(name: str, data: st.DataObject, dialect: Dialect) -> None:
    """parse(write(x)) == x, and nothing of it is left."""
    strategy, parse, write = RULES[name]
    value = data.draw(strategy)
    out = Writer(dialect)
    write(out, value)
    cur = Cursor(out.data(), dialect)
    assert parse(cur) == value
    assert cur.pos == len(cur.data)


WRITERS = [STRICT, Dialect(literal_plus=True), Dialect(literal_minus=True), Dialect(utf8=True, literal_plus=True)]


def framed(data: bytes) -> list[Any]:
    """What a server's framer makes of a command."""
    framer = Framer(SERVER_LIMITS, synchronizing=True)
    framer.receive_data(data)
    events = []
    while (event := framer.next_event()) is not NEED_DATA:
        events.append(event)
    return events


@settings(max_examples=150, deadline=None)
@given(tag=values.tags, command=values.commands, dialect=st.sampled_from(WRITERS))
def test_a_command_is_read_as_it_was_written(tag: bytes, command: c.Command, dialect: Dialect) -> None:
    """Through the framer, too: one frame, and as many continuations as segments ask for."""
    segments = write_command(tag, command, dialect)
    events = framed(b"".join(segments))
    assert len(events) == len(segments)
    assert isinstance(events[-1], Frame)
    assert parse_command(events[-1].data, dialect) == (tag, command)
    if dialect.literal_plus:
        assert len(segments) == 1


@settings(max_examples=50, deadline=None)
@given(tag=values.tags, command=values.appends, dialect=st.sampled_from(WRITERS))
def test_the_head_of_an_append_is_read_as_it_was_written(tag: bytes, command: c.Append, dialect: Dialect) -> None:
    """The octets themselves are a stream and no part of it."""
    head = b"".join(write_command(tag, command, dialect))
    assert head.endswith(b"}\r\n")
    assert parse_append_head(head[:-2], dialect) == (tag, command)


@settings(max_examples=150, deadline=None)
@given(response=values.responses, dialect=st.sampled_from(DIALECTS))
def test_a_response_is_read_as_it_was_written(response: Response, dialect: Dialect) -> None:
    """By a client with all quirks, and by one with none."""
    data = write_response(response, dialect)
    assert data.endswith(b"\r\n")
    assert parse_response(data[:-2], dialect) == response


@settings(max_examples=60, deadline=None)
@given(response=values.responses)
def test_a_response_is_one_frame(response: Response) -> None:
    """Whatever is in it, nothing breaks out of it (fault F90)."""
    data = write_response(response)
    framer = Framer(SERVER_LIMITS, synchronizing=False)
    framer.receive_data(data)
    assert framer.next_event() == Frame(data[:-2])
    assert framer.next_event() is NEED_DATA


PIECES = st.sampled_from(
    [
        *(
            b"(",
            b")",
            b'"',
            b"\\",
            b"{1}\r\n",
            b"{0}\r\n",
            b"{3+}\r\n",
            b" ",
            b"  ",
            b"*",
            b"%",
            b"NIL",
            b"\0",
            b"\r",
            b"\n",
        ),
        *(
            b"\xff",
            b"&",
            b"&AOk-",
            b"1",
            b"0",
            b"4294967296",
            b":",
            b",",
            b"[",
            b"]",
            b"<",
            b">",
            b".",
            b"~",
            b"=",
            b"",
        ),
    ]
)
EDITS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), PIECES), min_size=1, max_size=3)


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """The bytes with a few pieces cut out and others put in."""
    for place, length, piece in edits:
        place %= len(data) + 1
        data = data[:place] + piece + data[place + length :]
    return data


@settings(max_examples=200, deadline=None)
@given(command=values.commands, edits=EDITS, dialect=st.sampled_from(DIALECTS))
def test_any_bytes_are_a_command_or_a_problem(
    command: c.Command, edits: list[tuple[int, int, bytes]], dialect: Dialect
) -> None:
    """No other exception; and what was understood is understood again when we write it."""
    frame = edited(b"".join(write_command(b"a1", command))[:-2], edits)
    try:
        tag, found = parse_command(frame, dialect)
        segments = write_command(tag, found, dialect)
    except (CommandProblem, Unwritable):  # a server reads more than a client may write: NUL in a literal
        return
    assert parse_command(b"".join(segments)[:-2], dialect) == (tag, found)


@settings(max_examples=200, deadline=None)
@given(response=values.responses, edits=EDITS, dialect=st.sampled_from(DIALECTS))
def test_any_bytes_are_a_response_or_a_problem(
    response: Response, edits: list[tuple[int, int, bytes]], dialect: Dialect
) -> None:
    """No other exception; where the dialect is loose, nothing untagged is a problem."""
    frame = edited(write_response(response)[:-2], edits)
    try:
        parse_response(frame, dialect)
    except SyntaxProblem:
        assert not (dialect.loose_values and frame.startswith((b"* ", b"+")))
