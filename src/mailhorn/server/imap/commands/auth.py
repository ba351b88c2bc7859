"""What is offered before and after login, LOGIN and AUTHENTICATE (RFC 9051 §6.2)."""

import structlog

from ....imap.commands import Authenticate, Login
from ....imap.responses import CapabilityCode, Code, Condition
from ....imap.state import State
from ....sasl import SERVER_MECHANISMS, Challenge, Credentials
from ...accounts import TooBusy
from ..capabilities import Standing, offered
from ..conversation import Conversation
from ..reply import CommandRefused, Reply, ok
from ..selected import Manner

MAX_FAILURES = 3
"""Logins that fail on one connection; then BYE. Who goes on guessing over new ones is slowed down by `accounts`."""


log = structlog.get_logger("mailhorn.imap")


def capabilities(conversation: Conversation) -> tuple[str, ...]:
    """Return what works in the present state, and nothing else."""
    context = conversation.context
    logged_in = conversation.core.state is not State.NOT_AUTHENTICATED
    can_start_tls = context.tls is not None and not conversation.pump.tls
    return offered(Standing(logged_in, context.options.max_message_size, can_start_tls, _may_log_in(conversation)))


def capability_code(conversation: Conversation) -> CapabilityCode:
    """Return the same as a response code, for the greeting and after login: it saves a round trip."""
    return CapabilityCode(capabilities(conversation))


async def login(conversation: Conversation, command: Login) -> Reply | None:
    """LOGIN (RFC 9051 §6.2.3)."""
    return await _log_in(conversation, Credentials("", command.user.decode("utf-8", "replace"), command.password))


async def authenticate(conversation: Conversation, command: Authenticate) -> Reply | None:
    """Begin an exchange; each line of the client goes to `respond` (RFC 9051 §6.2.2)."""
    mechanism = SERVER_MECHANISMS.get(command.mechanism.upper())
    if mechanism is None:
        raise CommandRefused("There is no such mechanism here", "CANNOT")
    _must_be_private(conversation)
    conversation.mechanism = mechanism()
    return await _step(conversation, command.initial)


async def respond(conversation: Conversation, response: bytes | None) -> Reply | None:
    """Take a line of the exchange, None if it was cancelled or is no base64."""
    if response is None:
        conversation.mechanism = None
        return Reply(Condition.BAD, None, b"AUTHENTICATE cancelled")
    return await _step(conversation, response)


async def _step(conversation: Conversation, response: bytes | None) -> Reply | None:
    if conversation.mechanism is None:
        raise RuntimeError("no exchange is under way")
    outcome = conversation.mechanism.step(response)
    if isinstance(outcome, Challenge):
        conversation.core.accept_line(idle=False, text=outcome.data)
        return None
    conversation.mechanism = None
    if isinstance(outcome, Credentials):
        return await _log_in(conversation, outcome)
    return Reply(Condition.BAD, None, b"That is not what the mechanism wants")


async def _log_in(conversation: Conversation, credentials: Credentials) -> Reply | None:
    _must_be_private(conversation)
    if credentials.authzid and credentials.authzid != credentials.authcid:
        raise CommandRefused("Nobody may act for somebody else here", "AUTHORIZATIONFAILED")
    context, pump = conversation.context, conversation.pump
    try:
        account = await context.accounts.verify(credentials.authcid, credentials.password, pump.address)
    except TooBusy as busy:
        raise CommandRefused(str(busy), "UNAVAILABLE") from None
    if account is None:
        log.warning("login failed", peer=pump.peer, login=credentials.authcid[:100])
        conversation.failures += 1
        if conversation.failures < MAX_FAILURES:
            raise CommandRefused("User or password is wrong", "AUTHENTICATIONFAILED")
        conversation.core.complete(Condition.NO, Code("AUTHENTICATIONFAILED"), b"User or password is wrong")
        conversation.core.bye(b"Too many logins failed")
        return None
    refusal = context.connections.log_in(account.login, pump.address)
    if refusal is not None:  # BYE and no NO, after which programs ask for another password
        context.refusals.note("login refused", pump.peer, pump.address, refusal.text, account.login)
        conversation.core.bye(refusal.text.encode("ascii"), Code(refusal.code))
        return None
    conversation.counted = True
    conversation.account = account
    log.info("logged in", peer=pump.peer, login=account.login)
    return ok(b"Logged in", CapabilityCode(offered(Standing(True, context.options.max_message_size))))


async def unauthenticate(conversation: Conversation) -> Reply:
    """Forget who it was and what was enabled; TLS and compression stay (RFC 8437 §3)."""
    login = conversation.owner.login
    conversation.deselect()
    conversation.context.connections.log_out(login, conversation.pump.address)
    conversation.counted = False
    conversation.account = None
    conversation.manner, conversation.uid_only = Manner.PLAIN, False
    log.info("unauthenticated", peer=conversation.pump.peer, login=login)
    return ok(b"Nobody is logged in now")


def _may_log_in(conversation: Conversation) -> bool:
    pump = conversation.pump
    return pump.tls or pump.loopback or conversation.context.options.plaintext_off_loopback


def _must_be_private(conversation: Conversation) -> None:
    if not _may_log_in(conversation):
        raise CommandRefused("Use TLS first: the password would be readable on the way", "PRIVACYREQUIRED")


async def start_tls(conversation: Conversation) -> Reply:
    """Agree; the session starts TLS once this is sent (RFC 9051 §6.2.1)."""
    if conversation.context.tls is None:
        raise CommandRefused("There is no certificate", "CANNOT")
    if conversation.pump.tls:
        return Reply(Condition.BAD, None, b"TLS is on already")
    return ok(b"Begin TLS negotiation now")
