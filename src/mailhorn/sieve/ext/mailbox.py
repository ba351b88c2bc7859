"""
mailbox: ask whether mailboxes exist, create them when filing (RFC 5490 §3.1, §3.2).

Adds: mailboxexists <mailbox-names: string-list>, fileinto [:create]
"""

from ..language import Call, Extension, Tagged, Takes, TestWord
from ..mailboxes import named, tested_mailbox
from ..program import Test


def _mailboxexists(call: Call) -> Test:
    """The test is true if all mailboxes exist (RFC 5490 §3.1)."""
    names = tuple([tested_mailbox(call, text) for text in call.texts(0)])
    call.inventory.tested_mailboxes.update(name for text in call.texts(0) if (name := named(text)))
    return lambda run: all((name := source(run)) is not None and run.mailbox_exists(name) for source in names)


_CREATE = (Tagged("create", "create"),)

EXTENSION: Extension = Extension(
    "mailbox",
    tests=(TestWord("mailboxexists", "mailboxexists <mailboxes>", _mailboxexists, (Takes.STRINGS,)),),
    tags={"fileinto": _CREATE, "vacation": _CREATE, "notify": _CREATE},
    rfc="RFC 5490 §3",
)
