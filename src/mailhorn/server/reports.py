"""Brings reports on mail that could not be sent into the mailboxes of our own people, through their rules."""

import time

import structlog

from ..model.mailbox import Account
from ..relay.letter import RelayUnavailable
from ..smtp.address import parse_path
from ..smtp.reply import CommandProblem
from ..store.abc import StoreError
from ..store.store import Store
from .accounts import Accounts, NoAccount
from .delivery import Delivery, Recipient
from .smtp.trace import date_time, ids, trace

log = structlog.get_logger("mailhorn.delivery")


class Reports:
    """A `relay.sender.Home`."""

    def __init__(self, store: Store, accounts: Accounts, delivery: Delivery, hostname: str) -> None:
        """Deliver into the store, to these accounts; `hostname` is ours."""
        self._store = store
        self._accounts = accounts
        self._delivery = delivery
        self._stamp = f"Received: by {hostname} id "
        self._ids = ids()

    async def deliver(self, address: str, content: bytes) -> bool:
        """
        Deliver a report; it is safe when this returns.

        Args:
            address: Who gets it, as it was written in the letter's reverse path.
            content: The message.

        Returns:
            Whether the address is one of this server's own.

        Raises:
            RelayUnavailable: It must be tried again later.

        """
        try:
            account = await self._account(address)
            if not isinstance(account, Account):
                if account is NoAccount.NO_SUCH_USER:
                    log.info("nobody is told of a letter that could not be sent, its sender is gone", sender=address)
                return account is NoAccount.NO_SUCH_USER
            id = next(self._ids)
            staged = self._store.stage()
            try:
                staged.write(trace("", address, self._stamp, id, date_time(int(time.time()))))
                staged.write(content)
            except BaseException:
                staged.discard()
                raise
            (reply,) = await self._delivery.deliver(staged, "", [Recipient(account, address)], time.monotonic(), id)
        except (StoreError, OSError) as problem:
            raise RelayUnavailable(str(problem)) from problem
        if 400 <= reply.code < 500:
            raise RelayUnavailable(f"the report to {address} cannot be delivered: {reply.code} {reply.text}")
        return True

    async def _account(self, address: str) -> Account | NoAccount:
        try:
            mailbox, _ = parse_path(f"<{address}>")
        except CommandProblem:
            mailbox = None
        if mailbox is None:
            return NoAccount.NOT_LOCAL
        return await self._accounts.account_for(mailbox.local, mailbox.domain)


__all__ = ["Reports"]
