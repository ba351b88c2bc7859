"""
fileinto: put the message into a mailbox (RFC 5228 §4.1).

Adds: fileinto <mailbox: string>
"""

from ..actions import FileInto, mailbox_key
from ..flags import tagged_flags
from ..language import ActionWord, Call, Extension, Takes
from ..mailboxes import problem
from ..program import Step
from ..run import Run


def _fileinto(call: Call) -> Step:
    wrong = problem(call.string(0))
    if wrong:
        raise call.error(wrong, 0)
    mailbox = mailbox_key(call.string(0))
    flags, copy, create, line = tagged_flags(call), call.has("copy"), call.has("create"), call.line
    call.inventory.actions.add("fileinto")
    call.inventory.filed_mailboxes.add(mailbox)

    def file_into(run: Run) -> None:
        run.file_into(FileInto(mailbox, run.current_flags() if flags is None else flags, copy, create, line))

    return file_into


EXTENSION: Extension = Extension(
    "fileinto", actions=(ActionWord("fileinto", "fileinto <mailbox>;", _fileinto, (Takes.STRING,)),)
)
