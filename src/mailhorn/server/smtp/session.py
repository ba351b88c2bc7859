"""One SMTP or LMTP session: who may send what to whom, and the message streamed into the store.

Rule 1: mail is taken for local accounts only, whoever asks. Rule 2: the body goes from the socket into
`Store.stage`, piece by piece. Rule 3: a task lives only while a command has to wait for something; an idle
connection has none. Rule 4: a password is taken in the clear from this machine only.
"""

import asyncio
import math
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from ssl import SSLContext

import structlog

from ...model.mailbox import Account
from ...net.deadlines import Deadlines
from ...net.eager import Turn
from ...net.protocol_log import ProtocolLog
from ...net.pump import Pump
from ...sasl import Challenge
from ...smtp.address import Mailbox
from ...smtp.connection import RECIPIENT_ACCEPTED, SENDER_ACCEPTED, Options, ServerConnection
from ...smtp.events import (
    AuthCancelled,
    AuthResponse,
    AuthStart,
    DataChunk,
    DataEnd,
    DataStart,
    Eof,
    Event,
    Greeted,
    MailFrom,
    Quit,
    RcptTo,
    Refused,
    Reset,
    StartTls,
)
from ...smtp.reply import Reply
from ...store.abc import StagedBlob, StoreUnavailable
from ...store.store import Store
from ..accounts import Accounts, NoAccount
from ..delivery import Delivery, Recipient, refusal
from ..filtering.service import Came
from ..limits import Connections
from ..logins import Denial, Exchange, Logins, Why
from ..quota import QuotaLimits
from ..refusals import Refusals
from ..sessions import Sessions
from .trace import came_from, date_time, ids, trace, with_protocol

MAX_LOGIN_FAILURES = 3
"""On one connection; then 421. Guessing goes on over new ones, and `accounts` slows those down."""
BUG = Reply(451, "4.3.0", "Something went wrong here and has been logged, try again later")

log = structlog.get_logger("mailhorn.smtp")


@dataclass(frozen=True, slots=True)
class SmtpOptions:
    """
    Settings of the SMTP and LMTP side.

    Attributes:
        hostname: Our name, in greetings and Received fields.
        max_message_size: Largest message, octets.
        quota: How much an account may keep.
        max_recipients: Of one message.
        command_timeout: Seconds without a command before 421 (RFC 5321 §4.5.3.2.7).
        data_timeout: Seconds without a piece of the message before 421 (§4.5.3.2.5: three minutes).
        wire_log: Log every line at level debug.

    """

    hostname: str = "localhost"
    max_message_size: int = 50 * 2**20
    max_recipients: int = 1_000
    quota: QuotaLimits = field(default_factory=QuotaLimits)
    command_timeout: float = 300.0
    data_timeout: float = 180.0
    wire_log: bool = False


@dataclass(slots=True)
class SmtpContext:
    """The server as its SMTP sessions see it."""

    delivery: Delivery
    store: Store
    accounts: Accounts
    logins: Logins
    deadlines: Deadlines
    options: SmtpOptions
    tls: SSLContext | None
    connections: Connections = field(default_factory=Connections)
    sessions: Sessions = field(default_factory=Sessions)
    refusals: Refusals = field(default_factory=Refusals)
    ids: Iterator[str] = field(default_factory=ids)


class SmtpSession:
    """
    The session of one connection. Implements `net.pump.Session` and `net.deadlines.Watched`.

    Attributes:
        deadline: When the client has been silent for too long, seconds of the loop's clock.

    """

    __slots__ = (
        "_accepted",
        "_account",
        "_broken",
        "_came",
        "_context",
        "_core",
        "_delivering",
        "_exchange",
        "_failures",
        "_greeted",
        "_id",
        "_lmtp",
        "_loop",
        "_mail",
        "_pump",
        "_recipients",
        "_sender",
        "_staged",
        "_turn",
        "deadline",
    )

    _pump: Pump

    def __init__(self, context: SmtpContext, core: ServerConnection, lmtp: bool) -> None:
        """Make a session on a fresh core; the pump calls `connected`."""
        self._context = context
        self._core = core
        self._lmtp = lmtp
        self._loop = asyncio.get_running_loop()
        self._turn = Turn()
        self._greeted: Greeted | None = None
        self._came: Came | None = None
        self._account: Account | None = None
        self._exchange: Exchange | None = None
        self._failures = 0
        self._mail: MailFrom | None = None
        self._sender = ""
        self._recipients: list[Recipient] = []
        self._staged: StagedBlob | None = None
        self._broken: Reply | None = None
        self._id = ""
        self._accepted = False
        self._delivering = False
        self.deadline = math.inf

    @classmethod
    def connection(cls, context: SmtpContext, lmtp: bool) -> Pump:
        """Return a protocol for a new connection."""
        core = ServerConnection(_core_options(context, lmtp))
        wire = ProtocolLog("lmtp" if lmtp else "smtp") if context.options.wire_log else None
        return Pump(core, cls(context, core, lmtp), wire)

    # net.pump.Session

    def connected(self, pump: Pump) -> None:
        """Greet, or refuse who has too many connections already."""
        self._pump = pump
        context = self._context
        if not self._lmtp:  # only now is known who it is
            self._core = pump.core = ServerConnection(_core_options(context, False, pump))
        if pump.tls:
            self._core.tls_started()
        reason = context.connections.enter(pump.address)
        if reason is not None:
            context.refusals.note("connection refused", pump.peer, pump.address, reason.text)
            self._core.data_to_send()
            self._core.shut_down("4.7.0", reason.text)
            pump.close(linger=False)
            return
        self._accepted = True
        context.sessions.add(self)
        self._wait_for_client()
        context.deadlines.watch(self)

    def received(self) -> None:
        """Obey what the core understood."""
        if not self._accepted:
            return
        self._turn.pulling = True
        try:
            while events := self._core.events_received():
                for event in events:
                    self._event(event)
        finally:
            self._turn.pulling = False
        if self._core.wants_data:
            self._pump.resume()
        elif self._core.closed:
            if not self._turn.busy:
                self._pump.close()
        else:
            self._pump.pause()
        self._wait_for_client()

    def writable(self) -> None:
        """Nothing of ours waits for that: reading does, and the pump sees to it."""

    def lost(self, error: Exception | None) -> None:
        """Let go of everything; but a message that is complete is delivered, and the server waits for that."""
        context = self._context
        if self._accepted:
            self._accepted = False
            self._log_out()
            context.connections.leave(self._pump.address)
            context.deadlines.forget(self)
        self._drop_message()
        if not self._delivering:
            context.sessions.discard(self)
            self._turn.leave()

    # net.deadlines.Watched

    def overdue(self) -> None:
        """Say good-bye to a silent client; it is not to blame while it waits for our answer."""
        if self._turn.busy or self._core.awaits_answer:
            self._wait_for_client()
            self._context.deadlines.watch(self)
            return
        self._core.shut_down("4.4.2", "Silent for too long")
        self._close()

    @property
    def busy(self) -> bool:
        """Whether a message is being delivered."""
        return self._delivering

    def shut_down(self) -> None:
        """End the session because the server stops; a message that is complete is delivered and answered first."""
        self._core.shut_down()
        if self._core.closed:
            self._close()

    def abort(self) -> None:
        """End the connection; a message that is whole is delivered all the same."""
        self._pump.abort()

    def _close(self) -> None:
        self._core.events_received()
        self._drop_message()
        self._pump.close()

    def _wait_for_client(self) -> None:
        options = self._context.options
        receiving = self._staged is not None
        self.deadline = self._loop.time() + (options.data_timeout if receiving else options.command_timeout)

    # events

    def _event(self, event: Event) -> None:
        match event:
            case DataChunk():
                self._take(event.data)
            case DataEnd():
                self._end_message(time.monotonic())
            case DataStart():
                self._begin_message()
            case RcptTo():
                self._take_recipient(event.recipient)
            case MailFrom():
                self._mail = event
                self._sender = "" if event.sender is None else str(event.sender)
                self._core.answer(SENDER_ACCEPTED)
            case Greeted():
                self._greeted, self._came = event, None
            case Reset():
                self._drop_transaction()
            case AuthStart():
                self._exchange = self._context.logins.begin(event.mechanism, self._pump)
                self._run(self._authenticate(event.initial))
            case AuthResponse():
                self._run(self._authenticate(event.data))
            case AuthCancelled():
                self._exchange = None
            case StartTls():
                self._pump.pause()
                self._run(self._start_tls())
            case Refused():
                refused = log.debug if self._staged is None else log.info  # a message is lost to its sender
                refused("refused", peer=self._pump.peer, reason=event.reason)
            case Quit() | Eof():
                self._drop_transaction()

    def _run(self, work: Coroutine[None, None, None]) -> None:
        """Do what may have to wait; the core reads no further command meanwhile."""
        self._turn.begin(work, self._pump, self.received)

    # a transaction

    def _take_recipient(self, path: Mailbox) -> None:
        context = self._context
        account = context.accounts.addressee(path.local, path.domain)
        if account is None or context.options.quota:
            self._run(self._recipient(path))
        else:
            self._recipients.append(Recipient(account, str(path)))
            self._core.answer(RECIPIENT_ACCEPTED)

    async def _recipient(self, path: Mailbox) -> None:
        reply, recipient = await self._judge(path)
        if recipient is not None:
            self._recipients.append(recipient)
        else:
            log.info("recipient refused", peer=self._pump.peer, recipient=str(path), reason=reply.text)
        self._core.answer(reply)

    async def _judge(self, path: Mailbox) -> tuple[Reply, Recipient | None]:
        try:
            account = await self._context.accounts.account_for(path.local, path.domain)
            if isinstance(account, Account) and await self._is_full(account):
                return Reply(452, "4.2.2", "The mailbox is full, try again later"), None
        except StoreUnavailable as error:
            self._context.store.complaints.note("accounts cannot be read, the sender will try again", error, False)
            return refusal(error), None
        if isinstance(account, Account):
            return RECIPIENT_ACCEPTED, Recipient(account, str(path))
        if account is NoAccount.NO_SUCH_USER or self._lmtp:
            return Reply(550, "5.1.1", "No such user here"), None
        if self._account is not None:
            return Reply(550, "5.7.1", "Relaying is not available, only mail for local users is taken"), None
        return Reply(550, "5.7.1", "Relaying denied, only mail for local users is taken"), None

    async def _is_full(self, account: Account) -> bool:
        """Return whether the account may not keep one octet more (RFC 9208 §2)."""
        quota = self._context.options.quota
        if not quota:
            return False
        usage = await self._context.store.index.usage(account.id, exact=False)
        return quota.exceeded(usage, octets=1, messages=1) is not None

    def _begin_message(self) -> None:
        """Stage the message; what delivery puts in front comes first."""
        greeted, mail = self._greeted, self._mail
        self._id = next(self._context.ids)
        self._broken = None
        self._staged = self._context.store.stage()
        protocol = with_protocol(
            lmtp=self._lmtp,
            extended=greeted is not None and greeted.esmtp,
            tls=self._pump.tls,
            authenticated=self._account is not None,
            utf8=mail is not None and mail.smtputf8,
        )
        name = "" if greeted is None else greeted.name
        stamp = came_from(name, self._pump.address, self._context.options.hostname, protocol)
        only = self._recipients[0].address if len(self._recipients) == 1 else ""
        self._take(trace(self._sender, only, stamp, self._id, date_time(int(time.time()))))
        if self._broken is not None:
            self._core.reply(self._broken.code, self._broken.enhanced, self._broken.text)
            self._drop_transaction()
            return
        self._core.accept_data()
        self._wait_for_client()
        self._context.deadlines.watch(self)  # it has moved earlier

    def _take(self, data: bytes) -> None:
        if self._staged is None:
            return
        try:
            self._staged.write(data)
        except (StoreUnavailable, OSError) as error:
            complaints = self._context.store.complaints
            complaints.note("a message cannot be staged, the sender will try again", error, id=self._id)
            self._broken = refusal(error)
            self._drop_message()

    def _end_message(self, accepted_at: float) -> None:
        staged, self._staged = self._staged, None
        recipients, sender = self._recipients, self._sender
        came = self._came
        if came is None:
            name = "" if self._greeted is None else self._greeted.name
            came = self._came = Came(self._lmtp, self._pump.address, name)
        self._drop_transaction()
        if staged is None:
            replies = [self._broken or BUG] * len(recipients)
            self._core.reply_data(replies if self._lmtp else replies[:1])
            return
        self._turn.busy = self._delivering = True
        try:
            soon = self._context.delivery.deliver_soon(
                staged, sender, recipients, accepted_at, self._id, self._delivered, came
            )
        except Exception as error:
            staged.discard()
            self._delivered(error)
            return
        if not soon:
            self._run(self._deliver(staged, sender, recipients, accepted_at))

    def _delivered(self, outcome: list[Reply] | Exception) -> None:
        """Answer a message that needed no task, and go on with what was pipelined behind it."""
        self._end_delivery()
        self._turn.busy = False
        if isinstance(outcome, Exception):
            self._pump.fail(outcome)
            return
        try:
            self._core.reply_data(outcome if self._lmtp else outcome[:1])
            if not self._turn.pulling:
                self.received()
        except Exception as error:
            self._pump.fail(error)
        if not self._turn.pulling:
            self._pump.flush()

    async def _deliver(self, staged: StagedBlob, sender: str, recipients: list[Recipient], accepted_at: float) -> None:
        try:
            replies = await self._context.delivery.deliver(staged, sender, recipients, accepted_at, self._id)
        finally:
            self._end_delivery()
        self._core.reply_data(replies if self._lmtp else replies[:1])

    def _end_delivery(self) -> None:
        self._delivering = False
        if not self._accepted:
            self._context.sessions.discard(self)

    def _drop_transaction(self) -> None:
        self._drop_message()
        self._mail = None
        self._sender = ""
        self._recipients = []

    def _drop_message(self) -> None:
        if self._staged is not None:
            self._staged.discard()
            self._staged = None

    # TLS and AUTH

    async def _start_tls(self) -> None:
        context = self._context.tls
        if context is None:
            raise RuntimeError("STARTTLS was offered without a certificate")
        try:
            await self._pump.start_tls(context)
        except OSError as error:
            log.info("TLS handshake failed", peer=self._pump.peer, reason=str(error))
            return
        self._core.tls_started()
        self._greeted = self._came = None
        self._log_out()
        self._exchange = None
        self._drop_transaction()

    async def _authenticate(self, response: bytes | None) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:  # what was offered is not any more
            self._core.reply(504, "5.5.4", "Mechanism not offered now")
            return
        try:
            outcome = await exchange.step(response)
        except StoreUnavailable as error:
            self._context.store.complaints.note("accounts cannot be read", error, False)
            self._core.reply(454, "4.7.0", "Logins are not possible now, try again later")
            return
        if isinstance(outcome, Challenge):
            self._exchange = exchange
            self._core.challenge(outcome.data)
        else:
            self._end_login(outcome)

    def _end_login(self, outcome: Account | Denial) -> None:
        peer = self._pump.peer
        if isinstance(outcome, Account):
            refused = self._context.connections.log_in(outcome.login, self._pump.address)
            if refused is not None:
                self._context.refusals.note("login refused", peer, self._pump.address, refused.text, outcome.login)
                self._core.shut_down("4.7.0", refused.text)
                return
            self._account = outcome
            log.info("logged in", peer=peer, login=outcome.login)
            self._core.reply(235, "2.7.0", "Authenticated")
            return
        self._core.reply(*_DENIALS[outcome.why], outcome.text)
        if outcome.why is Why.WRONG:
            self._failures += 1
            log.warning("login failed", peer=peer, login=outcome.login[:100])
            if self._failures >= MAX_LOGIN_FAILURES:
                self._core.shut_down("4.7.0", "Too many failed logins")

    def _log_out(self) -> None:
        if self._account is not None:
            self._context.connections.log_out(self._account.login, self._pump.address)
            self._account = None


_DENIALS = {
    Why.MALFORMED: (501, "5.5.2"),
    Why.WRONG: (535, "5.7.8"),
    Why.FORBIDDEN: (535, "5.7.8"),
    Why.LATER: (454, "4.7.0"),
}
"""RFC 4954 §4, §6."""


def _core_options(context: SmtpContext, lmtp: bool, pump: Pump | None = None) -> Options:
    options, logins = context.options, context.logins
    return Options(
        hostname=options.hostname,
        max_size=options.max_message_size,
        lmtp=lmtp,
        tls_available=context.tls is not None,
        auth_mechanisms=logins.mechanisms(pump) if pump else (),
        tls_auth_mechanisms=logins.mechanisms_under_tls(pump) if pump else (),
        max_recipients=options.max_recipients,
    )


__all__ = ["SmtpContext", "SmtpOptions", "SmtpSession"]
