"""How a command fails: one line on standard error that says what, where and what to do, and an exit code."""

import errno

CANNOT = 1
"""The command was right, but could not be carried out."""
WRONG = 2
"""The command or the settings are wrong."""

_THE_SYSTEMS = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE)
)
"""What the operator can mend, and never is a fault of this program."""


class CommandFailed(Exception):
    """The command cannot go on. The text is what the operator reads."""

    def __init__(self, text: str, code: int = CANNOT) -> None:
        super().__init__(text)
        self.code = code


def explain(error: Exception) -> CommandFailed | None:
    """Return how to tell an error that the parts below raise on purpose, None for a fault of ours."""
    if isinstance(error, CommandFailed):
        return error
    # Only now, so that a command that succeeds does not pay for what it does not use.
    from ..config.find import ConfigError
    from ..net.listen import ListenError
    from ..net.tls import TLSProblem
    from ..store.abc import StoreError
    from ..watch.journal import JournalError

    text = str(error)
    if isinstance(error, ConfigError):
        return CommandFailed(text, WRONG)
    if isinstance(error, ListenError):
        return CommandFailed(error.strerror or text)
    if isinstance(error, (JournalError, StoreError, TLSProblem)):
        return CommandFailed(text)
    if isinstance(error, OSError) and error.errno in _THE_SYSTEMS and error.filename is not None:
        return CommandFailed(f"{error.filename} cannot be used: {error.strerror}")
    return None
