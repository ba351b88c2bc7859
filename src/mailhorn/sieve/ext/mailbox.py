"""
mailbox: ask whether mailboxes exist, create them when filing (RFC 5490 §3.1, §3.2).

Adds: mailboxexists <mailbox-names: string-list>, fileinto [:create]
"""

from ..actions import mailbox_key
from ..language import Call, Extension, Tagged, Takes, TestWord
from ..mailboxes import problem
from ..program import Test


def _mailboxexists(call: Call) -> Test:
    """The test is true if all mailboxes exist (RFC 5490 §3.1)."""
    for name in call.strings(0):
        wrong = problem(name)
        if wrong:
            raise call.error(wrong, 0)
    names = tuple(map(mailbox_key, call.strings(0)))
    call.inventory.tested_mailboxes.update(names)
    return lambda run: all(run.mailbox_exists(name) for name in names)


EXTENSION: Extension = Extension(
    "mailbox",
    tests=(TestWord("mailboxexists", "mailboxexists <mailboxes>", _mailboxexists, (Takes.STRINGS,)),),
    tags={"fileinto": (Tagged("create", "create"),)},
)
