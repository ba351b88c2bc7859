"""server/imap/answers.py: what is answered from rows and digests."""

from mailhorn.imap.commands import Attribute
from mailhorn.imap.grammar.response import parse_response
from mailhorn.imap.responses import BodyStructureItem, Fetched, FlagsItem, UidItem
from mailhorn.model.ids import UID, ModSeq, SeqNum
from mailhorn.model.message import Digest, MessageRow
from mailhorn.server.imap.answers import Answers, said
from mailhorn.store.abc import Columns

ROW = MessageRow(UID(7), ModSeq(90), "\\Seen work", 1_700_000_000, 1234)
STRUCTURE = b'("text" "plain" NIL NIL NIL "7bit" 5 1 NIL NIL NIL NIL)'
DIGEST = Digest(2, b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)", STRUCTURE, b"")
SEQS = [SeqNum(3), SeqNum(4)]
FOUND = Columns(
    (UID(7), UID(9)),
    (ModSeq(90), ModSeq(91)),
    ("\\Seen work", ""),
    (1_700_000_000, 0),
    (1234, 5),
    (DIGEST.envelope,) * 2,
    (STRUCTURE,) * 2,
)


def test_rows() -> None:
    """Each in the order that was asked for, one line a message."""
    assert Answers([Attribute.FLAGS]).of(SEQS, FOUND) == (
        b"* 3 FETCH (FLAGS (\\Seen work))\r\n* 4 FETCH (FLAGS ())\r\n"
    )
    asked = [Attribute.RFC822_SIZE, Attribute.INTERNALDATE, Attribute.UID, Attribute.MODSEQ]
    assert Answers(asked).of(SEQS[:1], FOUND.at([0])) == (
        b'* 3 FETCH (RFC822.SIZE 1234 INTERNALDATE "14-Nov-2023 22:13:20 +0000" UID 7 MODSEQ (90))\r\n'
    )
    assert Answers([Attribute.UID]).of([], FOUND.at([])) == b""


def test_digests() -> None:
    """ENVELOPE and BODYSTRUCTURE as they are kept, BODY made of the latter; all of it can be read."""
    answers = Answers([Attribute.UID, Attribute.BODY, Attribute.ENVELOPE, Attribute.BODYSTRUCTURE, Attribute.FLAGS])
    assert answers.digested and not Answers([Attribute.UID]).digested
    line = answers.of(SEQS[:1], FOUND.at([0]))
    response = parse_response(line.removesuffix(b"\r\n"))
    assert isinstance(response, Fetched) and response.seq == 3
    uid, body, _, structure, flags = response.items
    assert uid == UidItem(UID(7)) and flags == FlagsItem(("\\Seen", "work"))
    assert isinstance(body, BodyStructureItem) and body.short and body.structure.extension is None
    assert isinstance(structure, BodyStructureItem) and structure.structure.extension is not None


def test_pieces() -> None:
    """Many are said in pieces of whole answers, none of them so large that memory has to be fetched for it anew."""
    row = [Attribute.UID, Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE]
    for asked in ([Attribute.FLAGS], row, [*row, Attribute.ENVELOPE, Attribute.BODYSTRUCTURE]):
        answers = Answers(asked)
        some, many = answers.some, 2 * answers.some + 1
        found = FOUND.at([0, 1] * some + [0])
        seqs = [SeqNum(number) for number in range(1, many + 1)]
        pieces = list(answers.pieces(seqs, found))
        assert [piece.count(b"\r\n") for piece in pieces] == [some, some, 1]
        assert b"".join(pieces) == answers.of(seqs, found)
        assert all(piece.endswith(b")\r\n") and len(piece) < 110 * 1024 for piece in pieces)
    assert list(Answers([Attribute.UID]).pieces([], FOUND.at([]))) == []


def test_one() -> None:
    """One message alone is answered as it is among others, and so begins what goes on with its octets."""
    lists: list[list[Attribute]] = [
        [Attribute.FLAGS],
        [Attribute.UID, Attribute.RFC822_SIZE, Attribute.MODSEQ],
        [Attribute.BODYSTRUCTURE, Attribute.FLAGS, Attribute.ENVELOPE],
        [Attribute.INTERNALDATE, Attribute.UID],
        [Attribute.BODY],
        [],
    ]
    for asked in lists:
        for uid_only in (False, True):
            answers = Answers(asked, uid_only)
            found = FOUND.at([0]) if answers.digested else FOUND.at([0])._replace(envelopes=(), body_structures=())
            assert not asked or answers.one(SEQS[0], found) == answers.of(SEQS[:1], found)
            (begun,) = answers.heads(SEQS[:1], found, None, b"RFC822")
            assert answers.head(SEQS[0], ROW, DIGEST, b"RFC822") == begun


def test_said() -> None:
    """One item alone is what it is among others."""
    for item in (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.ENVELOPE, Attribute.BODY, Attribute.MODSEQ):
        assert b"* 3 FETCH (%b)\r\n" % said(item, ROW, DIGEST) == Answers([item]).of(SEQS[:1], FOUND.at([0]))
