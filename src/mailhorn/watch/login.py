"""From the greeting to the end of the login: TLS, capabilities, password, who we are. Scripts; pure."""

from .. import __version__
from ..imap.commands import Authenticate, Id, Keyword, Login, Simple
from ..imap.state import State as Connected
from .account import Security, WatchAccount
from .conversation import Conversation, Script
from .events import Upgrade
from .trouble import Over, Trouble, refused_login, said

GREETING_PATIENCE = 45.0
"""Seconds to connect, to shake hands and to be greeted; dialling has a limit of its own, of 30."""
CONTINUATION_PATIENCE = 30.0
"""Seconds for the `+` of IDLE and of AUTHENTICATE (fault F12)."""


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
    imap = talk.imap
    user, password = account.user.encode(), account.password.encode()
    plain = b"\0" + user + b"\0" + password  # RFC 4616 §2
    if imap.has("AUTH=PLAIN") and imap.has("SASL-IR"):
        done = yield from talk.run(Authenticate("PLAIN", plain))
    elif not imap.has("LOGINDISABLED"):
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
