"""The arguments of vacation and notify that file a copy of what is sent (RFC 8580)."""

from collections.abc import Callable

from .actions import FileInto
from .flags import flag_source
from .language import Call
from .mailboxes import mailbox_source, other_name
from .run import Run


def _none(run: Run) -> FileInto | None:
    return None


def fcc_source(call: Call) -> Callable[[Run], FileInto | None]:
    """Return what says where the copy goes; `:create`, `:flags`, `:specialuse` and `:mailboxid` need `:fcc` (§3)."""
    text = call.tag_text("fcc")
    if text is None:
        for group in ("create", "flags", "specialuse", "mailboxid"):
            if call.has(group):
                raise call.error(f":{group} needs :fcc here")
        return _none
    mailbox, create, line = mailbox_source(call, text, None), call.has("create"), call.line
    flags = flag_source(call) if call.has("flags") else lambda run: None
    id, use = other_name(call)

    def fcc(run: Run) -> FileInto | None:
        return FileInto(mailbox(run), flags(run), True, create, line, 0, id(run), use(run))

    return fcc
