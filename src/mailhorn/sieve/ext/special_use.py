r"""
special-use: file by what a mailbox is for (RFC 8579).

Adds: specialuse_exists [<mailbox: string>] <special-use-attrs: string-list>, fileinto :specialuse "\\Junk"
"""

from ..language import Call, Extension, Tagged, Takes, TestWord
from ..mailboxes import special_use, tested_mailbox
from ..program import Test
from ..questions import SpecialUse
from ..run import Run

_TAG = (Tagged("specialuse", "specialuse", Takes.STRING),)


def _specialuse_exists(call: Call) -> Test:
    """True if for each attribute there is such a mailbox, or the one that is named has them all (RFC 8579 §3)."""
    uses = [special_use(call, use, 0) for use in call.texts(0)]
    if call.before and len(call.before[0]) != 1:
        raise call.error("expected the name of one mailbox before the special uses")
    mailbox = tested_mailbox(call, call.before[0][0]) if call.before else None

    def specialuse_exists(run: Run) -> bool:
        name = None if mailbox is None else mailbox(run)
        if mailbox is not None and name is None:
            return False
        return all(run.answer(SpecialUse(name, use(run))) for use in uses)

    return specialuse_exists


EXTENSION: Extension = Extension(
    "special-use",
    tests=(
        TestWord(
            "specialuse_exists",
            "specialuse_exists [<mailbox>] <special uses>",
            _specialuse_exists,
            (Takes.STRINGS,),
            before=1,
        ),
    ),
    tags={"fileinto": _TAG, "vacation": _TAG, "notify": _TAG},
    asks=frozenset({"special use"}),
    rfc="RFC 8579",
)
