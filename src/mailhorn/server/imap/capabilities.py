"""What the server offers, as data: the one list of which every CAPABILITY answer is made, and docs/reference/imap.md.

Rule 1: a line stands here if, and only if, all of its RFC that a client can ask for works.
Rule 2: each line names the dialogues of tests/dialogues that prove it.
`python -m mailhorn.server.imap.capabilities` prints the page; `./dev reference` writes it.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class When(Enum):
    """In which state a capability is offered; the value is how the page says it."""

    ALWAYS = "always"
    BEFORE_TLS = "before login, in the clear, if there is a certificate"
    LOGIN_ALLOWED = "before login, where a password may be sent: under TLS or from this machine"
    WITH_KEYS = "before login, where a password may be sent, once all accounts have keys for it"
    WITH_CHANNEL = "before login, under TLS, once all accounts have keys for it"
    WITH_CERTIFICATE = "before login, to who has shown a certificate of the authority that is set"
    WITH_TOKENS = "before login, where a password may be sent, if a server that verifies tokens is set"
    LOGIN_FORBIDDEN = "before login, where no password may be sent"
    AFTER_LOGIN = "after login"


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What decides which capabilities are offered on a connection now.

    Attributes:
        logged_in: Somebody has logged in.
        can_start_tls: The connection is in the clear, and there is a certificate.
        mechanisms: How the client may log in now, by the names of SASL; () if not yet.
        append_limit: Largest message APPEND takes, octets.
        message_limit: Messages that one command may name.
        withheld: Names of what the program cannot cope with.
        sieve: URL of the ManageSieve server for scripts that run after what clients do; "" if none do.

    """

    logged_in: bool
    append_limit: int
    can_start_tls: bool = False
    mechanisms: tuple[str, ...] = ()
    message_limit: int = 1_000_000
    withheld: frozenset[str] = frozenset()
    sieve: str = ""


@dataclass(frozen=True, slots=True)
class Capability:
    """
    One capability.

    Attributes:
        name: As it is offered; what stands in braces is a number that is a setting.
        rfcs: Where it is defined; none for what never was a standard.
        when: In which state it is offered.
        what: What it gives a client, in one line.
        dialogues: Files of tests/dialogues, without their ending.

    """

    name: str
    rfcs: tuple[int, ...]
    when: When
    what: str
    dialogues: tuple[str, ...]


_ALWAYS, _AFTER = When.ALWAYS, When.AFTER_LOGIN

CAPABILITIES = (
    Capability("IMAP4rev1", (3501,), _ALWAYS, "the protocol", ("states", "fetch", "flags", "search", "mailboxes")),
    Capability(
        "IMAP4rev2",
        (9051,),
        _ALWAYS,
        "the protocol as it is now, once it is enabled",
        ("rev2", "rev2-names", "rev2-authenticated", "rev2-selected", "rev2-codes", "rev2-others"),
    ),
    Capability("LITERAL+", (7888,), _ALWAYS, "literals that do not wait to be asked for", ("append",)),
    Capability("SASL-IR", (4959,), _ALWAYS, "AUTHENTICATE with its first response", ("authenticate",)),
    Capability("ID", (2971,), _ALWAYS, "who is who, for logs and bug reports", ("connection",)),
    Capability(
        "ENABLE", (5161,), _ALWAYS, "extensions that change answers are turned on by the client", ("connection",)
    ),
    Capability(
        "IDLE", (2177,), _ALWAYS, "what happens is told at once", ("idle", "idle-last-moment", "idle-without-mailbox")
    ),
    Capability("STARTTLS", (3501, 9051), When.BEFORE_TLS, "TLS on the connection as it is", ("capabilities",)),
    Capability(
        "AUTH=SCRAM-SHA-256-PLUS",
        (5802, 7677, 5929),
        When.WITH_CHANNEL,
        "the same, and nobody can sit in between (`tls-server-end-point`)",
        ("scram",),
    ),
    Capability(
        "AUTH=SCRAM-SHA-256",
        (5802, 7677),
        When.WITH_KEYS,
        "both sides prove that they know the password, and none is sent",
        ("scram",),
    ),
    Capability("AUTH=EXTERNAL", (4422,), When.WITH_CERTIFICATE, "a certificate instead of a password", ("external",)),
    Capability("AUTH=OAUTHBEARER", (7628,), When.WITH_TOKENS, "a token instead of a password", ("oauth",)),
    Capability("AUTH=XOAUTH2", (), When.WITH_TOKENS, "the same, as it was before the standard", ("oauth",)),
    Capability("AUTH=PLAIN", (4616,), When.LOGIN_ALLOWED, "name and password in one message", ("authenticate",)),
    Capability("AUTH=LOGIN", (), When.LOGIN_ALLOWED, "name, then password; for old devices", ("authenticate",)),
    Capability("LOGINDISABLED", (3501, 9051), When.LOGIN_FORBIDDEN, "no password now: TLS first", ("capabilities",)),
    Capability("UTF8=ACCEPT", (6855,), _AFTER, "names, strings and headers in UTF-8, once it is enabled", ("utf8",)),
    Capability("NAMESPACE", (2342,), _AFTER, "where whose mailboxes are", ("mailboxes",)),
    Capability("CHILDREN", (3348,), _AFTER, "LIST says what has mailboxes below it", ("mailboxes",)),
    Capability("LIST-EXTENDED", (5258,), _AFTER, "LIST of what is subscribed, or below it", ("list-extended",)),
    Capability("LIST-STATUS", (5819,), _AFTER, "LIST and STATUS in one", ("list-status",)),
    Capability("SPECIAL-USE", (6154,), _AFTER, "which mailbox is for drafts, for what was sent …", ("special-use",)),
    Capability("CREATE-SPECIAL-USE", (6154,), _AFTER, "CREATE says what the mailbox is for", ("special-use",)),
    Capability(
        "OBJECTID",
        (8474,),
        _AFTER,
        "names of mailboxes and messages that stay",
        ("objectid",),
    ),
    Capability("SAVEDATE", (8514,), _AFTER, "when a message came into its mailbox", ("savedate",)),
    Capability("METADATA", (5464,), _AFTER, "notes of mailboxes and of the account", ("metadata",)),
    Capability("LIST-METADATA", (9590,), _AFTER, "LIST and GETMETADATA in one", ("metadata",)),
    Capability(
        "ACL",
        (4314,),
        _AFTER,
        "mailboxes that several use, with rights for each of them",
        ("acl", "acl-two", "acl-flags", "acl-metadata", "acl-revoked", "acl-search"),
    ),
    Capability("RIGHTS=texk", (4314,), _AFTER, "which rights there are beyond those of RFC 2086", ("acl",)),
    Capability("LIST-MYRIGHTS", (8440,), _AFTER, "LIST and MYRIGHTS in one", ("list-myrights",)),
    Capability("QUOTA", (9208,), _AFTER, "how much an account may keep, and keeps", ("quota",)),
    Capability("QUOTA=RES-STORAGE", (9208,), _AFTER, "in octets", ("quota",)),
    Capability("QUOTA=RES-MESSAGE", (9208,), _AFTER, "in messages", ("quota",)),
    Capability("QUOTA=RES-MAILBOX", (9208,), _AFTER, "in mailboxes", ("quota",)),
    Capability("STATUS=SIZE", (8438,), _AFTER, "how many octets a mailbox holds", ("list-status",)),
    Capability(
        "UIDPLUS",
        (4315,),
        _AFTER,
        "UID EXPUNGE, and the UIDs of what was appended or copied",
        ("append", "copy-move", "uid-expunge"),
    ),
    Capability("MULTIAPPEND", (3502,), _AFTER, "several messages at a time, all or none", ("multiappend",)),
    Capability("CATENATE", (4469,), _AFTER, "APPEND of texts and of parts of messages that are here", ("catenate",)),
    Capability("REPLACE", (8508,), _AFTER, "a new message in the place of one, in one step", ("replace",)),
    Capability("APPENDLIMIT={append_limit}", (7889,), _AFTER, "how many octets a message may have", ("appendlimit",)),
    Capability(
        "UNAUTHENTICATE", (8437,), _AFTER, "to log in as somebody else on the same connection", ("unauthenticate",)
    ),
    Capability("COMPRESS=DEFLATE", (4978,), _AFTER, "both directions compressed", ("compress",)),
    Capability("UNSELECT", (3691,), _AFTER, "to leave a mailbox without expunging", ("states",)),
    Capability("PREVIEW", (8970,), _AFTER, "the first words of a message", ("preview",)),
    Capability("BINARY", (3516,), _AFTER, "parts without their transfer encoding, and NUL in APPEND", ("binary",)),
    Capability("MOVE", (6851,), _AFTER, "to another mailbox in one step", ("copy-move",)),
    Capability(
        "CONDSTORE",
        (7162,),
        _AFTER,
        "mod-sequences: what changed since, and STORE only if nothing did",
        ("condstore", "condstore-two", "condstore-enabling"),
    ),
    Capability(
        "QRESYNC",
        (7162,),
        _AFTER,
        "SELECT tells what happened while the client was away",
        ("qresync", "qresync-two", "qresync-select"),
    ),
    Capability("ESEARCH", (4731,), _AFTER, "SEARCH tells only what was asked for: MIN, MAX, COUNT, ALL", ("esearch",)),
    Capability("SEARCHRES", (5182,), _AFTER, "`$` is what the last search found", ("searchres",)),
    Capability("WITHIN", (5032,), _AFTER, "SEARCH by age: YOUNGER, OLDER", ("within",)),
    Capability("SORT", (5256,), _AFTER, "results in the order asked for", ("sort",)),
    Capability("SORT=DISPLAY", (5957,), _AFTER, "SORT by names as people see them", ("sort",)),
    Capability("THREAD=ORDEREDSUBJECT", (5256,), _AFTER, "conversations by subject", ("thread",)),
    Capability("THREAD=REFERENCES", (5256,), _AFTER, "conversations by what answers what", ("thread",)),
    Capability("ESORT", (5267,), _AFTER, "SORT tells only what was asked for", ("sort",)),
    Capability("CONTEXT=SEARCH", (5267,), _AFTER, "results of SEARCH are kept up to date", ("context", "partial")),
    Capability("CONTEXT=SORT", (5267,), _AFTER, "results of SORT are kept up to date", ("context", "sort")),
    Capability("PARTIAL", (9394,), _AFTER, "some of the results, from either end", ("partial",)),
    Capability("MULTISEARCH", (7377,), _AFTER, "ESEARCH looks into several mailboxes", ("multisearch",)),
    Capability("MESSAGELIMIT={message_limit}", (9738,), _AFTER, "messages one command may name", ("messagelimit",)),
    Capability("UIDONLY", (9586,), _AFTER, "no message numbers any more, once it is enabled", ("uidonly",)),
    Capability(
        "NOTIFY",
        (5465,),
        _AFTER,
        "what happens to any mailbox is told at once, also between commands",
        (
            "notify",
            "notify-flags",
            "notify-mailboxes",
            "notify-metadata",
            "notify-refused",
            "notify-selected",
            "notify-shared",
            "context-fetch",
        ),
    ),
    Capability(
        "IMAPSIEVE={sieve}", (6785,), _AFTER, "scripts run after APPEND, COPY, MOVE and for flags", ("imapsieve",)
    ),
    Capability("INPROGRESS", (9585,), _AFTER, "how far a command is that takes long", ("inprogress",)),
)


NOT_OFFERED: tuple[tuple[str, tuple[int, ...], str], ...] = (
    ("UTF8=ONLY", (6855,), "names in modified UTF-7 are taken as long as there are clients that write them"),
    ("LITERAL-", (7888,), "LITERAL+ says more, and only one of them may be offered; IMAP4rev2 has it in it"),
    ("QUOTASET", (9208,), "limits are settings of the server"),
)
"""Name, RFCs, and what is missing: for those who ask why."""


@lru_cache(maxsize=16)
def offered(standing: Standing) -> tuple[str, ...]:
    """Return what works as a connection stands, and nothing else, in the order of the list."""
    return tuple([_name(capability, standing) for capability in CAPABILITIES if _works(capability, standing)])


def _name(capability: Capability, standing: Standing) -> str:
    return capability.name.format(
        append_limit=standing.append_limit, message_limit=standing.message_limit, sieve=standing.sieve
    )


def _works(capability: Capability, standing: Standing) -> bool:
    if capability.name in standing.withheld or (not standing.sieve and capability.name == "IMAPSIEVE={sieve}"):
        return False
    if capability.name.startswith(_AUTH):
        return not standing.logged_in and capability.name.removeprefix(_AUTH) in standing.mechanisms
    return _OFFERED[capability.when](standing)


_AUTH = "AUTH="
_OFFERED: dict[When, Callable[[Standing], bool]] = {
    When.ALWAYS: lambda standing: True,
    When.BEFORE_TLS: lambda standing: standing.can_start_tls and not standing.logged_in,
    When.LOGIN_FORBIDDEN: lambda standing: not standing.mechanisms and not standing.logged_in,
    When.AFTER_LOGIN: lambda standing: standing.logged_in,
}

_HEAD = """\
# What the IMAP server speaks

Made by `./dev reference` from `src/mailhorn/server/imap/capabilities.py`, of which the CAPABILITY answers are made as
well. Each is proved by dialogues in `tests/dialogues`: what is said there is said by the real server over real
sockets, word for word.

| capability | RFC | offered | what it gives | proved by |
| --- | --- | --- | --- | --- |"""


_TAIL = """
## What is not offered, and why

| capability | RFC | what is missing |
| --- | --- | --- |"""


def page() -> str:
    """Return docs/reference/imap.md."""
    lines = [_HEAD]
    for capability in CAPABILITIES:
        name = capability.name.format(append_limit="n", message_limit="n", sieve="sieve://host")
        proofs = ", ".join(f"`{dialogue}`" for dialogue in capability.dialogues)
        lines.append(
            f"| `{name}` | {_links(capability.rfcs)} | {capability.when.value} | {capability.what} | {proofs} |"
        )
    lines.append(_TAIL)
    for name, rfcs, why in NOT_OFFERED:
        lines.append(f"| `{name}` | {_links(rfcs)} | {why} |")
    return "\n".join(lines) + "\n"


def _links(rfcs: tuple[int, ...]) -> str:
    return ", ".join(f"[{rfc}](https://www.rfc-editor.org/rfc/rfc{rfc})" for rfc in rfcs) or "none"


if __name__ == "__main__":
    sys.stdout.write(page())
