"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), both roles.

Neither side learns the password from the other, and each proves itself. Rule 1: nonces and channel bindings come in as
arguments. Rule 2: the client derives keys at a cost the server chooses, so it has an upper limit, and `answer` is to
be called in a thread. Rule 3: who is not known gets a challenge like everybody else: keys that nobody can prove.
"""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass, field

from .exchange import MAX_RESPONSE, Challenge, Malformed, text
from .saslprep import saslprep

NAME = "SCRAM-SHA-256"
PLUS = "SCRAM-SHA-256-PLUS"
MIN_ITERATIONS = 4096
"""RFC 7677 §4."""
MAX_ITERATIONS = 4_000_000
"""What a client lets a server ask for: some seconds of its processor."""
MAX_NONCE = 512
"""Octets of a nonce; ours have 24."""

_GS2 = re.compile(rb"(?:([ny])|p=([A-Za-z0-9.\-]{1,64})),(?:a=([^,]*))?,")
_FIRST = re.compile(rb"n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?", re.DOTALL)
_SERVER_FIRST = re.compile(
    rb"r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,8})(?:,.*)?",
    re.DOTALL,
)
_FINAL = re.compile(rb"(c=([A-Za-z0-9+/=]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)", re.DOTALL)
_ESCAPE = re.compile(r"=(2C|3D)?")


@dataclass(frozen=True, slots=True)
class Keys:
    """
    What a server keeps of a password (RFC 5802 §3). It lets nobody log in, but guesses can be tried on it.

    Attributes:
        iterations: What a guess costs.
        salt: Of these keys only.
        stored_key: What a client's proof is checked with.
        server_key: What the server proves itself with.

    """

    iterations: int
    salt: bytes
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """The server needs the keys of this name: give them to `keys_found`."""

    authcid: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The client has the password of `authcid` and wants to act as `authzid`, "" for itself."""

    authzid: str
    authcid: str


@dataclass(frozen=True, slots=True)
class Refuted:
    """The client has not the password, or somebody sits between us; the exchange is over."""


ScramStep = Challenge | KeysWanted | Proven | Refuted | Malformed


def prepared(password: str | bytes) -> bytes:
    """
    Return a password in the form in which its keys are made: by SASLprep, and as it is where that allows it not.

    So nobody is refused a password that the Unicode of 2002 did not know. PostgreSQL and its clients do the same.
    """
    try:
        return saslprep(password if isinstance(password, str) else password.decode()).encode()
    except ValueError:
        return password.encode() if isinstance(password, str) else password


def derive(password: str | bytes, salt: bytes, iterations: int) -> Keys:
    """Return the keys of a password. Slow on purpose: call it in a thread."""
    salted = _salted(prepared(password), salt, iterations)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    return Keys(iterations, salt, stored_key, _hmac(salted, b"Server Key"))


class ScramServer:
    """The server's role in one exchange."""

    __slots__ = ("_authcid", "_authzid", "_auth", "_bindings", "_gs2", "_keys", "_nonce", "_plus", "_proven")

    def __init__(self, nonce: str, bindings: Mapping[str, bytes] | None = None, plus: bool = False) -> None:
        """
        Begin.

        Args:
            nonce: Random, printable, without a comma.
            bindings: Channel bindings this connection has, by their names: then PLUS is offered on it, too.
            plus: Whether the client chose PLUS.

        """
        self._nonce = nonce.encode("ascii")
        self._bindings = dict(bindings or {})
        self._plus = plus
        self._auth = b""
        self._gs2 = b""
        self._authzid = self._authcid = ""
        self._keys: Keys | None = None
        self._proven = False

    def step(self, response: bytes | None) -> ScramStep:
        """Take the client's response, decoded; None at first if it sent no initial one."""
        if response is None:
            return Challenge(b"")
        if len(response) > MAX_RESPONSE:
            return Malformed("too long")
        if self._proven:
            return Malformed("nothing is expected here") if response else Proven(self._authzid, self._authcid)
        return self._first(response) if self._keys is None else self._final(response, self._keys)

    def keys_found(self, keys: Keys) -> Challenge:
        """Go on with the keys of the name that was asked for."""
        self._keys = keys
        first = b"r=" + self._nonce + b",s=" + b64encode(keys.salt) + b",i=%d" % keys.iterations
        self._auth += b"," + first
        return Challenge(first)

    def _first(self, message: bytes) -> ScramStep:
        """client-first-message = gs2-header client-first-message-bare (RFC 5802 §7)."""
        gs2 = _GS2.match(message)
        bare = _FIRST.fullmatch(message, gs2.end()) if gs2 else None
        if gs2 is None or bare is None:
            return Malformed("not a first message")
        authcid, authzid = _unescaped(bare[1]), _unescaped(gs2[3] or b"")
        if not authcid or authzid is None or len(bare[2]) > MAX_NONCE:
            return Malformed("not a name, or too long a nonce")
        if gs2[1] == b"y" and self._bindings:
            return Refuted()  # the client has bindings and was not shown ours: somebody took PLUS away (RFC 5802 §6)
        if (gs2[2] is not None) is not self._plus:
            return Malformed("PLUS and a channel binding go together")
        if gs2[2] is not None and gs2[2].decode("ascii") not in self._bindings:
            return Malformed("no such channel binding here: there is " + (", ".join(self._bindings) or "none"))
        self._gs2 = gs2[0] + (self._bindings[gs2[2].decode("ascii")] if gs2[2] else b"")
        self._authcid, self._authzid = authcid, authzid
        self._nonce = bare[2] + self._nonce
        self._auth = message[gs2.end() :]
        return KeysWanted(authcid)

    def _final(self, message: bytes, keys: Keys) -> ScramStep:
        """client-final-message = channel-binding "," nonce ["," extensions] "," proof (RFC 5802 §7)."""
        found = _FINAL.fullmatch(message)
        binding, proof = (_decoded(found[2]), _decoded(found[4])) if found else (None, None)
        if found is None or binding is None or proof is None or len(proof) != 32:
            return Malformed("not a final message")
        auth = self._auth + b"," + found[1]
        key = _xor(proof, _hmac(keys.stored_key, auth))
        right = hmac.compare_digest(hashlib.sha256(key).digest(), keys.stored_key)
        if not (right and hmac.compare_digest(binding, self._gs2) and hmac.compare_digest(found[3], self._nonce)):
            return Refuted()
        self._proven = True
        return Challenge(b"v=" + b64encode(_hmac(keys.server_key, auth)))


class ScramClient:
    """
    The client's role in one exchange.

    Attributes:
        name: SCRAM-SHA-256, or PLUS where a channel binding is given.
        verified: The server has proved that it knows the password. An OK without it is worth nothing.
        disproved: The server tried to, and does not know it.

    """

    __slots__ = (
        "_auth",
        "_bare",
        "_binding",
        "_gs2",
        "_nonce",
        "_password",
        "_signature",
        "disproved",
        "name",
        "verified",
    )

    def __init__(
        self,
        authcid: str,
        password: str,
        nonce: str,
        binding: tuple[str, bytes] | None = None,
        authzid: str = "",
        could_bind: bool = False,
    ) -> None:
        """
        Begin.

        Args:
            authcid: Whose password it is.
            password: In any form; it is prepared.
            nonce: Random, printable, without a comma.
            binding: Name and octets of the channel binding, if the server offers PLUS and there is one.
            authzid: Whom to act as, "" for oneself.
            could_bind: There is a channel binding, and the server does not offer PLUS.

        Raises:
            ValueError: Name or password are empty, or SASLprep does not allow the name.

        """
        if not authcid or not password:
            raise ValueError("name and password may not be empty")
        flag = b"p=" + binding[0].encode("ascii") if binding else b"y" if could_bind else b"n"
        zid = b"a=" + _escaped(authzid) if authzid else b""
        self.name = PLUS if binding else NAME
        self.verified = self.disproved = False
        self._gs2 = flag + b"," + zid + b","
        self._binding = binding[1] if binding else b""
        self._nonce = nonce.encode("ascii")
        self._password = prepared(password)
        self._bare = b"n=" + _escaped(authcid) + b",r=" + self._nonce
        self._signature: bytes | None = None

    def initial(self) -> bytes:
        """Return client-first-message."""
        return self._gs2 + self._bare

    def answer(self, challenge: bytes) -> bytes | None:
        """Return the response to a challenge, None to cancel: the server is not what it says."""
        if self._signature is None:
            return self._final(challenge)
        self.verified = hmac.compare_digest(challenge, b"v=" + b64encode(self._signature))
        self.disproved = challenge.startswith(b"v=") and not self.verified
        return b"" if self.verified else None

    def _final(self, first: bytes) -> bytes | None:
        found = _SERVER_FIRST.fullmatch(first)
        salt = _decoded(found[2]) if found else None
        if found is None or not salt or len(found[1]) > MAX_NONCE:
            return None
        nonce, iterations = found[1], int(found[3])
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            return None
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            return None
        salted = _salted(self._password, salt, iterations)
        without_proof = b"c=" + b64encode(self._gs2 + self._binding) + b",r=" + nonce
        auth = self._bare + b"," + first + b"," + without_proof
        key = _hmac(salted, b"Client Key")
        proof = _xor(key, _hmac(hashlib.sha256(key).digest(), auth))
        self._signature = _hmac(_hmac(salted, b"Server Key"), auth)
        return without_proof + b",p=" + b64encode(proof)


def _salted(password: bytes, salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes([a ^ b for a, b in zip(one, other, strict=True)])


def _decoded(data: bytes) -> bytes | None:
    try:
        return b64decode(data, validate=True)
    except (Base64Error, ValueError):
        return None


def _escaped(name: str) -> bytes:
    return saslprep(name).replace("=", "=3D").replace(",", "=2C").encode()


def _unescaped(name: bytes) -> str | None:
    decoded = text(name)
    if decoded is None or any(found[1] is None for found in _ESCAPE.finditer(decoded)):
        return None
    try:
        return saslprep(decoded.replace("=2C", ",").replace("=3D", "="))
    except ValueError:
        return None


__all__ = [
    "MAX_ITERATIONS",
    "MIN_ITERATIONS",
    "NAME",
    "PLUS",
    "Keys",
    "KeysWanted",
    "Proven",
    "Refuted",
    "ScramClient",
    "ScramServer",
    "derive",
    "prepared",
]
