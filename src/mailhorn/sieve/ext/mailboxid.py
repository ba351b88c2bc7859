"""
mailboxid: file by the identity of a mailbox, however it is called now (RFC 9042).

Adds: mailboxidexists <mailbox-objectids: string-list>, fileinto :mailboxid <mailboxid: string>
"""

from ..language import Call, Extension, Tagged, Takes, TestWord
from ..program import Test
from ..questions import MailboxIdExists

_TAG = (Tagged("mailboxid", "mailboxid", Takes.STRING),)


def _mailboxidexists(call: Call) -> Test:
    """True if there is a mailbox of each identity (RFC 9042 §5)."""
    ids = call.texts(0)
    return lambda run: all(run.answer(MailboxIdExists(id.value(run))) for id in ids)


EXTENSION: Extension = Extension(
    "mailboxid",
    tests=(TestWord("mailboxidexists", "mailboxidexists <mailbox ids>", _mailboxidexists, (Takes.STRINGS,)),),
    tags={"fileinto": _TAG, "vacation": _TAG, "notify": _TAG},
    asks=frozenset({"mailbox id"}),
    rfc="RFC 9042",
)
