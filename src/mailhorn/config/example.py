"""Prints a settings file in which every setting stands with its meaning and default, commented out."""

import textwrap
from pathlib import Path
from typing import Any, get_args

import msgspec

from .find import sections
from .settings import PORTS, Section

_REQUIRED = {"name": "work", "host": "imap.example.org", "user": "ann@example.org"}
_SAMPLE: dict[str, Any] = {
    "data": "/var/lib/mailhorn",
    "hostname": "mail.example.org",
    "host": "localhost",
    "certificate": "/etc/ssl/certs/mail.pem",
    "key": "/etc/ssl/private/mail.key",
    "client_ca": "/etc/mailhorn/clients.pem",
    "introspection": "https://login.example.org/introspect",
    "client_secret": "secret",
    "client_secret_file": "/etc/mailhorn/introspection.secret",
    "default": "/etc/mailhorn/default.sieve",
    "directory": "/var/lib/mailhorn/sieve",
    "shared": "/etc/mailhorn/shared",
    "imap_default": "/etc/mailhorn/events.sieve",
    "programs": "/etc/mailhorn/programs",
    "postmaster": "ann",
    "journal": "/var/lib/mailhorn/watch.sqlite",
    "ca": "server.pem",
    "password": "secret",
    "password_file": "work.password",
    "password_command": ("pass", "show", "mail"),
    "password_keyring": "mailhorn",
    "encryption": "starttls",
    "from_host": "mail.example.org",
    "oauth_client_id": "1234.apps.example.org",
    "oauth_client_secret": "secret",
    "oauth_client_secret_file": "work.client-secret",
    "oauth_tokens": "work.tokens",
    "oauth_scope": "https://mail.google.com/",
    "oauth_authorize": "https://login.example.org/authorize",
    "oauth_token": "https://login.example.org/token",
    "oauth_device": "https://login.example.org/device",
    "connections": 3,
    "rules": "work.sieve",
    "command": ("notify-me", "--mail"),
    "url": "https://example.org/new-mail",
    "trash": "Trash",
    "idle_renewal": 540.0,
}
"""What to show for a setting whose default is worked out when the program starts."""


def description(hint: Any) -> str:
    """Return the meaning of a setting or section, as its type says it."""
    return " ".join(
        meta.description for meta in get_args(hint)[1:] if isinstance(meta, msgspec.Meta) and meta.description
    )


def example(kind: type[Section]) -> str:
    """Return the annotated file. It is valid as it stands and changes nothing."""
    lines: list[str] = []
    _write(kind, "", lines)
    return "\n".join(lines).strip() + "\n"


def _write(kind: type[Section], table: str, lines: list[str]) -> None:
    later: list[tuple[str, Any, type[Section], bool]] = []
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(kind)}
    for name, hint, section, many in sections(kind):
        if section is not None:
            later.append((name, hint, section, many))
            continue
        _comment(description(hint), lines)
        value = defaults[name]
        if value is msgspec.NODEFAULT:
            value = _REQUIRED[name]
        elif value is None:
            value = _SAMPLE[name] if name in _SAMPLE else _default_port(table)
        lines += [f"# {name} = {_toml(value)}", ""]
    for name, hint, section, many in later:
        _comment(description(hint), lines)
        lines += [f"# [[{name}]]" if many else f"[{name}]", ""]
        _write(section, name, lines)


def _default_port(table: str) -> int:
    if table == "relay":
        return 587
    return next((ports[1] for service, ports in PORTS.items() if service == table), 993)


def _comment(text: str, lines: list[str]) -> None:
    lines += textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value > 99_999 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    text = str(value) if isinstance(value, Path) else value
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
