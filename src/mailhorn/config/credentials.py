"""An account's password, wherever it is kept, and where its access tokens come from. No error has a secret in it."""

import shlex
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..watch.account import TokenSource
from ..watch.providers import provider_of
from ..watch.tokens import server_of
from .find import ConfigError
from .secret import printed_secret, secret_of
from .settings import AccountSettings

WAYS = "password, password_file, password_command, password_keyring and oauth_client_id"


def password_of(account: AccountSettings) -> str:
    """
    Return the account's password, "" if it logs in with tokens. It is read, or its command run, here and now.

    Raises:
        ConfigError: The settings name no way to log in, or several, or it leads to no password.

    """
    who = f"account {account.name!r}"
    given = [
        account.password,
        account.password_file,
        account.password_command,
        account.password_keyring,
        account.oauth_client_id,
    ]
    if sum(way is not None for way in given) != 1:
        raise ConfigError(f"{who}: set one of {WAYS}")
    if account.oauth_client_id is not None:
        return ""
    if account.password is not None:
        return account.password.reveal()
    if account.password_file is not None:
        try:
            text = account.password_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError(f"{who}: password_file {account.password_file} cannot be read: {reason}") from error
    elif account.password_keyring is not None:
        text = _in_keyring(who, account.password_keyring, account.user)
    else:
        text = printed_secret(f"{who}: password_command", account.password_command or ())
    password = text.split("\n", 1)[0].rstrip("\r")
    if not password:
        raise ConfigError(f"{who}: the password is empty")
    return password


def _in_keyring(who: str, service: str, user: str) -> str:
    try:
        keyring: Any = import_module("keyring")  # optional: no server needs it
        errors: Any = import_module("keyring.errors")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{who}: password_keyring needs the package keyring; install it with: pip install 'mailhorn[keyring]'"
        ) from error
    try:
        found: str | None = keyring.get_password(service, user)
    except errors.KeyringError as error:
        raise ConfigError(f"{who}: the keyring cannot be used: {' '.join(str(error).split())}") from error
    if found is None:
        raise ConfigError(
            f"{who}: the keyring has no password of {user} for {service}; "
            f"put it there with: keyring set {shlex.quote(service)} {shlex.quote(user)}"
        )
    return found


def token_source_of(account: AccountSettings, journal: Path) -> TokenSource | None:
    """
    Return where the account's access tokens come from and are kept; None if it has a password.

    Args:
        account: The account.
        journal: The watcher's journal; the tokens are beside it unless the settings say otherwise.

    Raises:
        ConfigError: It is not known where to get them.

    """
    if account.oauth_client_id is None:
        return None
    who = f"account {account.name!r}"
    known = provider_of(account.host).tokens
    token = account.oauth_token or (known.token if known else None)
    if token is None:
        raise ConfigError(f"{who}: oauth_token: set the URL that gives out tokens; that of {account.host} is not known")
    source = TokenSource(
        authorize=account.oauth_authorize or (known.authorize if known else ""),
        token=token,
        device=account.oauth_device or (known.device if known else ""),
        client_id=account.oauth_client_id,
        client_secret=secret_of(
            f"{who}: oauth_client_secret", account.oauth_client_secret, account.oauth_client_secret_file
        ),
        scope=account.oauth_scope or (known.scope if known else ""),
        file=account.oauth_tokens or journal.parent / f"{quote(account.name, safe='@ ')}.tokens",
        login=f"mailhorn watch login {shlex.quote(account.name)}",
    )
    try:
        server_of(source)
    except ValueError as error:
        raise ConfigError(f"{who}: {error}") from error
    return source


__all__ = ["password_of", "token_source_of"]
