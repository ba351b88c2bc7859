"""What is offered before and after login, LOGIN and AUTHENTICATE (RFC 9051 §6.2)."""

import structlog

from ....imap.commands import Authenticate, Login
from ....imap.responses import CapabilityCode, Code, Condition
from ....imap.state import State
from ....model.mailbox import Account
from ....sasl import Challenge, Credentials
from ...logins import Denial, Why
from ..capabilities import Standing, offered
from ..conversation import Conversation
from ..reply import CommandRefused, Reply, ok
from ..selected import Manner

MAX_FAILURES = 3
"""Logins that fail on one connection; then BYE. Who goes on guessing over new ones is slowed down by `accounts`."""


log = structlog.get_logger("mailhorn.imap")


def capabilities(conversation: Conversation, logged_in: bool = False) -> tuple[str, ...]:
    """Return what works in the present state, or once somebody has logged in, and nothing else."""
    context = conversation.context
    logged_in = logged_in or conversation.core.state is not State.NOT_AUTHENTICATED
    can_start_tls = context.tls is not None and not conversation.pump.tls
    mechanisms = () if logged_in else context.logins.mechanisms(conversation.pump)
    withheld = frozenset[str]() if conversation.quirk is None else conversation.quirk.withheld
    options = context.options
    return offered(
        Standing(
            logged_in,
            options.max_message_size,
            can_start_tls,
            mechanisms,
            options.message_limit,
            withheld,
            options.sieve_url,
        )
    )


def capability_code(conversation: Conversation) -> CapabilityCode:
    """Return the same as a response code, for the greeting and after login: it saves a round trip."""
    return CapabilityCode(capabilities(conversation))


async def login(conversation: Conversation, command: Login) -> Reply | None:
    """LOGIN (RFC 9051 §6.2.3)."""
    _must_be_private(conversation)
    claimed = Credentials("", command.user.decode("utf-8", "replace"), command.password)
    return _end(conversation, await conversation.context.logins.with_password(claimed, conversation.pump.address))


async def authenticate(conversation: Conversation, command: Authenticate) -> Reply | None:
    """Begin an exchange; each line of the client goes to `respond` (RFC 9051 §6.2.2)."""
    _must_be_private(conversation)
    conversation.exchange = conversation.context.logins.begin(command.mechanism.upper(), conversation.pump)
    if conversation.exchange is None:
        raise CommandRefused("There is no such mechanism here now", "CANNOT")
    return await _step(conversation, command.initial)


async def respond(conversation: Conversation, response: bytes | None) -> Reply | None:
    """Take a line of the exchange, None if it was cancelled or is no base64."""
    if response is None:
        conversation.exchange = None
        return Reply(Condition.BAD, None, b"AUTHENTICATE cancelled")
    return await _step(conversation, response)


async def _step(conversation: Conversation, response: bytes | None) -> Reply | None:
    exchange = conversation.exchange
    if exchange is None:
        raise RuntimeError("no exchange is under way")
    conversation.exchange = None  # also if it fails
    outcome = await exchange.step(response)
    if isinstance(outcome, Challenge):
        conversation.exchange = exchange
        conversation.core.accept_line(idle=False, text=outcome.data)
        return None
    return _end(conversation, outcome)


_CODES = {Why.WRONG: "AUTHENTICATIONFAILED", Why.FORBIDDEN: "AUTHORIZATIONFAILED", Why.LATER: "UNAVAILABLE"}


def _end(conversation: Conversation, outcome: Account | Denial) -> Reply | None:
    """Log in who it is, or say why not (RFC 5530 §3)."""
    context, pump = conversation.context, conversation.pump
    if isinstance(outcome, Denial):
        if outcome.why is Why.MALFORMED:
            return Reply(Condition.BAD, None, outcome.text.encode("ascii", "replace"))
        code = _CODES[outcome.why]
        if outcome.why is Why.WRONG:
            log.warning("login failed", peer=pump.peer, login=outcome.login[:100])
            conversation.failures += 1
            if conversation.failures >= MAX_FAILURES:
                conversation.core.complete(Condition.NO, Code(code), outcome.text.encode("ascii"))
                conversation.core.bye(b"Too many logins failed")
                return None
        raise CommandRefused(outcome.text, code)
    account = outcome
    refusal = context.connections.log_in(account.login, pump.address)
    if refusal is not None:  # BYE and no NO, after which programs ask for another password
        context.refusals.note("login refused", pump.peer, pump.address, refusal.text, account.login)
        conversation.core.bye(refusal.text.encode("ascii"), Code(refusal.code))
        return None
    conversation.counted = True
    conversation.account = account
    log.info("logged in", peer=pump.peer, login=account.login)
    return ok(b"Logged in", CapabilityCode(capabilities(conversation, logged_in=True)))


async def unauthenticate(conversation: Conversation) -> Reply:
    """Forget who it was and what was enabled; TLS and compression stay (RFC 8437 §3)."""
    login = conversation.owner.login
    conversation.deselect()
    conversation.notify(None)
    conversation.context.connections.log_out(login, conversation.pump.address)
    conversation.counted = False
    conversation.account = None
    conversation.manner, conversation.uid_only = Manner.PLAIN, False
    log.info("unauthenticated", peer=conversation.pump.peer, login=login)
    return ok(b"Nobody is logged in now")


def _must_be_private(conversation: Conversation) -> None:
    if not conversation.context.logins.private(conversation.pump):
        raise CommandRefused("Use TLS first: the password would be readable on the way", "PRIVACYREQUIRED")


async def start_tls(conversation: Conversation) -> Reply:
    """Agree; the session starts TLS once this is sent (RFC 9051 §6.2.1)."""
    if conversation.context.tls is None:
        raise CommandRefused("There is no certificate", "CANNOT")
    if conversation.pump.tls:
        return Reply(Condition.BAD, None, b"TLS is on already")
    return ok(b"Begin TLS negotiation now")
