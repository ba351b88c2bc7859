"""`mailhorn account share`: who else may use somebody's mailbox, for those whose mail client cannot say it.

It works beside a running server, which looks rights up anew for each command.
"""

from collections.abc import Callable
from pathlib import Path

from ..config.wire import open_accounts
from ..model.mailbox import Account, Mailbox, canonical_name
from ..model.rights import ANYONE, Acl, parse_rights, spelled
from ..store.abc import Index
from .account import existing, login_of, settings_of
from .failure import WRONG, CommandFailed
from .loop import run

WORDS = {"none": "", "read": "lrs", "write": "lrswite", "all": "lrswipkxtea"}
"""What can be said instead of letters. To read is to mark as read; to write, to put mail there and to delete it."""


def share(config: Path | None, owner: str, mailbox: str, who: str | None, rights: str | None) -> None:
    """Print who may use a mailbox, after somebody was given other rights if so asked."""
    settings = settings_of(config)
    login = login_of(owner)
    letters = None if rights is None else _letters(rights)

    async def work() -> tuple[Account, Mailbox, dict[str, str]]:
        async with open_accounts(settings) as index:
            account = await existing(index, login, settings)
            found = await index.mailbox(account.id, canonical_name(mailbox))
            if found is None:
                raise CommandFailed(f"{account.login} has no mailbox {mailbox}")
            if who is None or letters is None:
                return account, found, await index.acl(found.id)
            change = _change(await _somebody(index, who, account), letters)
            return account, found, await index.set_acl(found.id, change)

    account, found, acl = run(work())
    print(f"{found.name} of {account.login}, which others see as: Other Users/{account.login}/{found.name}")
    width = max([len(account.login), *map(len, acl)])
    for name, letters in ((account.login, "everything, always"), *sorted(acl.items())):
        print(f"  {name:<{width}}  {letters}")


def _letters(rights: str) -> str:
    try:
        return spelled(parse_rights(WORDS.get(rights.lower(), rights)))
    except ValueError as problem:
        raise CommandFailed(f"{problem} is no right; say {', '.join(WORDS)} or letters of lrswipkxtea", WRONG) from None


async def _somebody(index: Index, who: str, owner: Account) -> str:
    """Return who it is; those with a dash in front are to have the rights taken away (RFC 4314 §2)."""
    name = who.strip().lower()
    login = name.removeprefix("-")
    if login == owner.login:
        raise CommandFailed(f"{login} has all rights always: the mailbox is his or hers", WRONG)
    if login != ANYONE and (login.startswith("-") or await index.account(login) is None):
        raise CommandFailed(f"there is no account {login}; see: mailhorn account list")
    return name


def _change(name: str, letters: str) -> Callable[[Acl], Acl]:
    """Return what makes the new list of the old one."""

    def changed(acl: Acl) -> Acl:
        rest = {one: had for one, had in acl.items() if one != name}
        return {**rest, name: letters} if letters else rest

    return changed
