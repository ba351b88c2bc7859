"""What is known of mail providers beforehand, so that it need not be learned the hard way. Data only.

Rule 1: every fact has its source beside it; F-numbers are those of the catalogue of faults, which names its own.
Rule 2: what the server says of itself goes first (CAPABILITY, SPECIAL-USE), then the settings, and then this table.
"""

from dataclasses import dataclass

IDLE_RENEWAL = 9 * 60.0
"""Seconds an IDLE lasts before it is begun anew: under the 10 minutes after which some servers and many routers
forget a connection (fault F41); RFC 9051 §6.3.13 allows 29."""
CONNECTIONS = 3
"""Connections to an account: of the 10 that Dovecot allows a user from one address, most are for people (fault F48)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """
    Where a provider gives out access tokens (RFC 6749), if it takes them for a password.

    Attributes:
        authorize: URL a person is sent to with a browser.
        token: URL that gives out tokens.
        device: URL that begins a login on another device (RFC 8628); "" where it does not give out tokens for mail.
        scope: What is asked for.

    """

    authorize: str
    token: str
    device: str
    scope: str


@dataclass(frozen=True, slots=True)
class Provider:
    """
    How to treat one provider.

    Attributes:
        name: What people call it.
        idle_renewal: Seconds an IDLE lasts at most.
        sends_id: Whether it is told who we are (RFC 2971).
        connections: How many to an account, unless the settings say otherwise.
        allowed: How many it allows a user, over all programs; None if that is not published.
        trash: Where discarded messages go if no mailbox is marked as the trash (RFC 6154).
        session: Seconds a connection lasts at most, None if that is not published.
        tokens: Where it gives out tokens; None if a password is to be used.
        password: What kind of password it takes, "" for the usual one.
        quirks: What else its users should know, a sentence each.

    """

    name: str = ""
    idle_renewal: float = IDLE_RENEWAL
    sends_id: bool = True
    connections: int = CONNECTIONS
    allowed: int | None = None
    trash: str = "Trash"
    session: float | None = None
    tokens: Tokens | None = None
    password: str = ""
    quirks: tuple[str, ...] = ()


_GMAIL = Provider(
    "Gmail",
    allowed=15,  # F46: "15/user, shared with phones"
    trash="[Gmail]/Trash",  # LIST (SPECIAL-USE) marks it; the name as jstedfast/MailKit#1817 shows it
    session=24 * 3600.0,  # developers.google.com/gmail/imap/imap-smtp, "Session length limits"
    # developers.google.com/identity/protocols/oauth2/native-app; login on another device (…/limited-input-device,
    # "Allowed scopes") gives no tokens for mail.
    tokens=Tokens(
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        "",
        "https://mail.google.com/",
    ),
    password="an app password (myaccount.google.com), or a token",
    quirks=(
        # F42; the page on session lengths says so, too.
        "A connection that was opened with a token is closed when the token expires, after about an hour.",
        "Mailboxes are labels: a message may be in several, and all of them are in [Gmail]/All Mail.",  # F75
        "More than 2,500 MB in a day shut the account for a day; only header fields are fetched here.",  # F47
    ),
)
_MICROSOFT = (
    Tokens(  # learn.microsoft.com/exchange/client-developer/legacy-protocols, "Authenticate an IMAP … using OAuth"
        "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
        "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
    )
)
_OUTLOOK = Provider(
    "Outlook",
    allowed=16,  # learn.microsoft.com/exchange/set-connection-limits-for-imap4: 16 for one user
    trash="Deleted Items",  # nikolausm/imap-mcp-server#85
    tokens=_MICROSOFT,
    password="none: only tokens are taken",  # basic authentication is off (same page as the tokens)
    quirks=(
        "IDLE is accepted and may be silent for hours; where that is noticed, mail is looked for as well.",  # F54
        "An expired token ends the connection with AccessTokenExpired; it is renewed and used at once.",  # F43
        "Who asks too much is told to wait (Suggested Backoff Time), and does.",  # F45
    ),
)
_EXCHANGE = Provider(
    "Exchange",
    allowed=16,  # as Outlook
    trash="Deleted Items",
    tokens=None,  # on premises: as its administrator says
    quirks=(
        # learn.microsoft.com/exchange/set-connection-time-out-limits-for-imap4: 1,800 seconds
        "An idle connection is closed after half an hour; IDLE is renewed before.",
        "Changes of flags are not announced.",  # F29
    ),
)
_ICLOUD = Provider(
    "iCloud",
    connections=2,  # not published; 5 is what mailboxtaxi.com/troubleshooting/fix-too-many-imap-connections has seen
    allowed=None,
    trash="Deleted Messages",  # nikolausm/imap-mcp-server#85
    password="an app-specific password (account.apple.com)",  # support.postbox-inc.com, "Email Settings for iCloud"
    quirks=("Changed messages are told unreliably (CONDSTORE); mail is found by UID, which is not affected.",),  # F51
)
_YAHOO = Provider(
    "Yahoo",
    idle_renewal=150,  # F41: about 3 minutes
    connections=2,
    allowed=None,  # not published; error texts name the limit without a number (F46)
    password="an app password",  # unanswered.io/guide/yahoo-mail-protocols-imap-pop-smtp-settings
)
_FASTMAIL = Provider(
    "Fastmail",
    password="an app password (Settings, Privacy & Security)",  # fastmail.com/help/clients/apppassword.html
    quirks=(
        "Who fetches mail again and again is held back; only header fields are fetched here.",
    ),  # F47, an engineer's word
)
_GMX = Provider(
    "GMX",
    quirks=("IDLE may be answered by BYE; it is taken for a restart and tried again.",),  # F53
)
_MAILBOX_ORG = Provider(
    "mailbox.org",
    quirks=(
        # F05, chatmail/core#5093
        "Connections have been seen to die without a word for 23 minutes; here that is noticed within 5.",
        "Many logins in a short time are refused (Authentication Limit Exceeded).",  # F48
    ),
)
_SHORT = Provider(idle_renewal=50)  # F41: they close an idle connection after about a minute
_YANDEX = Provider("Yandex", idle_renewal=300)  # F41: at random, from 6 minutes on

DOVECOT = Provider(
    "Dovecot",
    allowed=10,  # F48: mail_max_userip_connections, its default
    quirks=("What arrives is announced within half a second, not at once.",),  # mailbox_idle_check, measured
)
"""What an unknown server is taken for if its greeting says so: there is no host name to know it by."""
PROTON_BRIDGE = Provider(
    "Proton Bridge",
    # proton.me/support/protonmail-bridge-faq
    password="the one that Bridge shows for the mailbox, not that of the Proton account",
    quirks=(
        # F61: ProtonMail/proton-bridge#220 and others
        "A restart or an upgrade of Bridge may number all messages anew; what is there then is not filed again.",
    ),
)
"""It listens on this machine, at a port that it shows."""

_KNOWN = {
    "gmail.com": _GMAIL,
    "googlemail.com": _GMAIL,
    "outlook.com": _OUTLOOK,
    "office365.com": _OUTLOOK,
    "hotmail.com": _OUTLOOK,
    "me.com": _ICLOUD,
    "icloud.com": _ICLOUD,
    "yahoo.com": _YAHOO,
    "aol.com": _YAHOO,
    "fastmail.com": _FASTMAIL,
    "messagingengine.com": _FASTMAIL,
    "gmx.net": _GMX,
    "gmx.com": _GMX,
    "web.de": _GMX,
    "mailbox.org": _MAILBOX_ORG,
    "163.com": _SHORT,
    "126.com": _SHORT,
    "yeah.net": _SHORT,
    "rambler.ru": _SHORT,
    "yandex.ru": _YANDEX,
    "yandex.com": _YANDEX,
}

_GREETINGS = ((b"dovecot", DOVECOT), (b"microsoft exchange", _EXCHANGE), (b"proton", PROTON_BRIDGE))
"""What a server says of itself, in small letters, that has no host name of its own."""


def provider_of(host: str) -> Provider:
    """Return what is known of the provider that a host name belongs to; a careful default for all others."""
    labels = host.lower().rstrip(".").split(".")
    for start in range(len(labels)):
        known = _KNOWN.get(".".join(labels[start:]))
        if known is not None:
            return known
    return Provider()


def greeted_by(text: bytes) -> Provider | None:
    """Return what is known of the server that says this in its greeting, None if it could be any."""
    said = text.lower()
    return next((known for words, known in _GREETINGS if words in said), None)


def providers() -> tuple[Provider, ...]:
    """Return all that are known by name."""
    return tuple(dict.fromkeys(one for one in (*_KNOWN.values(), DOVECOT, _EXCHANGE, PROTON_BRIDGE) if one.name))


__all__ = ["CONNECTIONS", "IDLE_RENEWAL", "Provider", "Tokens", "greeted_by", "provider_of", "providers"]
