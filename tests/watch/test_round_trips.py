"""From EXISTS to what the rules want: two round trips, and where it cannot be two, no more than need be.

The server is half a second away, on a clock that stands still while the watcher works: the time it takes is nothing but
round trips. A flight is what the watcher says without waiting.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.kit.stage import CAPABILITIES, Stage, idle, mail, on_stage, ready

from mailhorn.net.tls import self_signed, server_context
from mailhorn.testing import Peer
from mailhorn.watch.account import Security
from mailhorn.watch.facts import install

AWAY = 0.5
"""Seconds from the end of a flight to its answer."""

Flight = Sequence[tuple[str, Sequence[str]]]
"""Commands, and what is said to each."""


@dataclass(frozen=True)
class Case:
    """
    What is announced, and what is said until it is done.

    Attributes:
        flights: The watcher's, and their answers.
        subjects: Of the messages, which have the UIDs from 5 on.
        capabilities: The server's.
        account: What is different about the account.

    """

    flights: Sequence[Flight]
    subjects: Sequence[str] = ("list",)
    capabilities: str = CAPABILITIES
    account: tuple[tuple[str, Any], ...] = ()


def looks(*subjects: str) -> Flight:
    """The first flight: IDLE is ended, and what is new is asked for, in one."""
    return ("DONE", ["$ OK idled"]), ("UID FETCH", [*(mail(5 + i, s) for i, s in enumerate(subjects)), "$ OK fetched"])


FLAGS = install('require "imap4flags"; addflag "\\\\Flagged";')
MOVE: Flight = (("UID MOVE", ["* OK [COPYUID 70 5 35] moved", "* 5 EXPUNGE", "$ OK done"]),)
COPY: Flight = (("UID COPY", ["$ OK [COPYUID 70 5 35] copied"]),)
STORE: Flight = (("UID STORE", ["$ OK stored"]),)
EXPUNGE: Flight = (("UID EXPUNGE", ["* 5 EXPUNGE", "$ OK expunged"]),)
MANY: Flight = (("UID MOVE", ["* OK [COPYUID 70 5:9 35:39] moved", "* VANISHED 5:9", "$ OK done"]),)
ALONE: Flight = (("UID MOVE", ["* 5 EXPUNGE", "$ OK done"]),)
MISSING: Flight = (("UID MOVE", ["$ NO [TRYCREATE] no such mailbox"]),)
CREATE: Flight = (("CREATE", ["$ OK created"]),)
SUBSCRIBE: Flight = (("SUBSCRIBE", ["$ OK subscribed"]),)
CONFUSED: Flight = (("DONE", ["$ OK idled"]), ("UID FETCH", ["$ BAD not while idling"]))
AGAIN: Flight = (("UID FETCH", [mail(5), "$ OK fetched"]),)

TWO = {
    "move": Case([looks("list"), MOVE]),
    "move, by IMAP4rev2": Case([looks("list"), MOVE], capabilities="IMAP4rev2 IDLE"),
    "move, no UIDPLUS": Case([looks("list"), ALONE], capabilities="IMAP4rev1 IDLE MOVE"),
    "move five": Case([looks(*["list"] * 5), MANY], ["list"] * 5),
    "copy": Case([looks("both"), COPY], ["both"]),
    "flag": Case([looks("list"), STORE], account=(("program", FLAGS),)),
    "discard": Case([looks("spam"), MOVE], ["spam"], account=(("trash", "Bin"),)),
}
MORE = {
    "no MOVE": Case([looks("list"), COPY, STORE, EXPUNGE], capabilities="IMAP4rev1 IDLE UIDPLUS"),
    "no target": Case([looks("list"), MISSING, CREATE, SUBSCRIBE, MOVE]),
    "no commands behind DONE": Case([CONFUSED, AGAIN, MOVE]),
}


async def play(stage: Stage, case: Case, server_tls: ssl.SSLContext | None = None, **account: Any) -> None:
    """Announce mail, be half a second away, and see how many round trips it took until all was done."""

    async def scenario(peer: Peer) -> None:
        await ready(peer, capabilities=case.capabilities)
        await peer.say(f"* {4 + len(case.subjects)} EXISTS")
        for flight in case.flights:
            answers: list[str] = []
            for name, lines in flight:
                await peer.command(name)  # DONE has no tag; `peer.tag` is that of the IDLE then
                answers += [line.replace("$", peer.tag, 1) if line.startswith("$") else line for line in lines]
            await peer.wait(AWAY)
            await peer.say(*answers)
        await idle(peer)
        await peer.gone()

    async with stage.play(scenario, server_tls=server_tls, **{**dict(case.account), **account}):
        async with asyncio.timeout(10 * AWAY):
            await stage.files(*range(5, 5 + len(case.subjects)))
        for filed in stage.filed:
            assert filed.heard_at is not None
            assert filed.filed_at - filed.heard_at == pytest.approx(len(case.flights) * AWAY)
        await stage.until(lambda: stage.server.peers[0].heard[-1].name == "IDLE")


@pytest.mark.parametrize("case", TWO.values(), ids=TWO)
@on_stage()
async def test_two_round_trips(stage: Stage, case: Case) -> None:
    """One to learn what came, one to act."""
    assert len(case.flights) == 2
    await play(stage, case)


@on_stage()
async def test_two_round_trips_over_tls(stage: Stage, tmp_path: Path) -> None:
    """TLS makes none of them longer."""
    certificate, key = self_signed(tmp_path, ["127.0.0.1"])
    await play(stage, TWO["move"], server_context(certificate, key), tls=Security.IMPLICIT, ca_file=certificate)


@pytest.mark.parametrize("case", MORE.values(), ids=MORE)
@on_stage()
async def test_no_more_than_need_be(stage: Stage, case: Case) -> None:
    """What a server cannot do in one command takes a round trip for each that it needs, and none beside them."""
    await play(stage, case)
