"""What scripts may require here: that depends on what the operator has set up. Found when a script is installed."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...sieve import Program, compile_script, offered
from ...sieve.check import Scripts as Included

ALWAYS = frozenset(
    ("envelope", "body", "now", "environment", "edit", "scripts", "mailbox id", "special use", "metadata", "refuse")
)
"""What delivery can tell and do in any case, as in `Extension.asks`."""

NEEDS_QUEUE = "{} needs a way out for mail, and this server has none: name a smarthost, host in [relay]"
NEEDS_LISTS = 'the extension "extlists" needs lists, and this server has none: name them in [sieve] lists'
NEEDS_HEADER = 'the extension "{}" needs a checker\'s verdict: set {} in [sieve]'
NEEDS_PROGRAMS = 'the extension "{}" needs programs that the administrator allows: set programs in [sieve]'
AT_AN_EVENT = "{} is for mail that is being delivered, not for what an IMAP client does (RFC 6785 §3.11)"

_LEAVE = ("reject", "vacation", "vacation-seconds", "enotify", "fcc")
_PROGRAMS = ("vnd.mailhorn.pipe", "vnd.mailhorn.filter", "vnd.mailhorn.execute")
_NOT_AT_EVENTS = ("reject", "ereject", "vacation", "vacation-seconds", "envelope")


def _no_scripts(place: str, name: str) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Abilities:
    """
    What there is beyond the least.

    Attributes:
        queue: Letters can leave.
        memory: What was seen and answered is remembered.
        lists: There are lists to look into.
        spam: A header field has a spam checker's verdict.
        virus: A header field has a virus checker's.
        programs: There are programs that may be run.
        events: Scripts run after what IMAP clients do, too.

    """

    queue: bool = False
    memory: bool = False
    lists: bool = False
    spam: bool = False
    virus: bool = False
    programs: bool = False
    events: bool = False

    def program(
        self, text: str, included: Included = _no_scripts, event: bool = False, checks_includes: bool = True
    ) -> Program:
        """
        Return the program of a script.

        Args:
            text: The script.
            included: Where the scripts are that it includes.
            checks_includes: See `compile_script`.
            event: It is for what IMAP clients do, not for delivery.

        Raises:
            SieveError: It does not compile, or asks for what cannot be done here; the text shows where, and says what
                is missing.

        """
        return compile_script(text, self.offers(event), self.refuses(event), included, checks_includes=checks_includes)

    def offers(self, event: bool = False) -> frozenset[str]:
        """Return what may be required, at delivery or after what an IMAP client did."""
        able = set(ALWAYS)
        for has, what in (
            (self.queue, "send"),
            (self.memory, "memory"),
            (self.lists, "lists"),
            (self.spam or self.virus, "verdicts"),
            (self.programs, "programs"),
            (self.events, "imap events"),
        ):
            if has:
                able.add(what)
        found = set(offered(able))
        if not self.spam:
            found -= {"spamtest", "spamtestplus"}
        if not self.virus:
            found.discard("virustest")
        return frozenset(found - set(_NOT_AT_EVENTS) if event else found)

    def refuses(self, event: bool = False) -> Mapping[str, str]:
        """Return why what may not be required or done is not, as far as there is more to say than that."""
        why: dict[str, str] = {}
        if not self.queue:
            why["redirect"] = NEEDS_QUEUE.format("redirect")
            why.update({name: NEEDS_QUEUE.format(f'the extension "{name}"') for name in _LEAVE})
        if not self.lists:
            why["extlists"] = NEEDS_LISTS
        if not self.spam:
            why.update({name: NEEDS_HEADER.format(name, "spam_header") for name in ("spamtest", "spamtestplus")})
        if not self.virus:
            why["virustest"] = NEEDS_HEADER.format("virustest", "virus_header")
        if not self.programs:
            why.update({name: NEEDS_PROGRAMS.format(name) for name in _PROGRAMS})
        if event:
            why.update({name: AT_AN_EVENT.format(f'the extension "{name}"') for name in _NOT_AT_EVENTS})
        offers = self.offers(event)
        return {name: text for name, text in why.items() if name == "redirect" or name not in offers}


__all__ = ["Abilities"]
