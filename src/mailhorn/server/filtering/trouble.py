"""A script of somebody's own that does not work: its owner is told once, and it is marked, so that others can tell.

The mark is a file beside the script, LOGIN.problem: a line that says which version of the script it is about, and then
what is wrong. It is about the script only as long as that has not changed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import structlog

from ...sieve.dates import of_instant, std11
from ...sieve.questions import Instant
from ...sieve.writing import encoded_field, text_entity
from ..scripts import Script, problem_file
from .message import Message, Octets

log = structlog.get_logger("mailhorn.sieve")

MAX_TOLD = 10_000
"""Scripts of which it is kept in memory that their owner was told: for where no mark can be written."""


class Troubles:
    """What is wrong with whose scripts."""

    def __init__(self, hostname: str = "localhost", token: Callable[[], str] = lambda: os.urandom(16).hex()) -> None:
        """Sign with our name; `token` returns what nobody has seen before."""
        self._hostname = hostname
        self._token = token
        self._told: dict[Path, str] = {}

    def note(self, script: Script, reason: str, login: str, address: str, now: Instant) -> Message | None:
        """
        Take note that a script has failed.

        Args:
            script: Which.
            reason: What is wrong.
            login: Whose mail was looked at.
            address: Their address.
            now: When.

        Returns:
            What to put into the owner's INBOX; None if they know, or it is not theirs.

        """
        if not script.complained:
            script.complained = True
            log.error("a Sieve script failed, mail goes to INBOX", script=str(script.path), login=login, reason=reason)
        if not script.own or self._told.get(script.path) == script.digest:
            return None
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[script.path] = script.digest
        mark = problem_file(script.path)
        try:
            known = mark.read_text("utf-8", "replace").partition("\n")[0] == script.digest
        except OSError:
            known = False
        if known:
            return None
        try:
            new = mark.with_name(f".{mark.name}.new")
            new.write_text(f"{script.digest}\n{reason}\n", "utf-8", "backslashreplace")
            os.replace(new, mark)
        except OSError as error:
            log.warning("a script that failed cannot be marked", mark=str(mark), reason=str(error))
        return Message(Octets(self._letter(reason, address, now)), original=False)

    def _letter(self, reason: str, address: str, now: Instant) -> bytes:
        head = encoded_field("Date", std11(of_instant(now.seconds, now.zone)))
        head += encoded_field("Message-ID", f"<{self._token()}@{self._hostname}>")
        head += encoded_field("From", f"Mail rules <postmaster@{self._hostname}>")
        head += encoded_field("To", f"<{address}>") + encoded_field("Subject", "Your mail rules do not work")
        head += b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        told = (
            "Your script of mail rules could not be used for a message. That message is in your INBOX, and so is each\n"
            "one that the script fails for; nothing is lost. This is what is wrong:\n\n"
            f"{reason}\n\n"
            "You will not be told again until you have changed the script.\n"
        )
        return head + text_entity(told)


__all__ = ["Troubles"]
