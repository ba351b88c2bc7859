"""From the greeting to the end of the login: TLS, capabilities, password, who we are. Scripts; pure.

SCRAM goes before the password itself, which is sent where SCRAM is refused: many servers offer it for accounts that
cannot use it. A server that has not proved that it knows the password gets neither it nor any command.
"""

from base64 import b64decode
from binascii import Error as Base64Error

from .. import __version__
from ..imap.client import Completed
from ..imap.commands import Authenticate, Id, Keyword, Login, Simple
from ..imap.responses import Code
from ..imap.state import State as Connected
from ..sasl.oauth import OAuthClient
from ..sasl.password import best_mechanism
from ..sasl.scram import NAME as SCRAM
from ..sasl.scram import PLUS as SCRAM_PLUS
from ..sasl.scram import ScramClient
from .account import Security, WatchAccount
from .conversation import Conversation, Script
from .events import Authorize, Bind, Derive, Upgrade
from .trouble import Over, Trouble, refused_login, said

GREETING_PATIENCE = 45.0
"""Seconds to connect, to shake hands and to be greeted; dialling has a limit of its own, of 30."""
CONTINUATION_PATIENCE = 30.0
"""Seconds for the `+` of IDLE and of AUTHENTICATE (fault F12)."""
DERIVING_PATIENCE = 60.0
"""Seconds for what our own threads derive of the password: some of one, unless many accounts log in at once."""
TOKEN_PATIENCE = 60.0
"""Seconds for an access token; whom it is asked of has a limit of its own, of some 15."""
MAX_CHALLENGES = 4
"""Of one exchange; SCRAM has two, and an empty one before them."""
_NOT_THE_MECHANISM = frozenset({"UNAVAILABLE", "LIMIT", "INUSE", "EXPIRED", "CONTACTADMIN"})
"""Codes of refusals that another mechanism does not help against (RFC 5530 §3)."""


def log_in(talk: Conversation, account: WatchAccount, sends_id: bool) -> Script[None]:
    """Be greeted, encrypt, log in, and know what the server can do then."""
    limit = talk.now + GREETING_PATIENCE
    talk.check()
    yield from talk.wait(lambda: talk.greeting is not None, lambda: limit, "connecting")
    imap = talk.imap
    encrypted = account.tls is Security.IMPLICIT
    if imap.state is Connected.AUTHENTICATED and account.tls is Security.STARTTLS:
        # PREAUTH before TLS: whoever sits on the line may have said it (fault F91).
        raise Over(Trouble.SETTINGS, "the server lets us in without TLS; that is not trusted")
    if imap.capabilities is None:
        yield from talk.run(Simple(Keyword.CAPABILITY))
    if not encrypted and (account.tls is Security.STARTTLS or (imap.has("LOGINDISABLED") and imap.has("STARTTLS"))):
        yield from _start_tls(talk)
    if imap.state is Connected.NOT_AUTHENTICATED:
        yield from _authenticate(talk, account)
    if imap.capabilities is None:  # fault F39: what was told before the login is not what holds after it
        yield from talk.run(Simple(Keyword.CAPABILITY))
    if imap.has("ID") and sends_id:
        yield from talk.run(Id((("name", "mailhorn"), ("version", __version__))))


def _start_tls(talk: Conversation) -> Script[None]:
    if not talk.imap.has("STARTTLS"):
        raise Over(Trouble.SETTINGS, "the server does not offer STARTTLS")
    done = yield from talk.run(Simple(Keyword.STARTTLS))
    if not done.ok:
        raise Over(Trouble.SETTINGS, f"the server refuses STARTTLS: {said(done.text)}")
    talk.out.append(Upgrade())
    limit = talk.now + GREETING_PATIENCE
    yield from talk.wait(lambda: talk.upgraded, lambda: limit, "TLS")
    yield from talk.run(Simple(Keyword.CAPABILITY))


def _authenticate(talk: Conversation, account: WatchAccount) -> Script[None]:
    if account.tokens is not None:
        yield from _show_token(talk, account)
        return
    imap = talk.imap
    offered = {name for name in (SCRAM, SCRAM_PLUS) if imap.has(f"AUTH={name}")}
    if offered and not talk.sends_password:
        refused = yield from _prove(talk, account, offered)
        if refused is None:
            return
        if isinstance(refused.code, Code) and refused.code.name.upper() in _NOT_THE_MECHANISM:
            raise refused_login(refused)
        yield from _send_password(talk, account)
        talk.sends_password = True
    else:
        yield from _send_password(talk, account)


def _prove(talk: Conversation, account: WatchAccount, offered: set[str]) -> Script[Completed | None]:
    """Log in by SCRAM; returns None, or the answer of a server that refuses it."""
    imap = talk.imap
    talk.bound = None
    talk.out.append(Bind())
    limit = talk.now + DERIVING_PATIENCE
    yield from talk.wait(lambda: talk.bound is not None, lambda: limit, "TLS")
    assert talk.bound is not None
    mechanism = best_mechanism(offered, account.user, account.password, talk.bound.nonce, talk.bound.binding)
    if not isinstance(mechanism, ScramClient):
        return None
    first = mechanism.initial()
    talk.continued = False
    tag = imap.send(Authenticate(mechanism.name, first if imap.has("SASL-IR") else None))
    waiting = None if imap.has("SASL-IR") else first
    until = talk.now + CONTINUATION_PATIENCE + DERIVING_PATIENCE
    for _ in range(MAX_CHALLENGES):
        yield from talk.wait(lambda: talk.continued or tag in talk.completed, lambda: until, "AUTHENTICATE")
        if tag in talk.completed:
            break
        talk.continued = False
        if waiting is None:
            waiting = yield from _derived(talk, mechanism)
        imap.respond(waiting)
        waiting = None
    done = yield from talk.answer(tag)
    if done.ok and mechanism.verified:
        talk.logged_in_by = mechanism.name
        return None
    if done.ok or mechanism.disproved:
        raise Over(Trouble.AUTH, "the server has not proved that it knows the password; it may be another one")
    return done


def _show_token(talk: Conversation, account: WatchAccount) -> Script[None]:
    """Log in by OAUTHBEARER (RFC 7628), or XOAUTH2 where there is nothing else, with a token that is still good."""
    imap = talk.imap
    standard = imap.has("AUTH=OAUTHBEARER")
    if not standard and not imap.has("AUTH=XOAUTH2"):
        raise Over(Trouble.SETTINGS, "the server takes no tokens; it wants a password")
    talk.authorized = None
    talk.out.append(Authorize(talk.refused_token))
    limit = talk.now + TOKEN_PATIENCE
    yield from talk.wait(lambda: talk.authorized is not None, lambda: limit, "the access token")
    got = talk.authorized
    assert got is not None
    if got.problem:
        raise Over(Trouble.SETTINGS if got.final else Trouble.NET, got.problem)
    try:
        mechanism = OAuthClient(account.user, got.token, account.host, account.port, xoauth2=not standard)
    except ValueError as error:
        raise Over(Trouble.SETTINGS, str(error)) from error
    talk.continued = False
    tag = imap.send(Authenticate(mechanism.name, mechanism.initial() if imap.has("SASL-IR") else None))
    until = talk.now + CONTINUATION_PATIENCE
    for _ in range(MAX_CHALLENGES):
        yield from talk.wait(lambda: talk.continued or tag in talk.completed, lambda: until, "AUTHENTICATE")
        if tag in talk.completed:
            break
        talk.continued = False
        imap.respond(mechanism.answer(_decoded(talk.challenge) or b""))
    done = yield from talk.answer(tag)
    if done.ok:
        talk.refused_token, talk.logged_in_by = "", mechanism.name
        talk.login_ends = talk.now + got.good_for
        return
    over = refused_login(done)
    if over.trouble is Trouble.AUTH:
        talk.refused_token = got.token
        if not got.new:  # fault F42: it may have been taken back; the next one is asked for at once, once
            raise Over(Trouble.EXPIRED, over.reason)
    raise over


def _decoded(challenge: bytes) -> bytes | None:
    try:
        return b64decode(challenge, validate=True)
    except (Base64Error, ValueError):
        return None


def _derived(talk: Conversation, mechanism: ScramClient) -> Script[bytes | None]:
    """Have the mechanism answer the server's challenge."""
    challenge = _decoded(talk.challenge)
    if challenge is None:
        return None
    talk.derived = None
    talk.out.append(Derive(mechanism, challenge))
    limit = talk.now + DERIVING_PATIENCE
    yield from talk.wait(lambda: talk.derived is not None, lambda: limit, "deriving keys of the password")
    assert talk.derived is not None
    return talk.derived.response


def _send_password(talk: Conversation, account: WatchAccount) -> Script[None]:
    imap = talk.imap
    user, password = account.user.encode(), account.password.encode()
    plain = b"\0" + user + b"\0" + password  # RFC 4616 §2
    talk.logged_in_by = "PLAIN"
    if imap.has("AUTH=PLAIN") and imap.has("SASL-IR"):
        done = yield from talk.run(Authenticate("PLAIN", plain))
    elif not imap.has("LOGINDISABLED"):
        talk.logged_in_by = "LOGIN"
        done = yield from talk.run(Login(user, password))
    elif imap.has("AUTH=PLAIN"):
        talk.continued = False
        tag = imap.send(Authenticate("PLAIN"))
        limit = talk.now + CONTINUATION_PATIENCE
        yield from talk.wait(lambda: talk.continued or tag in talk.completed, lambda: limit, "AUTHENTICATE")
        if tag not in talk.completed:
            imap.respond(plain)
        done = yield from talk.answer(tag)
    else:
        raise Over(Trouble.SETTINGS, "the server takes no password on this connection; use TLS")
    if not done.ok:
        raise refused_login(done)


__all__ = ["CONTINUATION_PATIENCE", "GREETING_PATIENCE", "log_in"]
