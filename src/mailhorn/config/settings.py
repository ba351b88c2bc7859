"""Every setting: its name, type, meaning and default. The annotated example files are printed from here.

Rule 1: every setting has a default, so no file at all is a valid file. Rule 2: a name that is not here is an
error, so a typing mistake never becomes a silent default. Rule 3: what is secret prints as `***`.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

ServiceName = Literal["imap", "imaps", "smtp", "smtps", "lmtp", "managesieve"]

PORTS: dict[ServiceName, tuple[int, int]] = {
    "imap": (143, 1143),
    "imaps": (993, 1993),
    "smtp": (25, 1025),
    "smtps": (465, 1465),
    "lmtp": (24, 1024),
    "managesieve": (4190, 4190),
}
"""The port of each service as root, and the one that needs no rights."""


class Secret:
    """A password. Its text comes out by `reveal` only, so it cannot slip into a log or an error."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "***"

    def reveal(self) -> str:
        """Return the text."""
        return self._text


class Section(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What every table of a settings file is."""


class Service(Section, frozen=True, kw_only=True):
    """One port that mail clients or mail servers connect to."""

    enabled: Annotated[bool, Meta(description="Whether to listen at all.")] = True
    host: Annotated[
        str | None,
        Meta(
            description='Address or name to listen on; "*" is every address of the machine. Default: "*" as root, '
            '"localhost" otherwise and for LMTP always, because LMTP asks for no password.'
        ),
    ] = None
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(description="Port; 0 takes any that is free. Default: the one shown, the well-known one as root."),
    ] = None


class ManageSieve(Service, frozen=True, kw_only=True):
    """ManageSieve (RFC 5804): people change their own rules, with any client that can."""

    scripts: Annotated[int, Meta(ge=1, le=10_000, description="Scripts that an account may keep.")] = 100
    script_size: Annotated[
        int, Meta(ge=1024, le=1_000_000, description="Octets of each; the largest that delivery reads is 1,000,000.")
    ] = 256 * 1024


class Tls(Section, frozen=True, kw_only=True):
    """Certificates. Without any a self-signed one is made in the data directory and kept there."""

    certificate: Annotated[
        Path | None, Meta(description="File with the certificate and its chain (PEM). Set the key too.")
    ] = None
    key: Annotated[Path | None, Meta(description="File with the private key (PEM), readable by the server only.")] = (
        None
    )
    client_ca: Annotated[
        Path | None,
        Meta(
            description="Authorities whose certificates let clients log in without a password (PEM): the account is "
            "the mail address in the certificate, or its common name. Who shows a certificate of somebody else cannot "
            "connect to imap, imaps, smtps and managesieve. Default: nobody is asked for one."
        ),
    ] = None
    plaintext_login: Annotated[
        bool,
        Meta(description="Let other machines log in without encryption. Only for tests in a network of one's own."),
    ] = False


class Sasl(Section, frozen=True, kw_only=True):
    """How clients log in without sending the password (SCRAM-SHA-256)."""

    scram: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="auto offers it once every account with a password has keys for it: a client that sees it "
            "offered tries nothing else. Accounts get keys with a new password, and at a login that sends the old one. "
            "always offers it at once, never not at all and makes no keys."
        ),
    ] = "auto"
    scram_iterations: Annotated[
        int,
        Meta(
            ge=4096,
            le=4_000_000,
            description="What a guess at a stolen key costs, and each login its client. Programs that use Cyrus SASL "
            "(mbsync, mutt) refuse more than 65,536.",
        ),
    ] = 60_000
    channel_binding: Annotated[
        bool,
        Meta(
            description="Whether SCRAM-SHA-256-PLUS is offered under TLS. It knows tls-server-end-point only; false is "
            "for clients that insist on another binding. Not where something else ends TLS in front of this server."
        ),
    ] = True


class OAuth(Section, frozen=True, kw_only=True):
    """Logging in with a token (OAUTHBEARER, XOAUTH2) that another server gives out. Off without `introspection`."""

    introspection: Annotated[
        str | None,
        Meta(description="URL that says whose a token is (RFC 7662); https, or http on this machine. Default: none."),
    ] = None
    client_id: Annotated[str, Meta(description="Who this server is there.")] = ""
    client_secret: Annotated[Secret | None, Meta(description="Its password there.")] = None
    client_secret_file: Annotated[Path | None, Meta(description="Or a file with that password in its first line.")] = (
        None
    )
    ca: Annotated[Path | None, Meta(description="Certificates to trust there instead of the system's (PEM).")] = None
    timeout: Annotated[float, Meta(ge=0.1, le=60, description="It must answer within so long, seconds.")] = 5.0
    login: Annotated[
        str,
        Meta(min_length=1, description="Field of the answer that has the login or the mail address: username, email …"),
    ] = "username"
    scope: Annotated[str, Meta(description="A token must have this scope. Default: any.")] = ""
    audience: Annotated[str, Meta(description="A token must be meant for this. Default: for anybody.")] = ""
    discovery: Annotated[
        str, Meta(description="URL that tells clients where to get a token (openid-configuration). Default: none.")
    ] = ""


class Limits(Section, frozen=True, kw_only=True):
    """How much anybody may ask of the server."""

    message_size: Annotated[int, Meta(ge=1024, description="Largest message taken, octets.")] = 50 * 1024 * 1024
    connections: Annotated[int, Meta(ge=1, description="Connections at once, over all protocols.")] = 20_000
    connections_per_address: Annotated[
        int, Meta(ge=1, description="Of these from one address; an IPv6 network of 64 bits counts as one.")
    ] = 1_000
    connections_per_account: Annotated[int, Meta(ge=1, description="Of these logged in as one account.")] = 100
    count_this_machine: Annotated[
        bool,
        Meta(
            description="Whether these two limits hold for this machine's own connections too. Not where a webmail or "
            "a proxy runs beside the server: it brings everybody's."
        ),
    ] = False
    messages_per_command: Annotated[
        int,
        Meta(
            ge=1000,
            description="Messages that one IMAP command may name: of more it does the newest. Clients that do not know "
            "of it see no more of a mailbox than that.",
        ),
    ] = 1_000_000
    quota_storage: Annotated[
        int, Meta(ge=0, description="Octets of messages that an account may keep. 0: as many as there is room for.")
    ] = 0
    quota_messages: Annotated[int, Meta(ge=0, description="Messages that an account may keep. 0: any number.")] = 0
    quota_mailboxes: Annotated[int, Meta(ge=0, description="Mailboxes that it may make. 0: any number.")] = 0


class Sessions(Section, frozen=True, kw_only=True):
    """How long a connection may be silent, in seconds."""

    login_timeout: Annotated[
        float, Meta(ge=1, description="A connection may stay so long without logging in, seconds.")
    ] = 60.0
    inactivity_timeout: Annotated[
        float,
        Meta(
            ge=60,
            description="An IMAP client that sends nothing and does not idle, and a ManageSieve client that sends "
            "nothing, is logged out after so long, seconds.",
        ),
    ] = 1860.0
    keep_alive: Annotated[
        float,
        Meta(
            ge=10,
            description="An idling client is sent a sign of life so often, seconds; it keeps NAT tables warm. It is "
            "halved for a client whose connections die silently, and doubled for one whose connections last.",
        ),
    ] = 240.0
    keep_alive_shortest: Annotated[float, Meta(ge=10, description="It is never halved below that, seconds.")] = 60.0
    keep_alive_longest: Annotated[
        float,
        Meta(
            ge=10,
            description="It is never doubled beyond that, seconds. With all three alike it stays as it is.",
        ),
    ] = 1740.0


class Tcp(Section, frozen=True, kw_only=True):
    """When the system finds out that the other side of a connection is gone, in seconds."""

    unacknowledged: Annotated[
        int,
        Meta(
            ge=10,
            le=86400,
            description="A connection ends when nothing of what was sent to it was confirmed for so long, seconds.",
        ),
    ] = 300
    idle: Annotated[
        int,
        Meta(
            ge=10,
            le=32767,
            description="A connection that was silent for so long is asked whether it is still there, seconds. More "
            "than the longest keep-alive, or idle phones are woken twice.",
        ),
    ] = 1000
    interval: Annotated[int, Meta(ge=1, le=32767, description="It is asked again so often, seconds.")] = 60
    count: Annotated[
        int,
        Meta(
            ge=1,
            le=127,
            description="It ends after so many unanswered questions; on Linux after the first, if `unacknowledged` is "
            "over by then.",
        ),
    ] = 5


class Sieve(Section, frozen=True, kw_only=True):
    """What happens to a message on its way into a mailbox (RFC 5228)."""

    default: Annotated[
        Path | None, Meta(description="Sieve script for whoever has none of their own. Default: keep all in INBOX.")
    ] = None
    directory: Annotated[
        Path | None,
        Meta(
            description="Everybody's own scripts: LOGIN.sieve is the one in use, LOGIN/NAME.sieve all of them. "
            "Default: `sieve` in the data directory."
        ),
    ] = None
    before: Annotated[
        tuple[Path, ...],
        Meta(
            description="Scripts that run before everybody's own, in this order; of a folder those that end in .sieve, "
            "by name. The next one runs only if the one before it keeps the message."
        ),
    ] = ()
    after: Annotated[
        tuple[Path, ...], Meta(description="Scripts that run after everybody's own, if these keep the message.")
    ] = ()
    create_mailboxes: Annotated[
        bool,
        Meta(
            description="Whether a mailbox that rules file into is made if it is missing, also without `:create`, as "
            "`mailhorn watch` does it. Else the message goes to INBOX."
        ),
    ] = True
    shared: Annotated[
        Path | None,
        Meta(description='Folder of the scripts that `include :global "NAME"` means, as NAME.sieve. Default: none.'),
    ] = None
    lists: Annotated[
        tuple[str, ...],
        Meta(
            description='Lists that scripts can look into with :list, each as "NAME=FILE"; the file has an address in '
            "each line, and {login} in its path is whose script asks. Default: none."
        ),
    ] = ()
    spam_header: Annotated[
        str,
        Meta(
            description="Header field with the score of a spam checker in front of this server, for `spamtest`. The "
            "checker must take such fields away from what others send. Default: none."
        ),
    ] = ""
    spam_full: Annotated[float, Meta(gt=0, description="The score that counts as a hundred per cent.")] = 10.0
    virus_header: Annotated[
        str, Meta(description="Header field with the verdict of a virus checker, for `virustest`. Default: none.")
    ] = ""
    redirect_sender: Annotated[
        Literal["sender", "recipient"],
        Meta(
            description="Reverse path of redirected mail: who sent it, or whose rule redirects it. Many servers refuse "
            "mail of others' senders (SPF); who forwards to one of these wants recipient."
        ),
    ] = "sender"
    redirects: Annotated[
        int, Meta(ge=0, le=1000, description="Addresses that one message may be redirected to by one person's rules.")
    ] = 10
    webhooks: Annotated[
        tuple[str, ...],
        Meta(
            description="What the https addresses begin with that rules may notify; it is this server that opens the "
            'connection, so not "https://" unless you trust everybody who has rules. Default: none.'
        ),
    ] = ()
    imap_events: Annotated[
        bool,
        Meta(
            description="Whether a script runs when an IMAP client appends, copies or moves messages, or changes "
            "flags: the one that the mailbox's entry /shared/imapsieve/script names (RFC 6785)."
        ),
    ] = True
    imap_default: Annotated[
        Path | None, Meta(description="Script for such events in mailboxes without that entry. Default: none.")
    ] = None
    programs: Annotated[
        Path | None,
        Meta(
            description="Folder of the programs that everybody's rules may run (pipe, filter, execute), as this "
            "server's user, with the message on their standard input. Default: none may be run."
        ),
    ] = None
    program_timeout: Annotated[
        float, Meta(ge=0.1, le=600, description="Seconds that such a program may take; mail waits for it.")
    ] = 10.0
    python_timeout: Annotated[
        float,
        Meta(
            ge=0.1,
            le=600,
            description="Seconds that a rule in Python may take (a file of `default`, `before` or `after` whose name "
            "ends in .py); mail waits for it.",
        ),
    ] = 10.0
    program_output: Annotated[int, Meta(ge=1024, description="Octets that it may answer.")] = 50 * 1024 * 1024


class Relay(Section, frozen=True, kw_only=True):
    """Where mail goes that rules send: redirected, answered, refused. Without `host` rules cannot send any."""

    host: Annotated[
        str | None,
        Meta(description="The server that takes mail for everywhere, as your provider's for sending. Default: none."),
    ] = None
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="Default: 465 for tls, 587 for starttls, 25 for none."),
    ] = None
    encryption: Annotated[
        Literal["tls", "starttls", "none"] | None,
        Meta(
            description="tls, starttls, or none, which is refused unless the server is on this machine. "
            "Default: starttls, none for a server on this machine."
        ),
    ] = None
    ca: Annotated[
        Path | None, Meta(description="Certificate to trust instead of the system's (PEM): for self-signed servers.")
    ] = None
    verify: Annotated[bool, Meta(description="false takes any certificate: encryption without knowing with whom.")] = (
        True
    )
    user: Annotated[str, Meta(description="Login there. Default: it lets us send without.")] = ""
    password: Annotated[
        Secret | None, Meta(description="The password itself; with a login one of these three is needed.")
    ] = None
    password_file: Annotated[Path | None, Meta(description="File with the password in its first line.")] = None
    password_command: Annotated[
        Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(description='Program and arguments that print the password, as ["pass", "show", "mail"].'),
    ] = None
    from_host: Annotated[
        str | None, Meta(description="What we call ourselves there (EHLO), and in reports. Default: the host name.")
    ] = None
    connections: Annotated[int, Meta(ge=1, le=20, description="Connections at a time.")] = 2
    max_letters: Annotated[
        int,
        Meta(ge=1, description="Letters that may wait; beyond, who sends mail that causes one tries again later."),
    ] = 10_000
    max_size: Annotated[int, Meta(ge=1024 * 1024, description="Octets of all that wait.")] = 1024 * 1024 * 1024
    max_age: Annotated[
        float,
        Meta(ge=60, description="Seconds that delivery is tried; then the sender is told that it was for nothing."),
    ] = 432_000.0


class Maildir(Section, frozen=True, kw_only=True):
    """What other programs do in the Maildirs below `data`: drop mail in, change flags, move and delete files."""

    notice: Annotated[
        Literal["inotify", "scan", "off"],
        Meta(
            description="How that is noticed: inotify (at once; Linux, local disks), scan (now and then; anywhere), "
            "or off."
        ),
    ] = "inotify"
    scan_interval: Annotated[
        float,
        Meta(ge=1, description="Seconds between two scans, of all folders or of those that inotify cannot watch."),
    ] = 300.0


class Search(Section, frozen=True, kw_only=True):
    """How mail is searched."""

    text_index: Annotated[
        bool,
        Meta(
            description="Whether what was searched for texts once (TEXT, BODY) has an index of them from then on, in "
            "`text` in the data directory: a quarter of the size of the texts. Without it each search reads all mail."
        ),
    ] = True


class Log(Section, frozen=True, kw_only=True):
    """What is told while the program runs, on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="The least important that is told: debug, info, warning or error."),
    ] = "info"
    format: Annotated[
        Literal["auto", "text", "json"],
        Meta(description="text, json (a line each), or auto: text on a terminal, json elsewhere."),
    ] = "auto"


class ServeSettings(Section, frozen=True, kw_only=True):
    """The mail server: serve.toml."""

    data: Annotated[
        Path | None,
        Meta(
            description="Where everything is kept. Default: /var/lib/mailhorn as root, otherwise "
            "$XDG_DATA_HOME/mailhorn or ~/.local/share/mailhorn."
        ),
    ] = None
    hostname: Annotated[
        str | None, Meta(description="What the server calls itself. Default: the name of the machine.")
    ] = None
    domains: Annotated[
        tuple[str, ...],
        Meta(
            description="Domains whose mail is taken for local accounts, beside the host name and localhost. "
            "An account `ann` gets the mail of ann@ each of them, an account `ann@example.org` its own."
        ),
    ] = ()
    postmaster: Annotated[
        str | None, Meta(description="Login that gets the postmaster's mail if there is no account postmaster.")
    ] = None
    imap: Annotated[Service, Meta(description="IMAP, with STARTTLS.")] = Service()
    imaps: Annotated[Service, Meta(description="IMAP, encrypted from the first byte.")] = Service()
    smtp: Annotated[Service, Meta(description="SMTP, with STARTTLS.")] = Service()
    smtps: Annotated[Service, Meta(description="SMTP, encrypted from the first byte.")] = Service()
    lmtp: Annotated[Service, Meta(description="LMTP, for a mail server in front of this one.")] = Service()
    managesieve: Annotated[
        ManageSieve, Meta(description="ManageSieve, with STARTTLS: people change their own rules, with any client.")
    ] = ManageSieve()
    tls: Annotated[Tls, Meta(description="Certificate; without one a self-signed one is made and kept.")] = Tls()
    sasl: Annotated[Sasl, Meta(description="How clients log in without sending the password.")] = Sasl()
    oauth: Annotated[OAuth, Meta(description="Logging in with a token.")] = OAuth()
    limits: Annotated[Limits, Meta(description="How much anybody may ask of the server.")] = Limits()
    sessions: Annotated[Sessions, Meta(description="How long a connection may be silent.")] = Sessions()
    tcp: Annotated[Tcp, Meta(description="When the other side of a connection counts as gone.")] = Tcp()
    sieve: Annotated[Sieve, Meta(description="What happens to incoming mail.")] = Sieve()
    relay: Annotated[Relay, Meta(description="Where mail goes that rules send.")] = Relay()
    maildir: Annotated[Maildir, Meta(description="What other programs do in the Maildirs.")] = Maildir()
    search: Annotated[Search, Meta(description="How mail is searched.")] = Search()
    log: Annotated[Log, Meta(description="What is told on standard error.")] = Log()

    def listen_on(self, service: ServiceName, root: bool) -> tuple[str, int] | None:
        """Return host and port of the service with the defaults filled in, None if it is switched off."""
        chosen: Service = getattr(self, service)
        if not chosen.enabled:
            return None
        host = chosen.host
        if host is None:
            host = "*" if root and service != "lmtp" else "localhost"
        port = chosen.port
        if port is None:
            port = PORTS[service][0 if root else 1]
        return host, port


class AccountSettings(Section, frozen=True, kw_only=True):
    """One IMAP account that is watched."""

    name: Annotated[str, Meta(min_length=1, description="What it is called here and in the log.")]
    host: Annotated[str, Meta(min_length=1, description="The IMAP server.")]
    user: Annotated[str, Meta(min_length=1, description="The login.")]
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None, Meta(description="Default: 993 for tls, 143 otherwise.")
    ] = None
    encryption: Annotated[
        Literal["tls", "starttls", "none"],
        Meta(description="tls, starttls, or none, which is refused unless the server is on this machine."),
    ] = "tls"
    ca: Annotated[
        Path | None, Meta(description="Certificate to trust instead of the system's (PEM): for self-signed servers.")
    ] = None
    verify: Annotated[bool, Meta(description="false takes any certificate: encryption without knowing with whom.")] = (
        True
    )
    password: Annotated[
        Secret | None, Meta(description="The password itself; one of these four is needed, or tokens.")
    ] = None
    password_file: Annotated[Path | None, Meta(description="File with the password in its first line.")] = None
    password_command: Annotated[
        Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(description='Program and arguments that print the password, as ["pass", "show", "mail"].'),
    ] = None
    password_keyring: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Service under which the desktop's keyring has the password of `user`; needs keyring."),
    ] = None
    oauth_client_id: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Log in with access tokens (OAuth) instead of a password: who you have registered this program "
            "as with the provider. The first token comes by: mailhorn watch login NAME."
        ),
    ] = None
    oauth_client_secret: Annotated[
        Secret | None, Meta(description="Its password there, if it was given one; desktop programs of Google are.")
    ] = None
    oauth_client_secret_file: Annotated[Path | None, Meta(description="Or a file with it in its first line.")] = None
    oauth_tokens: Annotated[
        Path | None, Meta(description="File that keeps the tokens. Default: NAME.tokens beside the journal.")
    ] = None
    oauth_scope: Annotated[str | None, Meta(description="What is asked for. Default: what the provider wants.")] = None
    oauth_authorize: Annotated[
        str | None, Meta(description="URL that a browser is sent to. Default: the provider's, if it is known.")
    ] = None
    oauth_token: Annotated[
        str | None, Meta(description="URL that gives out tokens. Default: the provider's, if it is known.")
    ] = None
    oauth_device: Annotated[
        str | None, Meta(description="URL for a login on another device. Default: the provider's, if it has one.")
    ] = None
    mailboxes: Annotated[tuple[str, ...], Meta(min_length=1, description="Mailboxes whose new mail is filed.")] = (
        "INBOX",
    )
    connections: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None,
        Meta(
            description="Connections at a time; the first mailboxes have their own, the last one takes the rest. "
            "Default: what the provider is known to stand, 3 as a rule."
        ),
    ] = None
    rules: Annotated[
        Path | None,
        Meta(
            description="Sieve script, or a program with rules in Python, whose name ends in .py. Default: watch only, "
            "change nothing."
        ),
    ] = None
    shared: Annotated[
        Path | None, Meta(description='Folder of the scripts that `include "NAME"` means, as NAME.sieve.')
    ] = None
    rule_timeout: Annotated[
        float, Meta(ge=0.1, le=3600, description="Seconds that a rule in Python may take for one message.")
    ] = 30.0
    addresses: Annotated[
        tuple[str, ...],
        Meta(
            description="Your addresses at this account, for rules that send mail; the first one is written from. "
            "Default: the login, if it is an address."
        ),
    ] = ()
    lists: Annotated[
        tuple[str, ...],
        Meta(
            description='Lists that rules can look into with :list, each as "NAME=FILE"; the file has an address in '
            "each line. Default: none."
        ),
    ] = ()
    spam_header: Annotated[
        str, Meta(description="Header field in which the provider notes its spam score, for `spamtest`. Default: none.")
    ] = ""
    spam_full: Annotated[float, Meta(gt=0, description="The score that counts as a hundred per cent.")] = 10.0
    virus_header: Annotated[
        str, Meta(description="Header field in which it notes what its virus checker found, for `virustest`.")
    ] = ""
    create_mailboxes: Annotated[
        bool, Meta(description="Whether a mailbox that a rule files into is made if it is missing.")
    ] = True
    backlog: Annotated[bool, Meta(description="Whether mail that was there before the first start is filed too.")] = (
        False
    )
    discard: Annotated[
        Literal["trash", "delete"], Meta(description="What `discard` in a rule does: move to the trash, or delete.")
    ] = "trash"
    trash: Annotated[
        str | None, Meta(description="The mailbox that is the trash. Default: the one the server says is, else Trash.")
    ] = None
    brake: Annotated[
        Annotated[float, Meta(ge=0, le=1)],
        Meta(
            description="Share of a mailbox that one rule may take out of it in five minutes; what it matches beyond "
            "stays where it is until you say: mailhorn watch release. 0: as much as it wants."
        ),
    ] = 0.1
    brake_at_least: Annotated[
        Annotated[int, Meta(ge=1)],
        Meta(
            description="Messages that a rule may take in that time, however small the mailbox is: a night's mail of "
            "all lists comes at once when a laptop wakes up."
        ),
    ] = 1_000
    idle_renewal: Annotated[
        Annotated[float, Meta(ge=15)] | None,
        Meta(description="IDLE is renewed so often, seconds. Default: what the provider is known to stand, else 540."),
    ] = None


class HookSettings(Section, frozen=True, kw_only=True):
    """A command that is run, or a web address that is told, for each new message: at least once."""

    name: Annotated[str, Meta(min_length=1, description="What it is called in the log; do not change it later.")]
    command: Annotated[
        Annotated[tuple[str, ...], Meta(min_length=1)] | None,
        Meta(description="Program and arguments; it reads what there is to tell as JSON. Set this or url."),
    ] = None
    url: Annotated[
        str | None, Meta(description="Web address that the JSON is sent to (POST); https, or http on this machine.")
    ] = None
    accounts: Annotated[tuple[str, ...], Meta(description="Accounts whose messages it is for. Default: all.")] = ()
    mailboxes: Annotated[
        tuple[str, ...], Meta(description="Watched mailboxes whose messages it is for. Default: all.")
    ] = ()
    rule: Annotated[
        str, Meta(description="Only messages that this rule has done something to, as `watch log` calls it.")
    ] = ""
    timeout: Annotated[float, Meta(ge=0.1, le=3600, description="Seconds it may take; then it has failed.")] = 30.0


class WatchSettings(Section, frozen=True, kw_only=True):
    """The filter daemon: watch.toml."""

    journal: Annotated[
        Path | None,
        Meta(
            description="File that remembers what was done, so that nothing is done twice. Default: watch.sqlite in "
            "/var/lib/mailhorn as root, otherwise in $XDG_DATA_HOME/mailhorn or ~/.local/share/mailhorn."
        ),
    ] = None
    log: Annotated[Log, Meta(description="What is told on standard error.")] = Log()
    relay: Annotated[Relay, Meta(description="Where mail goes that rules send.")] = Relay()
    hooks_at_once: Annotated[int, Meta(ge=1, le=100, description="Hooks that run at a time.")] = 4
    hook: Annotated[
        tuple[HookSettings, ...], Meta(description="One table for each command, or web address, for new messages.")
    ] = ()
    account: Annotated[tuple[AccountSettings, ...], Meta(description="One table for each account.")] = ()
