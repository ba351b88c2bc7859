"""
mboxmetadata and servermetadata: ask for annotations (RFC 5490 §3, §4).

Adds: metadata [MATCH-TYPE] [COMPARATOR] <mailbox> <annotation-name> <keys>, metadataexists <mailbox> <names>,
      servermetadata [MATCH-TYPE] [COMPARATOR] <annotation-name> <keys>, servermetadataexists <names>
"""

from collections.abc import Callable

from ..language import Call, Extension, Takes, TestWord
from ..mailboxes import tested_mailbox
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Test
from ..questions import Metadata
from ..run import Run, values_of


def _server(run: Run) -> None:
    return None


def _matches(call: Call, mailbox: Callable[[Run], str | None], index: int) -> Test:
    """False if there is no such annotation (RFC 5490 §3.3)."""
    name = call.text(index)
    with_keys = matcher(call, call.texts(index + 1))

    def test(run: Run) -> bool:
        found = run.answer(Metadata(mailbox(run), name.value(run)))
        return bool(found) and with_keys.any(run, (values_of(found, with_keys.comparator),))

    return test


def _exist(call: Call, mailbox: Callable[[Run], str | None], index: int) -> Test:
    names = call.texts(index)
    return lambda run: all(run.answer(Metadata(mailbox(run), name.value(run))) for name in names)


def _metadata(call: Call) -> Test:
    mailbox = tested_mailbox(call, call.text(0))
    test = _matches(call, mailbox, 1)
    return lambda run: mailbox(run) is not None and test(run)


def _metadataexists(call: Call) -> Test:
    mailbox = tested_mailbox(call, call.text(0))
    test = _exist(call, mailbox, 1)
    return lambda run: mailbox(run) is not None and test(run)


def _servermetadata(call: Call) -> Test:
    return _matches(call, _server, 0)


def _servermetadataexists(call: Call) -> Test:
    return _exist(call, _server, 0)


_HOW = "[:comparator <name>] [:is / :contains / :matches]"

MAILBOX: Extension = Extension(
    "mboxmetadata",
    tests=(
        TestWord(
            "metadata",
            f"metadata {_HOW} <mailbox> <annotation> <keys>",
            _metadata,
            (Takes.STRING, Takes.STRING, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE),
        ),
        TestWord(
            "metadataexists",
            "metadataexists <mailbox> <annotations>",
            _metadataexists,
            (Takes.STRING, Takes.STRINGS),
        ),
    ),
    asks=frozenset({"metadata"}),
    rfc="RFC 5490 §3",
)
SERVER: Extension = Extension(
    "servermetadata",
    tests=(
        TestWord(
            "servermetadata",
            f"servermetadata {_HOW} <annotation> <keys>",
            _servermetadata,
            (Takes.STRING, Takes.STRINGS),
            (*COMPARATOR, *MATCH_TYPE),
        ),
        TestWord("servermetadataexists", "servermetadataexists <annotations>", _servermetadataexists, (Takes.STRINGS,)),
    ),
    asks=frozenset({"metadata"}),
    rfc="RFC 5490 §4",
)
