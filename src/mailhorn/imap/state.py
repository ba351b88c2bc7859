"""Which command is legal when, as a table that does not know its role (RFC 9051 §3, §6).

A server asks it what to refuse, a client what not to send.
"""

from enum import Enum

from .commands import (
    Append,
    Authenticate,
    CancelUpdate,
    Command,
    Compress,
    Copy,
    Create,
    Delete,
    DeleteAcl,
    Enable,
    Expunge,
    Fetch,
    FindThreads,
    GetAcl,
    GetMetadata,
    GetQuota,
    GetQuotaRoot,
    Id,
    Keyword,
    List,
    ListRights,
    Login,
    Move,
    MultiSearch,
    MyRights,
    Notify,
    Rename,
    Search,
    Select,
    SetAcl,
    SetMetadata,
    Simple,
    Sort,
    Status,
    Store,
    Subscribe,
)


class State(Enum):
    """Where a connection stands (RFC 9051 §3)."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


_ANY = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
_BEFORE_LOGIN = frozenset({State.NOT_AUTHENTICATED})
_AFTER_LOGIN = frozenset({State.AUTHENTICATED, State.SELECTED})
_SELECTED = frozenset({State.SELECTED})

_LEGAL: dict[type[Command] | Keyword, frozenset[State]] = {
    # RFC 9051 §6.1, RFC 2971
    Keyword.CAPABILITY: _ANY,
    Keyword.NOOP: _ANY,
    Keyword.LOGOUT: _ANY,
    Id: _ANY,
    # §6.2
    Keyword.STARTTLS: _BEFORE_LOGIN,
    Login: _BEFORE_LOGIN,
    Authenticate: _BEFORE_LOGIN,
    # §6.3
    Enable: _AFTER_LOGIN,
    Compress: _AFTER_LOGIN,
    Keyword.UNAUTHENTICATE: _AFTER_LOGIN,
    Select: _AFTER_LOGIN,
    Create: _AFTER_LOGIN,
    Delete: _AFTER_LOGIN,
    Rename: _AFTER_LOGIN,
    Subscribe: _AFTER_LOGIN,
    List: _AFTER_LOGIN,
    Keyword.NAMESPACE: _AFTER_LOGIN,
    Status: _AFTER_LOGIN,
    Append: _AFTER_LOGIN,
    GetMetadata: _AFTER_LOGIN,
    SetMetadata: _AFTER_LOGIN,
    GetQuota: _AFTER_LOGIN,
    GetQuotaRoot: _AFTER_LOGIN,
    SetAcl: _AFTER_LOGIN,
    DeleteAcl: _AFTER_LOGIN,
    GetAcl: _AFTER_LOGIN,
    ListRights: _AFTER_LOGIN,
    MyRights: _AFTER_LOGIN,
    Keyword.IDLE: _AFTER_LOGIN,
    Notify: _AFTER_LOGIN,
    # §6.4, RFC 3501 §6.4.1
    Keyword.CHECK: _SELECTED,
    Keyword.CLOSE: _SELECTED,
    Keyword.UNSELECT: _SELECTED,
    Expunge: _SELECTED,
    Search: _SELECTED,
    Sort: _SELECTED,
    FindThreads: _SELECTED,
    MultiSearch: _AFTER_LOGIN,
    CancelUpdate: _SELECTED,
    Fetch: _SELECTED,
    Store: _SELECTED,
    Copy: _SELECTED,
    Move: _SELECTED,
}

_AFTER_OK: dict[type[Command] | Keyword, State] = {
    Keyword.LOGOUT: State.LOGOUT,
    Keyword.UNAUTHENTICATE: State.NOT_AUTHENTICATED,
    Login: State.AUTHENTICATED,
    Authenticate: State.AUTHENTICATED,
    Select: State.SELECTED,
    Keyword.CLOSE: State.AUTHENTICATED,
    Keyword.UNSELECT: State.AUTHENTICATED,
}


def _kind(command: Command) -> type[Command] | Keyword:
    return command.keyword if isinstance(command, Simple) else type(command)


def is_legal(command: Command, state: State) -> bool:
    """Say whether the command may be given in this state."""
    return state in _LEGAL[_kind(command)]


def after(command: Command, state: State, ok: bool) -> State:
    """Return the state that the end of a command leads to; a SELECT that fails deselects (RFC 9051 §6.3.2)."""
    if ok:
        return _AFTER_OK.get(_kind(command), state)
    return State.AUTHENTICATED if isinstance(command, Select) and state is State.SELECTED else state
