"""Logging in, once for all protocols: which mechanisms are offered on a connection, and what an exchange comes to.

A protocol hands over decoded responses and gets a Challenge to send, an account that has logged in, or a Denial to be
put into its own words. Rule 1: nothing is offered that could not work: no password where it could be read, no channel
binding without a channel, no EXTERNAL without a certificate, no tokens without somebody who verifies them.
Rule 2: all failures are slowed down by `Accounts.attempt`. Rule 3: no denial says whether the account exists.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..model.mailbox import Account
from ..net.pump import Pump
from ..sasl import SERVER_MECHANISMS, Challenge, Credentials, Malformed, ServerMechanism
from ..sasl.external import Claim, ExternalServer
from ..sasl.oauth import OAuthServer, Token
from ..sasl.oauth import Refused as TokenRefused
from ..sasl.scram import NAME as SCRAM
from ..sasl.scram import PLUS as SCRAM_PLUS
from ..sasl.scram import KeysWanted, Proven, Refuted, ScramServer, ScramStep
from .accounts import Accounts, TooBusy
from .tokens import Tokens

NONCE = 18
"""Octets of a server's nonce, written as 24 characters (RFC 5802 §5.1)."""


class Why(Enum):
    """Of what kind a denial is."""

    MALFORMED = "malformed"
    """What the client sent is not of the mechanism."""
    WRONG = "wrong"
    """User, password, proof or token; it counts as a failed login."""
    FORBIDDEN = "forbidden"
    """The client is who it says, and wants to act for somebody else."""
    LATER = "later"
    """Nothing was verified."""


@dataclass(frozen=True, slots=True)
class Denial:
    """
    Nobody has logged in; the exchange is over.

    Attributes:
        why: Of what kind.
        text: For people, in ASCII.
        login: As whom the client wanted to log in, as far as it said; for the log.

    """

    why: Why
    text: str
    login: str = ""


Outcome = Challenge | Account | Denial

WRONG_PASSWORD = "User or password is wrong"
NOT_FOR_OTHERS = "Nobody may act for somebody else here"


@dataclass(frozen=True, slots=True)
class LoginOptions:
    """
    What is offered.

    Attributes:
        bindings: Channel bindings of every TLS connection, by name; none: SCRAM-SHA-256-PLUS is not offered.
        plaintext_off_loopback: Let other machines log in without TLS. Only for tests in a closed network.

    """

    bindings: Mapping[str, bytes] = field(default_factory=dict)
    plaintext_off_loopback: bool = False


class Logins:
    """How clients of one server log in."""

    def __init__(self, accounts: Accounts, options: LoginOptions | None = None, tokens: Tokens | None = None) -> None:
        """
        Take what verifies.

        Args:
            accounts: Who may.
            options: What is offered.
            tokens: Whose OAuth tokens are whose; None: they are not offered.

        """
        self.accounts = accounts
        self.options = options or LoginOptions()
        self.tokens = tokens

    def private(self, pump: Pump) -> bool:
        """Return whether logins are taken on the connection: nobody on the way can read it."""
        return pump.tls or pump.loopback or self.options.plaintext_off_loopback

    def mechanisms(self, pump: Pump) -> tuple[str, ...]:
        """Return the mechanisms that work on the connection as it stands, the better ones first."""
        return self._mechanisms(pump, pump.tls) if self.private(pump) else ()

    def mechanisms_under_tls(self, pump: Pump) -> tuple[str, ...]:
        """Return the ones that work if TLS is on; by STARTTLS of SMTP nobody is asked for a certificate."""
        return self._mechanisms(pump, True)

    def _mechanisms(self, pump: Pump, tls: bool) -> tuple[str, ...]:
        scram = self.accounts.offers_scram()
        found = {
            SCRAM_PLUS: scram and tls and bool(self.options.bindings),
            SCRAM: scram,
            "EXTERNAL": bool(pump.shown),
            "OAUTHBEARER": self.tokens is not None,
            "XOAUTH2": self.tokens is not None,
        } | dict.fromkeys(SERVER_MECHANISMS, True)
        return tuple([name for name, works in found.items() if works])

    def begin(self, mechanism: str, pump: Pump) -> "Exchange | None":
        """Return a new exchange, None if the mechanism is not offered on the connection."""
        return Exchange(self, mechanism, pump) if mechanism in self.mechanisms(pump) else None

    async def with_password(self, claimed: Credentials, address: str) -> Account | Denial:
        """
        Verify name and password.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """
        if claimed.authzid and claimed.authzid != claimed.authcid:
            return Denial(Why.FORBIDDEN, NOT_FOR_OTHERS, claimed.authcid)
        try:
            account = await self.accounts.verify(claimed.authcid, claimed.password, address)
        except TooBusy as busy:
            return Denial(Why.LATER, str(busy), claimed.authcid)
        return account or Denial(Why.WRONG, WRONG_PASSWORD, claimed.authcid)

    async def with_certificate(self, claimed: Claim, shown: tuple[str, ...], address: str) -> Account | Denial:
        """
        Find the account of a verified certificate: the first that one of its names is, or the one that was asked for.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """

        async def check() -> Account | None:
            named = [account for name in shown if (account := await self.accounts.named(name)) is not None]
            wanted = await self.accounts.named(claimed.authzid) if claimed.authzid else next(iter(named), None)
            return wanted if wanted in named else None

        who = claimed.authzid or ", ".join(shown)
        return await self._attempt(who, address, check, Denial(Why.WRONG, "The certificate is not of an account", who))

    async def with_token(self, claimed: Token, address: str) -> Account | Denial:
        """
        Find the account that a token lets in.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """

        async def check() -> Account | None:
            if self.tokens is None:
                raise RuntimeError("tokens are not offered")
            account = await self.accounts.named(await self.tokens.owner(claimed.token))
            return account if not claimed.user or account == await self.accounts.named(claimed.user) else None

        denial = Denial(Why.WRONG, "The token is not valid here", claimed.user)
        return await self._attempt(claimed.user, address, check, denial)

    async def with_proof(self, claimed: str, address: str, check: Callable[[], Account | None]) -> Account | Denial:
        """Judge a proof of SCRAM."""

        async def checked() -> Account | None:
            return check()

        return await self._attempt(claimed, address, checked, Denial(Why.WRONG, WRONG_PASSWORD, claimed))

    async def _attempt(
        self, login: str, address: str, check: Callable[[], Awaitable[Account | None]], denial: Denial
    ) -> Account | Denial:
        try:
            return await self.accounts.attempt(login, address, check) or denial
        except TooBusy as busy:
            return Denial(Why.LATER, str(busy), login)


class Exchange:
    """One exchange of any mechanism."""

    __slots__ = ("_account", "_claimed", "_denial", "_logins", "_mechanism", "_proven", "_pump")

    def __init__(self, logins: Logins, mechanism: str, pump: Pump) -> None:
        """Begin with a mechanism that is offered on the connection."""
        self._logins = logins
        self._pump = pump
        self._claimed = ""
        self._account: Account | None = None
        self._proven: Account | None = None
        self._denial: Denial | None = None
        self._mechanism: ServerMechanism | ScramServer | ExternalServer | OAuthServer
        if mechanism in (SCRAM, SCRAM_PLUS):
            bindings = logins.options.bindings if pump.tls else {}
            self._mechanism = ScramServer(secrets.token_urlsafe(NONCE), bindings, mechanism == SCRAM_PLUS)
        elif mechanism == "EXTERNAL":
            self._mechanism = ExternalServer()
        elif mechanism in ("OAUTHBEARER", "XOAUTH2"):
            self._mechanism = OAuthServer(mechanism == "XOAUTH2")
        else:
            self._mechanism = SERVER_MECHANISMS[mechanism]()

    @property
    def proven(self) -> bool:
        """Whether the challenge that was returned is the last: the client has shown who it is, its answer is empty."""
        return self._proven is not None

    async def step(self, response: bytes | None) -> Outcome:
        """
        Take the client's response, decoded; None at first if it sent no initial one.

        Raises:
            StoreUnavailable: The accounts cannot be read.

        """
        mechanism, address = self._mechanism, self._pump.address
        if isinstance(mechanism, ScramServer) and self._claimed and self._proven is None:
            return await self._prove(mechanism, response)
        step = mechanism.step(response)
        match step:
            case Challenge():
                return step
            case Malformed():
                return Denial(Why.MALFORMED, f"Not what the mechanism wants: {step.reason}")
            case Credentials():
                return await self._logins.with_password(step, address)
            case Claim():
                return await self._logins.with_certificate(step, self._pump.shown, address)
            case Token():
                return await self._take_token(step)
            case TokenRefused():
                return self._denial or Denial(Why.MALFORMED, "Nothing is expected here")
            case KeysWanted():
                return await self._give_keys(step)
            case Proven():
                return self._admit(step)
            case Refuted():
                return Denial(Why.WRONG, "Somebody in between has taken channel binding away")

    async def _give_keys(self, wanted: KeysWanted) -> Challenge:
        assert isinstance(self._mechanism, ScramServer)
        self._claimed = wanted.authcid
        self._account, keys = await self._logins.accounts.keys(wanted.authcid)
        return self._mechanism.keys_found(keys)

    async def _prove(self, mechanism: ScramServer, response: bytes | None) -> Outcome:
        """Judge the proof at the pace of all logins; right, it is answered by ours before the exchange is over."""
        said: list[ScramStep] = []

        def check() -> Account | None:
            said.append(mechanism.step(response))
            return self._account if isinstance(said[0], Challenge) else None

        outcome = await self._logins.with_proof(self._claimed, self._pump.address, check)
        if isinstance(outcome, Denial):
            return outcome
        self._proven = outcome
        return said[0] if isinstance(said[0], Challenge) else Denial(Why.WRONG, WRONG_PASSWORD, self._claimed)

    def _admit(self, proven: Proven) -> Account | Denial:
        if proven.authzid and proven.authzid != proven.authcid:
            return Denial(Why.FORBIDDEN, NOT_FOR_OTHERS, proven.authcid)
        return self._proven or Denial(Why.WRONG, WRONG_PASSWORD, proven.authcid)

    async def _take_token(self, claimed: Token) -> Outcome:
        outcome = await self._logins.with_token(claimed, self._pump.address)
        tokens, mechanism = self._logins.tokens, self._mechanism
        if isinstance(outcome, Denial) and outcome.why is Why.WRONG:
            assert isinstance(mechanism, OAuthServer) and tokens is not None
            self._denial = outcome
            return mechanism.refuse("invalid_token", tokens.options.scope, tokens.options.discovery)
        return outcome


__all__ = ["Denial", "Exchange", "LoginOptions", "Logins", "Outcome", "Why"]
