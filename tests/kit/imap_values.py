"""Hypothesis strategies for every value the IMAP grammar reads and writes."""

from hypothesis import strategies as st

from mailhorn.imap import commands as c
from mailhorn.imap import responses as r
from mailhorn.model.flags import RECENT, SYSTEM_FLAGS, canonical, flag_set
from mailhorn.model.ids import MAX_UID, UID, ModSeq, SeqNum, UIDValidity
from mailhorn.model.mailbox import canonical_name
from mailhorn.model.numbers import NumberSet, SeqSet, UIDSet
from mailhorn.model.search import (
    AddressKey,
    AgeKey,
    All,
    And,
    DateField,
    DateKey,
    DateTest,
    EmailIdKey,
    HasFlag,
    HeaderKey,
    InSequence,
    InUIDs,
    ModSeqKey,
    Not,
    Or,
    Return,
    Returns,
    SaveDateKey,
    SaveDateSupported,
    SizeKey,
    SortField,
    SortKey,
    Source,
    SourceKind,
    TextKey,
    ThreadAlgorithm,
    ThreadIdKey,
)
from mailhorn.model.structure import Address, Disposition, Envelope, Extension, MultiPart, SinglePart

_ATOM = "!#$&'+,-./0123456789:;<=>?@ABCXYZ[^_`abcxyz|}~"

# Words and numbers

tags = st.text(_ATOM.replace("+", "") + "]", min_size=1, max_size=8).map(str.encode)
atoms = st.text(_ATOM, min_size=1, max_size=8).map(str.encode)
words = st.text(_ATOM, min_size=1, max_size=8)
octets = st.binary(max_size=24) | st.text('ab "\\(){}%*\r\n\t', max_size=8).map(str.encode)
"""What stands in a message: any octets."""
optional_octets = st.none() | octets
clean_octets = octets.map(lambda data: data.replace(b"\0", b""))
"""What may stand in a command: no NUL."""
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
ascii_texts = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=12)
human = st.binary(max_size=20).map(lambda data: data.translate(None, b"\0\r\n["))
"""Text of a status response."""
numbers = st.integers(0, 2**32 - 1)
nz_numbers = st.integers(1, 2**32 - 1)
numbers64 = st.integers(0, 2**63 - 1)
moments = st.integers(-62135596800, 253402300799)
"""Seconds since 1970 of the years 1 to 9999."""
uids = nz_numbers.map(UID)
seqs = nz_numbers.map(SeqNum)
uid_validities = nz_numbers.map(UIDValidity)
mod_seqs = numbers64.map(ModSeq)
_entries = st.sampled_from(["/flags/\\seen", "/flags/$MDNSent", "/FLAGS/work"])

# Sets, names, flags

_pairs = st.lists(
    st.tuples(st.integers(0, MAX_UID), st.integers(0, MAX_UID)) | st.integers(0, MAX_UID).map(lambda n: (n, n)),
    min_size=1,
    max_size=5,
).map(tuple)
_known_pairs = st.lists(st.tuples(nz_numbers, nz_numbers), min_size=1, max_size=5).map(tuple)
seq_sets = _pairs.map(SeqSet)
uid_sets = _pairs.map(UIDSet)
known_uid_sets = _known_pairs.map(UIDSet)
num_sets = seq_sets | uid_sets

mailboxes = (
    st.text(st.characters(exclude_categories=["Cs"], min_codepoint=0x20, exclude_characters="\x7f"), max_size=12)
    | st.text('&-/,+ab é€😀\\"%*({', max_size=10)
    | st.sampled_from(["INBOX", "inbox", "inbox/a", "NIL", "", "&", "a b", "~peter/mail/台北/日本語"])
).map(canonical_name)
keywords = words.filter(lambda word: word[0] not in "[{}") | st.sampled_from(["$Forwarded", "work", "NIL"])
flags = st.sampled_from([*SYSTEM_FLAGS, RECENT]) | keywords | words.map(lambda word: canonical("\\" + word))
flag_lists = st.lists(flags, max_size=5).map(tuple)
perm_flag_lists = st.lists(flags | st.just("\\*"), max_size=5).map(tuple)
capability_lists = st.lists(words, max_size=5).map(tuple)

# Envelope and structure

addresses = st.builds(Address, *[optional_octets] * 4)
_people = st.lists(addresses, max_size=2).map(tuple)
envelopes = st.builds(Envelope, *[optional_octets] * 2, *[_people] * 6, *[optional_octets] * 2)
_params = st.lists(st.tuples(octets, octets), max_size=2).map(tuple)
dispositions = st.builds(Disposition, octets, _params)
extensions = st.builds(Extension, st.none() | dispositions, st.lists(octets, max_size=2).map(tuple), optional_octets)


@st.composite
def structures(draw: st.DrawFn, extended: bool, depth: int = 2) -> SinglePart | MultiPart:
    """A BODYSTRUCTURE (extended) or a BODY."""
    extension = draw(extensions) if extended and draw(st.booleans()) else None
    md5 = draw(optional_octets) if extension is not None else None
    if depth and draw(st.integers(0, 2)) == 0:
        parts = draw(st.lists(structures(extended, depth - 1), min_size=1, max_size=3))
        params = draw(_params) if extension is not None else ()
        return MultiPart(tuple(parts), draw(octets), params, extension)
    fields = draw(st.tuples(octets, octets, _params, optional_octets, optional_octets, octets, numbers))
    if depth and draw(st.integers(0, 3)) == 0:
        inner = draw(structures(extended, depth - 1))
        return SinglePart(*fields, draw(numbers64), draw(envelopes), inner, md5, extension)
    return SinglePart(*fields, draw(st.none() | numbers64), None, None, md5, extension)


# Commands

_parts = st.lists(st.integers(1, 999), max_size=3).map(tuple)
_fields = st.lists(clean_octets, min_size=1, max_size=3).map(tuple)
_T = c.SectionText
sections = (
    st.builds(c.Section, _parts, st.sampled_from([_T.PART, _T.HEADER, _T.TEXT]))
    | st.builds(c.Section, _parts, st.sampled_from([_T.HEADER_FIELDS, _T.HEADER_FIELDS_NOT]), _fields)
    | st.builds(c.Section, _parts.filter(bool), st.just(_T.MIME))
)
body_sections = st.builds(
    c.BodySection, sections, st.booleans(), st.none() | st.tuples(numbers64, st.integers(1, 2**63 - 1))
)
binary_sections = st.builds(
    c.BinarySection, _parts, st.booleans(), st.none() | st.tuples(numbers64, st.integers(1, 2**63 - 1))
) | st.builds(c.BinarySize, _parts)
fetch_items = st.sampled_from(list(c.Attribute)) | body_sections | binary_sections | st.builds(c.Preview, st.booleans())
fetch_item_lists = st.lists(fetch_items, min_size=1, max_size=4).map(tuple)


object_ids = st.text("aZ09_-", min_size=1, max_size=8)


def search_keys(words_of: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """Search keys whose texts come from `words_of`."""
    leaves = (
        st.just(All())
        | st.builds(HasFlag, st.sampled_from([*SYSTEM_FLAGS, RECENT]) | keywords, st.booleans())
        | st.builds(DateKey, st.sampled_from(list(DateField)), st.sampled_from(list(DateTest)), st.dates())
        | st.builds(SizeKey, st.booleans(), numbers64)
        | st.builds(HeaderKey, st.sampled_from(["From", "to", "Subject", "X-Y"]) | ascii_texts, words_of)
        | st.builds(AddressKey, st.sampled_from(["From", "To", "Cc", "Bcc"]), words_of)
        | st.builds(AgeKey, st.booleans(), nz_numbers)
        | st.builds(EmailIdKey, object_ids)
        | st.builds(ThreadIdKey, object_ids)
        | st.builds(SaveDateKey, st.sampled_from(list(DateTest)), st.dates())
        | st.just(SaveDateSupported())
        | st.builds(TextKey, words_of, st.booleans())
        | st.builds(InSequence, seq_sets)
        | st.builds(InUIDs, uid_sets)
        | st.builds(ModSeqKey, mod_seqs, st.none() | st.tuples(_entries, st.sampled_from(["priv", "shared", "all"])))
    )
    return st.recursive(
        leaves,
        lambda keys: (
            st.builds(Not, keys)
            | st.builds(Or, keys, keys)
            | st.builds(And, st.lists(keys, min_size=2, max_size=3).map(tuple))
        ),
        max_leaves=6,
    )


partial_ranges = st.tuples(nz_numbers, nz_numbers) | st.tuples(nz_numbers, nz_numbers).map(lambda p: (-p[0], -p[1]))
returns = (
    st.builds(Returns, st.frozensets(st.sampled_from(list(Return))))
    | st.builds(Returns, st.frozensets(st.sampled_from([r for r in Return if r is not Return.ALL])), partial_ranges)
    | st.builds(
        Returns,
        st.frozensets(st.sampled_from(list(Return))).map(frozenset((Return.UPDATE,)).union),
        st.none(),
        fetch_item_lists,
    )
)
optional_returns = st.none() | returns
_charsets = st.sampled_from(["UTF-8", "utf-8"])
searches = st.builds(c.Search, search_keys(ascii_texts), st.booleans(), st.none(), optional_returns) | st.builds(
    c.Search, search_keys(texts), st.booleans(), _charsets, optional_returns
)
sort_orders = st.lists(st.builds(SortKey, st.sampled_from(list(SortField)), st.booleans()), min_size=1, max_size=5).map(
    tuple
)
sources = st.builds(
    Source, st.sampled_from([SourceKind.SELECTED, SourceKind.INBOXES, SourceKind.PERSONAL, SourceKind.SUBSCRIBED])
) | st.builds(
    Source,
    st.sampled_from([SourceKind.SUBTREE, SourceKind.SUBTREE_ONE, SourceKind.MAILBOXES]),
    st.lists(mailboxes, min_size=1, max_size=3).map(tuple),
)
sorts = st.builds(c.Sort, sort_orders, _charsets, search_keys(texts), st.booleans(), optional_returns)
threadings = st.builds(
    c.FindThreads, st.sampled_from(list(ThreadAlgorithm)), _charsets, search_keys(texts), st.booleans()
)
multi_searches = st.builds(
    c.MultiSearch,
    search_keys(texts),
    st.lists(sources, max_size=3).map(tuple),
    optional_returns,
    _charsets,
)
cancel_updates = st.builds(c.CancelUpdate, st.lists(clean_octets, min_size=1, max_size=3).map(tuple))
_status_items = st.lists(st.sampled_from(list(c.StatusItem)), min_size=1, max_size=4).map(tuple)
_list_selects = st.frozensets(st.sampled_from(list(c.ListSelect))).map(
    lambda options: options | {c.ListSelect.SUBSCRIBED} if c.ListSelect.RECURSIVEMATCH in options else options
)
entries = st.sampled_from(["/private/comment", "/shared/vendor/x/y z", '/private/a"b'])
list_extendeds = st.builds(
    c.List,
    mailboxes,
    st.lists(mailboxes, min_size=1, max_size=3).map(tuple),
    select=st.none() | _list_selects,
    returns=st.frozensets(st.sampled_from(list(c.ListReturn))),
    status=st.just(()) | _status_items,
    metadata=st.lists(entries, max_size=2).map(tuple),
)
appends = st.builds(
    c.Append,
    mailboxes,
    flag_lists.map(flag_set),
    st.none() | moments,
    numbers64,
    st.booleans(),
    st.none() | nz_numbers.map(lambda n: SeqSet(((n, n),))) | nz_numbers.map(lambda n: UIDSet(((n, n),))),
) | st.builds(
    c.Append, mailboxes, flag_lists.map(flag_set), st.none() | moments, numbers64, st.just(True), utf8=st.just(True)
)
id_fields = st.none() | st.lists(st.tuples(texts, st.none() | texts), max_size=3).map(tuple)
stores = st.builds(
    c.Store, num_sets, st.sampled_from(list(c.StoreMode)), flag_lists, st.booleans(), st.none() | mod_seqs
)
_ascending = st.sets(nz_numbers, min_size=3, max_size=3).map(sorted)
_matches = st.builds(lambda seqs, uids: (SeqSet.of(seqs), UIDSet.of(uids)), _ascending, _ascending)
resyncs = st.builds(c.Resync, uid_validities, mod_seqs, st.none() | known_uid_sets, st.none() | _matches)
fetches = (
    st.builds(c.Fetch, num_sets, fetch_item_lists, st.none() | mod_seqs)
    | st.builds(c.Fetch, uid_sets, fetch_item_lists, mod_seqs, st.just(True))
    | st.builds(c.Fetch, uid_sets, fetch_item_lists, st.none() | mod_seqs, st.just(False), partial_ranges)
)

_messages = frozenset((c.NotifyEvent.MESSAGE_NEW, c.NotifyEvent.MESSAGE_EXPUNGE))
_message_events = st.just(frozenset()) | st.frozensets(
    st.sampled_from([c.NotifyEvent.FLAG_CHANGE, c.NotifyEvent.ANNOTATION_CHANGE])
).map(_messages.union)
_other_events = st.frozensets(
    st.sampled_from([event for event in c.NotifyEvent if not event.value.startswith(("Message", "Flag", "Annotation"))])
)
_unknown_events = st.lists(st.sampled_from(["X-EVENT", "MESSAGEREAD"]), max_size=2, unique=True).map(tuple)
_group = st.builds(
    lambda watched, names, message, other, unknown: c.EventGroup(
        watched, names, c.Events(message | other, others=unknown)
    ),
    st.sampled_from([c.Watched.INBOXES, c.Watched.PERSONAL, c.Watched.SUBSCRIBED]),
    st.just(()),
    _message_events,
    _other_events,
    _unknown_events,
) | st.builds(
    lambda watched, names, message, other: c.EventGroup(watched, names, c.Events(message | other)),
    st.sampled_from([c.Watched.SUBTREE, c.Watched.MAILBOXES]),
    st.lists(mailboxes, min_size=1, max_size=3).map(tuple),
    _message_events,
    _other_events,
)
_selected_group = st.builds(
    lambda watched, message, fetch, unknown: c.EventGroup(
        watched, (), c.Events(message, fetch if message else (), unknown)
    ),
    st.sampled_from([c.Watched.SELECTED, c.Watched.SELECTED_DELAYED]),
    _message_events,
    st.just(()) | fetch_item_lists,
    _unknown_events,
)
notifies = st.just(c.Notify(None)) | st.builds(
    lambda selected, groups, status: c.Notify((*selected, *groups), status),
    st.lists(_selected_group, max_size=1),
    st.lists(_group, min_size=1, max_size=3),
    st.booleans(),
)

rights = st.text("lrswipkxteacd09", max_size=15)
identifiers = st.sampled_from(["anyone", "-fred", "ann@example.org", "nil", 'a "b', "Jürgen"]) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=8
)

commands = st.one_of(
    st.sampled_from(list(c.Keyword)).map(c.Simple),
    notifies,
    st.builds(c.Login, clean_octets, clean_octets),
    st.builds(c.Authenticate, words.map(str.upper), st.none() | octets),
    st.just(c.Compress()),
    st.builds(
        c.GetMetadata,
        mailboxes,
        st.lists(entries, min_size=1, max_size=3).map(tuple),
        st.none() | numbers64,
        st.sampled_from([0, 1, None]),
    ),
    st.builds(
        c.SetMetadata,
        mailboxes,
        st.lists(st.tuples(entries, st.none() | clean_octets), min_size=1, max_size=3).map(tuple),
    ),
    st.builds(c.GetQuota, clean_octets),
    st.builds(c.GetQuotaRoot, mailboxes),
    st.builds(c.SetAcl, mailboxes, identifiers, rights, st.sampled_from(list(c.AclChange))),
    st.builds(c.DeleteAcl, mailboxes, identifiers),
    st.builds(c.GetAcl, mailboxes),
    st.builds(c.ListRights, mailboxes, identifiers),
    st.builds(c.MyRights, mailboxes),
    st.builds(c.Enable, capability_lists.filter(bool)),
    st.builds(c.Id, id_fields),
    st.builds(c.Select, mailboxes, st.booleans(), st.booleans(), st.none() | resyncs),
    st.builds(
        c.Create,
        mailboxes,
        st.none() | st.lists(st.sampled_from(["\\Sent", "\\Flagged", "\\X-y"]), max_size=2).map(tuple),
    ),
    st.builds(c.Delete, mailboxes),
    st.builds(c.Rename, mailboxes, mailboxes),
    st.builds(c.Subscribe, mailboxes, st.booleans()),
    st.builds(c.List, mailboxes, mailboxes, st.booleans()),
    list_extendeds,
    st.builds(c.Status, mailboxes, st.lists(st.sampled_from(list(c.StatusItem)), min_size=1, max_size=4).map(tuple)),
    st.builds(c.Expunge, st.none() | uid_sets),
    searches,
    sorts,
    threadings,
    multi_searches,
    cancel_updates,
    fetches,
    stores,
    st.builds(c.Copy, num_sets, mailboxes),
    st.builds(c.Move, num_sets, mailboxes),
)
"""Every command but APPEND."""

# Responses

_code_texts = st.text("ab(): \"'{}", min_size=1, max_size=8).map(str.encode).filter(lambda t: not t.startswith(b" "))
_code_words = st.text("ABCXYZ-", min_size=1, max_size=8)
codes = st.one_of(
    st.builds(r.InProgress, st.none() | words.map(str.encode), numbers),
    st.builds(r.InProgress, st.none(), numbers, nz_numbers),
    st.builds(r.Code, _code_words, st.none() | _code_texts),
    st.builds(r.NumberCode, _code_words, numbers64),
    st.builds(r.FlagsCode, perm_flag_lists),
    st.builds(r.CapabilityCode, capability_lists),
    st.builds(r.AppendUid, uid_validities, known_uid_sets),
    st.builds(r.CopyUid, uid_validities, known_uid_sets, known_uid_sets),
    st.builds(r.NoUpdate, octets),
    st.builds(
        r.BadEvent, st.lists(st.sampled_from([e.value for e in c.NotifyEvent]), min_size=1, max_size=3).map(tuple)
    ),
    st.builds(r.BadCharset, st.lists(words, max_size=3).map(tuple)),
    st.builds(r.Modified, _known_pairs.map(NumberSet)),
    st.builds(r.MessageLimit, nz_numbers, st.none() | uids),
)
threads = st.recursive(
    st.builds(r.Thread, nz_numbers),
    lambda below: (
        st.builds(r.Thread, nz_numbers, st.lists(below, max_size=3).map(tuple))
        | st.builds(r.Thread, st.none(), st.lists(below, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


def esearch_responses(sets: st.SearchStrategy[SeqSet] | st.SearchStrategy[UIDSet]) -> st.SearchStrategy[object]:
    """ESEARCH responses whose numbers are all of one kind."""
    return st.builds(
        lambda numbers, where, **rest: r.ESearchResponse(
            by_uid=isinstance(numbers, UIDSet), numbers=numbers if rest.pop("all_") else None, **where, **rest
        ),
        sets,
        st.fixed_dictionaries({"tag": st.just(None)})
        | st.fixed_dictionaries(
            {"tag": octets, "mailbox": st.none() | mailboxes, "uid_validity": st.none() | uid_validities}
        ),
        all_=st.booleans(),
        low=st.none() | nz_numbers,
        high=st.none() | nz_numbers,
        count=st.none() | numbers,
        mod_seq=st.none() | numbers64.map(ModSeq),
        partial=st.none() | st.tuples(partial_ranges, st.none() | sets),
        updates=st.lists(st.builds(r.ResultUpdate, st.booleans(), numbers, sets), max_size=3).map(tuple),
    )


_whole = st.sampled_from(
    [
        (c.Section(), b"RFC822"),
        (c.Section(text=_T.HEADER), b"RFC822.HEADER"),
        (c.Section(text=_T.TEXT), b"RFC822.TEXT"),
    ]
)
fetched_items = st.one_of(
    st.builds(r.UidItem, uids),
    st.builds(r.ModSeqItem, mod_seqs),
    st.builds(r.FlagsItem, flag_lists),
    st.builds(r.InternalDateItem, moments),
    st.builds(r.SizeItem, numbers64),
    st.builds(r.EnvelopeItem, envelopes),
    st.builds(r.BodyStructureItem, structures(True), st.just(False)),
    st.builds(r.BodyStructureItem, structures(False), st.just(True)),
    st.builds(r.BodyItem, sections, st.none() | numbers, optional_octets),
    st.builds(lambda whole, data: r.BodyItem(whole[0], None, data, whole[1]), _whole, optional_octets),
    st.builds(r.BinaryItem, _parts, st.none() | numbers64, optional_octets | st.just(b"a\0\r\n")),
    st.builds(r.BinarySizeItem, _parts, numbers64),
    st.builds(r.PreviewItem, optional_octets),
    st.builds(r.EmailIdItem, object_ids),
    st.builds(r.ThreadIdItem, st.none() | object_ids),
    st.builds(r.SaveDateItem, st.none() | moments),
    st.builds(
        r.UnknownItem,
        st.sampled_from(["X-MODSEQ", "X-GM-LABELS", "X-BINARY[1.2]<0>"]),
        st.sampled_from([b"(5)", b"NIL", b'({3}\r\n)\r\n "\\"" (()))', b"~{2}\r\n\0)", b"{0}\r\n", b"word"]),
    ),
)
delimiters = st.none() | st.sampled_from(["/", ".", '"', "\\", "^"])
_namespace = st.none() | st.lists(st.tuples(mailboxes, delimiters), min_size=1, max_size=2).map(tuple)
namespaces = st.builds(r.Namespaces, _namespace, _namespace, _namespace)
_attributes = st.lists(st.sampled_from(["\\HasChildren", "\\Noselect", "\\Sent", "\\X-y"]), max_size=3).map(tuple)
status_items = st.lists(
    st.tuples(st.sampled_from([item for item in c.StatusItem if item is not c.StatusItem.MAILBOXID]), numbers64)
    | st.tuples(st.just(c.StatusItem.MAILBOXID), object_ids),
    max_size=4,
).map(tuple)

responses = st.one_of(
    st.builds(r.StatusResponse, st.sampled_from(list(r.Condition)), st.none() | codes, human),
    st.builds(
        r.Tagged, tags, st.sampled_from([r.Condition.OK, r.Condition.NO, r.Condition.BAD]), st.none() | codes, human
    ),
    st.builds(r.Continuation, human),
    st.builds(r.Capabilities, capability_lists),
    st.builds(r.Enabled, capability_lists),
    st.builds(r.FlagsResponse, flag_lists),
    st.builds(
        r.ListResponse,
        _attributes,
        delimiters,
        mailboxes,
        st.booleans(),
        st.lists(st.sampled_from(["SUBSCRIBED", "SPECIAL-USE"]), max_size=2).map(tuple),
        st.none() | mailboxes,
    ),
    st.builds(r.StatusItems, mailboxes, status_items),
    st.builds(r.SortResponse, st.lists(nz_numbers, max_size=5).map(tuple), st.none() | numbers64.map(ModSeq)),
    st.builds(r.ThreadResponse, st.lists(threads, max_size=3).map(tuple)),
    esearch_responses(seq_sets),
    esearch_responses(uid_sets),
    st.builds(r.SearchResponse, st.lists(nz_numbers, max_size=5).map(tuple), st.none() | numbers64.map(ModSeq)),
    st.builds(
        r.Quota,
        octets,
        st.lists(st.tuples(st.sampled_from(["STORAGE", "MESSAGE", "X-Y"]), numbers64, numbers64), max_size=3).map(
            tuple
        ),
    ),
    st.builds(r.QuotaRoots, mailboxes, st.lists(octets, max_size=2).map(tuple)),
    st.builds(r.AclResponse, mailboxes, st.lists(st.tuples(identifiers, rights), max_size=3).map(tuple)),
    st.builds(r.ListRightsResponse, mailboxes, identifiers, rights, st.lists(rights, max_size=3).map(tuple)),
    st.builds(r.MyRightsResponse, mailboxes, rights),
    st.builds(r.Metadata, mailboxes, st.lists(st.tuples(entries, optional_octets), min_size=1, max_size=2).map(tuple)),
    st.builds(r.Metadata, mailboxes, st.just(()), st.lists(entries, min_size=1, max_size=2).map(tuple)),
    st.builds(r.Exists, numbers),
    st.builds(r.Recent, numbers),
    st.builds(r.Expunged, seqs),
    st.builds(r.Vanished, known_uid_sets, st.booleans()),
    st.builds(r.Fetched, seqs, st.lists(fetched_items, max_size=3).map(tuple)),
    st.builds(r.UidFetched, uids, st.lists(fetched_items, max_size=3).map(tuple)),
    namespaces,
    st.builds(r.IdResponse, id_fields),
    st.builds(r.Unknown, st.sampled_from([b"XLIST () x", b"5 VANISHED", b"XSEARCH UID ALL 1:3", b"", b"{"])),
)
