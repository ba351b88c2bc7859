"""Makes what the settings say of rules at delivery."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..server.filtering.abilities import Abilities
from ..server.filtering.carrying import Manner
from ..server.filtering.lists import Lists
from ..server.filtering.programs import Programs
from ..server.filtering.service import Tools
from ..server.scripts import Everybody, ScriptRefused, Scripts
from ..sieve.verdicts import Verdicts
from .find import ConfigError
from .pyrules import SUFFIX, LoadedRule, load
from .rules import rules_of
from .settings import Sieve

ANYWHERE = "https://"
"""Among `sieve.webhooks`: rules may tell any address something."""


def tools_of(sieve: Sieve, hostname: str) -> Tools:
    """
    Return what scripts may use, but for the queue and the memory, which are files and opened last.

    Args:
        sieve: The settings.
        hostname: Our name.

    Raises:
        ConfigError: A setting cannot be carried out.

    """
    for place in sieve.webhooks:
        parts = urlsplit(place)
        if place != ANYWHERE and not (parts.scheme == "https" and parts.hostname and parts.path.startswith("/")):
            raise ConfigError(
                f'sieve.webhooks: "{place}" is not the begin of an https address, with a / behind the host'
            )
    if sieve.programs is not None and not sieve.programs.is_dir():
        raise ConfigError(f"sieve.programs: {sieve.programs} is no folder")
    return Tools(
        lists=Lists(_lists(sieve.lists)),
        verdicts=Verdicts(sieve.spam_header, sieve.spam_full, sieve.virus_header),
        programs=Programs(sieve.programs, sieve.program_timeout, sieve.program_output),
        manner=Manner(
            hostname, sieve.redirect_sender == "recipient", sieve.redirects, sieve.webhooks, sieve.create_mailboxes
        ),
    )


def scripts_of(sieve: Sieve, data: Path, tools: Tools, queue: bool) -> Scripts:
    """
    Return whose scripts filter whose mail.

    Args:
        sieve: The settings.
        data: The data directory.
        tools: What scripts may use.
        queue: Whether mail can leave.

    Raises:
        ConfigError: One of the operator's scripts cannot be read, or does not compile.

    """
    abilities = Abilities(
        queue=queue,
        memory=True,
        lists=bool(tools.lists),
        spam=bool(tools.verdicts.spam_header),
        virus=bool(tools.verdicts.virus_header),
        programs=bool(tools.programs),
        events=sieve.imap_events,
    )
    everybody = Everybody(sieve.before, sieve.after, sieve.shared)
    able = frozenset({"send", "refuse"} if queue else {"refuse"})

    def python(path: Path) -> LoadedRule:
        try:
            return load(path, "sieve", sieve.python_timeout, able)
        except ConfigError as error:
            raise ScriptRefused(str(error)) from error

    scripts = Scripts(
        sieve.directory or data / "sieve", sieve.default, abilities=abilities, everybody=everybody, python=python
    )
    for setting, places in (("default", _given(sieve.default)), ("before", sieve.before), ("after", sieve.after)):
        for place in places:
            for path in scripts.files((place,)):
                if path.suffix == SUFFIX:
                    load(path, f"sieve.{setting}", sieve.python_timeout, able)
                else:
                    rules_of(path, f"sieve.{setting}", scripts.check_shared)
    if sieve.imap_default is not None:
        rules_of(sieve.imap_default, "sieve.imap_default", scripts.check_event)
    return scripts


def _given(path: Path | None) -> tuple[Path, ...]:
    return () if path is None else (path,)


def list_schemes(written: Sequence[str]) -> tuple[str, ...]:
    """Return the URI schemes of the lists' names (RFC 6134 §2.8); "urn" is that of the address book."""
    schemes = {entry.partition("=")[0].strip().partition(":")[0].lower() for entry in written if ":" in entry}
    return tuple(sorted({"urn"} | {scheme for scheme in schemes if scheme.isascii() and scheme.isalnum()}))


def _lists(written: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in written:
        name, equals, path = entry.partition("=")
        if not equals or not name.strip() or not path.strip():
            raise ConfigError(f'sieve.lists: expected "NAME=FILE", not "{entry}"')
        found[name.strip()] = path.strip()
    return found


__all__ = ["list_schemes", "scripts_of", "tools_of"]
