"""What the watcher must know of an account. Data only."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ..model.mailbox import INBOX
from ..sieve import Program
from ..sieve.pyrule import PythonRule
from ..sieve.verdicts import Verdicts


class Security(Enum):
    """How a connection is protected; the value is how the settings spell it."""

    IMPLICIT = "implicit"
    """TLS from the first byte (RFC 8314)."""
    STARTTLS = "starttls"
    """TLS by STARTTLS, or no connection."""
    NONE = "none"
    """In the clear; but a server that refuses logins in the clear and offers STARTTLS gets it."""


@dataclass(frozen=True, slots=True)
class TokenSource:
    """
    Where an account's access tokens come from, and where they are kept.

    Attributes:
        authorize: URL a person is sent to with a browser, "" if there is none.
        token: URL that gives out tokens.
        device: URL that begins a login on another device, "" if there is none.
        client_id: Who we are there.
        client_secret: Our password there, "" if we have none.
        scope: What we ask for.
        file: Keeps the tokens, readable by its owner only.
        login: The command that gets the first ones, for errors.

    """

    authorize: str
    token: str
    device: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    file: Path
    login: str


@dataclass(frozen=True, slots=True)
class WatchAccount:
    """
    An account to watch.

    Attributes:
        name: What the account is called in the log and in the journal; do not change it later.
        host: Name or address of the server.
        port: Port.
        user: Login name.
        password: Password; "" if there are tokens.
        program: The compiled Sieve script; see `facts.install`.
        tls: How the connection is protected.
        ca_file: PEM file with the certificates to trust instead of the system's.
        verify: False takes any certificate.
        mailboxes: What is watched, as the server spells the names; the first ones have a connection of their own.
        create_mailboxes: Whether a missing target of a fileinto is made.
        backlog: Whether what is in a mailbox at the first contact is filtered too.
        discard_deletes: Whether discard deletes for good; otherwise it moves to the trash.
        trash: Where discarded messages go; None asks the server (RFC 6154), "Trash" if it does not say.
        idle_renewal: Seconds an IDLE lasts at most; None is what is known of the provider, 9 minutes as a rule.
        connections: How many there may be at a time. The last one takes the mailboxes that have none of their own.
        brake: The share of a mailbox that one rule may take out of it in five minutes; 0 is as much as it wants.
        brake_at_least: Messages that a rule may take in that time, however small the mailbox is.
        tokens: Where its access tokens come from; None if it has a password.
        source: The text of the rules, by which accounts are known to have the same ones.
        included: The texts of the scripts that it includes, by their names.
        python: The rule in Python that stands in the place of the script; None if there is none.
        reads_all: Whether the rules may look at more of a message than its headers and texts.
        sends: Whether the rules may send mail.
        addresses: The owner's addresses, the one to write from first.
        lists: Lists that rules can look into (RFC 6134), by their names.
        checkers: Where the checkers of spam and viruses write what they found.

    """

    name: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    program: Program = field(repr=False, compare=False)
    tls: Security = Security.IMPLICIT
    ca_file: Path | None = None
    verify: bool = True
    mailboxes: tuple[str, ...] = (INBOX,)
    create_mailboxes: bool = True
    backlog: bool = False
    discard_deletes: bool = False
    trash: str | None = None
    idle_renewal: float | None = None
    connections: int = 3
    tokens: TokenSource | None = None
    brake: float = 0.1
    brake_at_least: int = 1_000
    source: str = field(default="", repr=False)
    included: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    python: PythonRule | None = field(default=None, repr=False)
    reads_all: bool = True
    sends: bool = False
    addresses: tuple[str, ...] = ()
    lists: tuple[tuple[str, frozenset[str]], ...] = field(default=(), repr=False)
    checkers: Verdicts = Verdicts()
