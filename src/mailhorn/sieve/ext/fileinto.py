"""
fileinto: put the message into a mailbox (RFC 5228 §4.1).

Adds: fileinto <mailbox: string>
"""

from ..actions import FileInto
from ..flags import flag_source
from ..language import ActionWord, Call, Extension, Takes
from ..mailboxes import mailbox_source, named, other_name
from ..program import Step
from ..run import Run


def _fileinto(call: Call) -> Step:
    mailbox = mailbox_source(call, call.text(0), 0)
    flags, copy, create, line = flag_source(call), call.has("copy"), call.has("create"), call.line
    call.inventory.actions.add("fileinto")
    name = named(call.text(0))
    if name is not None:
        call.inventory.filed_mailboxes.add(name)

    id, use = other_name(call)

    def file_into(run: Run) -> None:
        run.file_into(FileInto(mailbox(run), flags(run), copy, create, line, run.made(), id(run), use(run)))

    return file_into


EXTENSION: Extension = Extension(
    "fileinto",
    actions=(ActionWord("fileinto", "fileinto <mailbox>;", _fileinto, (Takes.STRING,)),),
    rfc="RFC 5228 §4.1",
)
