"""`mailhorn watch test ACCOUNT`: connects, shows what the server can do, and what would be done with it."""

import asyncio
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from ...config.find import watch_settings
from ...config.settings import AccountSettings, Log, WatchSettings
from ...config.watching import watched_accounts
from ...sieve.questions import Structure
from ...watch.account import WatchAccount
from ...watch.events import State, StateChanged
from ...watch.facts import header_fields_of
from ...watch.ledger import Place
from ...watch.probe import Probe
from ...watch.providers import Provider, greeted_by, provider_of
from ...watch.supervisor import Watcher
from ..failure import CANNOT, WRONG, CommandFailed
from ..logs import set_up
from ..loop import run
from ..table import shown


def chosen(settings: WatchSettings, name: str) -> AccountSettings:
    """Return the account of that name. Raises CommandFailed."""
    for account in settings.account:
        if account.name == name:
            return account
    known = ", ".join(account.name for account in settings.account) or "none; begin with: mailhorn watch --print-config"
    raise CommandFailed(f"there is no account {name!r} in the settings; there are: {known}", WRONG)


def test(config: Path | None, name: str, as_json: bool) -> None:
    """Print how an account is. Ends with 1 if it cannot be watched."""
    settings, _ = watch_settings(config)
    set_up(Log(level="warning", format=settings.log.format))
    only = alone(settings, chosen(settings, name))
    (account,) = watched_accounts(only)
    probe = run(_probed(account))
    told = _told(account, probe)
    if as_json:
        print(json.dumps(told))
    else:
        _print(told)
    if probe.over is not None:
        raise CommandFailed(f"{account.name}: {probe.over.told}", CANNOT)
    if any(box.trouble for box in probe.looked):
        raise SystemExit(CANNOT)


def alone(settings: WatchSettings, account: AccountSettings) -> WatchSettings:
    """Return the settings with that account only: what is wrong with another one is not asked."""
    return msgspec.structs.replace(settings, account=(account,), hook=())


async def _probed(account: WatchAccount) -> Probe:
    """Look at the account, over one connection, with nothing that lasts."""
    probes: list[Probe] = []

    def probe(account: WatchAccount, *mailboxes: str) -> Probe:
        probes.append(Probe(account, *mailboxes))
        return probes[-1]

    def changed(_: Place, change: StateChanged) -> None:
        if change.state is State.STOPPED:
            asyncio.get_running_loop().call_soon(watcher.stop)

    one = dataclasses.replace(account, connections=1)
    with tempfile.TemporaryDirectory(prefix="mailhorn-test-") as folder:
        watcher = Watcher([one], Path(folder) / "journal", on_state=changed, machine=probe)
        await watcher.run()
    return probes[0]


def _told(account: WatchAccount, probe: Probe) -> dict[str, Any]:
    """Return all that was found, as data."""
    provider = provider_of(account.host)
    if not provider.name:
        provider = greeted_by(probe.greeting) or provider
    return {
        "account": account.name,
        "server": f"{account.host}:{account.port}",
        "reached": probe.over is None,
        "trouble": "" if probe.over is None else probe.over.told,
        "encrypted": probe.encrypted,
        "login": probe.mechanism,
        "greeting": shown(probe.greeting.decode("utf-8", "replace"), 200),
        "capabilities": list(probe.capabilities),
        "mailboxes": probe.mailboxes,
        "watched": [dataclasses.asdict(box) for box in probe.looked],
        "would": _would(account, probe) if probe.over is None else [],
        "provider": provider.name,
        "password": provider.password,
        "quirks": [*_limits(provider), *provider.quirks],
    }


def _limits(provider: Provider) -> list[str]:
    """Return what the provider allows, as far as it says."""
    limits = []
    if provider.allowed is not None:
        limits.append(f"It allows {provider.allowed} connections to a user, over all programs.")
    if provider.session is not None:
        limits.append(f"It ends a connection after {provider.session / 3600:g} hours.")
    return limits


def _would(account: WatchAccount, probe: Probe) -> list[str]:
    """Return what the watcher does with such a server, a line each."""
    has = set(probe.capabilities)
    provider = provider_of(account.host)
    renewal = min(account.idle_renewal or provider.idle_renewal, provider.idle_renewal)
    lines = [
        f"be told of new mail (IDLE), and ask for a sign of life every {renewal:g} s at the latest"
        if "IDLE" in has
        else "look for new mail every 30 to 300 s: the server has no IDLE"
    ]
    watched = len(account.mailboxes)
    if watched > account.connections:
        rest = watched - account.connections + 1
        how = "told of them by NOTIFY" if "NOTIFY" in has else "looking at them once a minute"
        lines.append(f"use {account.connections} connections; {rest} mailboxes share the last one, {how}")
    else:
        lines.append(f"use {watched} connection{'' if watched == 1 else 's'}, one for each mailbox")
    if "MOVE" in has:
        lines.append("file messages with MOVE, in one step")
    elif "UIDPLUS" in has:
        lines.append("file messages by COPY, and delete them once the copy is seen: the server has no MOVE")
    else:
        lines.append("file messages by COPY, and only mark them as deleted: the server has no MOVE and no UIDPLUS")
    if account.discard_deletes:
        lines.append("delete for good what a rule discards")
    else:
        lines.append(f"move what a rule discards to {probe.trash}")
    names = None if account.python else header_fields_of(account.program, account.checkers)
    fields = "all" if names is None else ", ".join(sorted(names))
    looks = account.python is not None or Structure() in account.program.questions
    bodies = "and the message itself if a rule asks for it" if looks else "no bodies"
    lines.append(f"fetch flags, date, size and header fields, {bodies}; fields that the rules ask for: {fields}")
    if account.sends:
        lines.append(f"send what rules redirect, answer and notify from {account.addresses[0]}")
    return lines


def _print(told: dict[str, Any]) -> None:
    how = "TLS" if told["encrypted"] else "not encrypted"
    if told["reached"]:
        print(f"{told['account']}: {told['server']}, {how}, logged in by {told['login']}")
        if told["greeting"]:
            print(f"It says:    {told['greeting']}")
        print(f"It can:     {' '.join(told['capabilities'])}")
        print(f"Mailboxes:  {told['mailboxes']}")
        for box in told["watched"]:
            print(f"  {shown(box['name'])}: " + (shown(box["trouble"], 200) or f"{box['messages']} messages"))
        print("The watcher would")
        for line in told["would"]:
            print(f"  - {shown(line, 400)}")
    if told["provider"]:
        print(f"Known of {told['provider']}:")
        if told["password"]:
            print(f"  - It takes {told['password']}.")
        for quirk in told["quirks"]:
            print(f"  - {quirk}")


__all__ = ["chosen", "test"]
