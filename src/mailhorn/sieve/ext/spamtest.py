"""
spamtest, spamtestplus and virustest: what a checker said of the message (RFC 5235).

Adds: spamtest [:percent] [COMPARATOR] [MATCH-TYPE] <value: string>, virustest [COMPARATOR] [MATCH-TYPE] <value: string>
"""

from ..language import Call, Extension, Tagged, Takes, TestWord
from ..match import COMPARATOR, MATCH_TYPE, matcher
from ..program import Test
from ..questions import Verdict
from ..run import Run, values_of


def _verdict(call: Call, question: Verdict, percent: bool) -> Test:
    """ "0" is not tested, which counts as nothing (RFC 5235 §2.2, §2.3)."""
    call.inventory.questions.add(question)
    with_keys = matcher(call, (call.text(0),))

    def test(run: Run) -> bool:
        verdict = run.answer(question)
        if question.kind == "spam" and verdict:
            share = min(max(verdict - 1, 0), 100)
            text = str(share) if percent else str(1 + share * 9 // 100)
        else:
            text = "0" if question.kind == "spam" else str(min(max(verdict, 0), 5))
        values = values_of((text,), with_keys.comparator)
        return with_keys.any(run, (values._replace(number=int(verdict != 0)),))

    return test


def _spamtest(call: Call) -> Test:
    return _verdict(call, Verdict("spam"), call.has("percent"))


def _virustest(call: Call) -> Test:
    return _verdict(call, Verdict("virus"), False)


_SPAM = (
    TestWord(
        "spamtest",
        "spamtest [:percent] [:comparator <name>] [:is / :contains / :matches] <value>",
        _spamtest,
        (Takes.STRING,),
        (*COMPARATOR, *MATCH_TYPE),
    ),
)
_ASKS = frozenset({"verdicts"})

SPAMTEST: Extension = Extension("spamtest", tests=_SPAM, asks=_ASKS, rfc="RFC 5235 §2.2")
SPAMTESTPLUS: Extension = Extension(
    "spamtestplus", tests=_SPAM, tags={"spamtest": (Tagged("percent", "percent"),)}, asks=_ASKS, rfc="RFC 5235 §2.3"
)
VIRUSTEST: Extension = Extension(
    "virustest",
    tests=(
        TestWord(
            "virustest",
            "virustest [:comparator <name>] [:is / :contains / :matches] <value>",
            _virustest,
            (Takes.STRING,),
            (*COMPARATOR, *MATCH_TYPE),
        ),
    ),
    asks=_ASKS,
    rfc="RFC 5235 §3",
)
