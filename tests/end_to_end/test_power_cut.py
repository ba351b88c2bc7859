"""`mailhorn serve` killed at any step of its way to the disk, and the power cut there as well.

A chain is one store that lives through several deaths; `MAILHORN_KILLS=200` makes many chains (CI has few), and
`MAILHORN_SEED` another book of chances. What a failure prints is enough to run that chain again.
"""

import contextlib
import imaplib
import os
import random
import shutil
from pathlib import Path

import pytest
from tests.kit.disk import AFTER, BEFORE, MIDDLE, Plan
from tests.kit.ledger import Ledger
from tests.kit.platter import Platter
from tests.kit.process import PATIENCE, message, running
from tests.kit.sick_disk import Clients, Mirror, SickDiskServer, begin_with_archive, opened, picture, text_of

from mailhorn.store.check import Checker

KILLS_IN_CHAIN, CUTS_IN_CHAIN = 5, 2
CHAINS = -(-int(os.environ.get("MAILHORN_KILLS", "25")) // KILLS_IN_CHAIN)
SEED = os.environ.get("MAILHORN_SEED", "mailhorn")

AT_WORK = 2.5
"""Seconds the clients work at most, should the operation that kills never come."""


def plan_of(server: SickDiskServer, chance: random.Random) -> Plan:
    """Return where it is to die: anywhere, in the Maildirs, in the database, or while it starts."""
    kind = chance.choice(("any", "any", "mail", "mail", "database", "journal", "checkpoint", "start"))
    most = {"any": 400, "mail": 120, "database": 300, "journal": 120, "checkpoint": 100, "start": 25}[kind]
    paths = {"mail": "/mail/", "database": r"index\.", "journal": r"\.journal$", "checkpoint": r"index\.sqlite$"}.get(
        kind, ""
    )
    return server.planned(
        "kill",
        at=1 + int(most ** chance.random()) if kind != "mail" else chance.randint(1, most),
        where=chance.choice((BEFORE, MIDDLE, AFTER)),
        paths=paths,
        armed=kind != "start",
    )


def store_with_archive(server: SickDiskServer, ledger: Ledger) -> Platter:
    """Make mailboxes and a model of the disk they are on, all of it flushed."""
    begin_with_archive(server, ledger)
    server.stop()
    return Platter(server.data)


def test_seen_after_a_kill(tmp_path: Path) -> None:
    """What a client has seen after a kill survives a power cut, though the killed server had not flushed it."""
    server = SickDiskServer(tmp_path)
    ledger, mirror = Ledger(), Mirror()
    chance = random.Random("seen")
    with running(server):
        platter = store_with_archive(server, ledger)
        server.plan = server.planned(
            "kill",
            at=8,
            kinds=("sync",),
            paths="-wal$",
            armed=True,
        )
        assert server.comes_up()
        server.armed.touch()
        with Clients(server, ledger, chance, "before").at_work():
            server.dies(PATIENCE)
        platter.follow(server.record)
        server.plan = server.planned(settle_after=60.0)
        assert server.comes_up()
        look_around(server, ledger, mirror)
        server.kill()
        platter.follow(server.record)
        platter.cut(chance, 0.0, 0.0)
        server.plan = None
        server.start()
        look_around(server, ledger, mirror)


def test_names_of_keywords(tmp_path: Path) -> None:
    """Cut between the list of keywords and its flush, letters in the names of files keep their meaning."""
    server = SickDiskServer(tmp_path)
    with running(server):
        store_with_archive(server, Ledger())
        append_with(server, "before")
        server.plan = server.planned(
            "kill",
            at=1,
            where=AFTER,
            kinds=("rename",),
            paths="keywords",
        )
        platter = Platter(server.data)
        append_with(server, "later")
        platter.follow(server.record)
        assert server.fired.exists()
        platter.cut(random.Random("keywords"), 0.0, 1.0)
        nothing_to_repair(server)


def test_a_spooled_body_stays_until_its_file_is_known(tmp_path: Path) -> None:
    """Cut just after a big body was removed from the spool, the index still knows where its file is."""
    server = SickDiskServer(tmp_path)
    big = message("big", "All work and no play.\n" * 10_000)
    with running(server):
        platter = store_with_archive(server, Ledger())
        server.plan = server.planned(
            "kill",
            at=1,
            where=AFTER,
            kinds=("unlink",),
            paths="/.spool/",
        )
        assert server.comes_up()
        with contextlib.suppress(OSError, imaplib.IMAP4.abort), server.imap() as session:
            session.append("INBOX", "", "", big)
        server.dies(PATIENCE)
        assert server.fired.exists()
        platter.follow(server.record)
        platter.cut(random.Random("spool"), 0.0, 1.0)
        server.plan = server.planned(settle_after=60.0)
        assert server.comes_up()
        with server.imap() as session:
            opened(session, "INBOX")
            kind, data = session.uid("FETCH", "1:*", "(BODY.PEEK[])")
            assert kind == "OK" and data[0][1] == big


def append_with(server: SickDiskServer, keyword: str) -> None:
    """Append a message with a keyword, and have it settled or the server killed by that."""
    assert server.comes_up()
    with contextlib.suppress(OSError, imaplib.IMAP4.abort), server.imap() as session:
        session.append("INBOX", f"({keyword})", "", message(keyword, text_of(keyword)))
    if server.plan is None:
        server.stop()
    else:
        server.dies(PATIENCE)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("chain", range(CHAINS))
def test_killed(chain: int, tmp_path: Path) -> None:
    """Nothing acknowledged is lost or doubled, no UID is used again, and who comes back is told what has changed."""
    chance = random.Random(f"{SEED} {chain}")
    server = SickDiskServer(tmp_path)
    ledger, mirror = Ledger(), Mirror()
    history: list[str] = [f"chain {chain}, seed {SEED!r}"]
    with running(server):
        platter = store_with_archive(server, ledger)
        ends = ["kill"] * KILLS_IN_CHAIN + ["cut"] * CUTS_IN_CHAIN
        chance.shuffle(ends)
        try:
            for number, end in enumerate(ends):
                server.plan = plan_of(server, chance)
                plan = server.plan
                start = "" if plan.armed else ", from the start"
                history.append(f"{end} {plan.where} operation {plan.at} on {plan.paths or 'anything'}{start}")
                if server.comes_up() and not plan.armed:  # nobody may look at it while it can be killed
                    server.dies(0.0)
                elif server.running:
                    look_around(server, ledger, mirror)
                    clients = Clients(server, ledger, chance, f"c{chain}-{number}")
                    server.armed.touch()
                    with clients.at_work():
                        server.dies(AT_WORK)
                operations = platter.follow(server.record)
                assert not (strays := platter.agrees()), strays
                how = server.fired.read_text() if server.fired.exists() else "idle"
                history.append(f"{operations} operations, {how}, {ledger.acknowledged} acknowledged")
                if end == "cut":
                    history.append(platter.cut(chance))
                nothing_to_repair(server)
            server.plan = None
            server.start()
            look_around(server, ledger, mirror)
            server.stop()
            nothing_to_repair(server)
            for file in server.data.glob("index.sqlite*"):
                file.unlink()
            server.start()
            look_around(server, ledger, mirror)
        except BaseException as problem:
            problem.add_note("\n".join(history))
            raise
    print(*history, sep="\n")


def nothing_to_repair(server: SickDiskServer) -> None:
    """What is left is what the next start expects; it is looked at in a copy, because SQLite would tidy up."""
    copy = server.folder / "copy"
    shutil.copytree(server.data, copy, ignore=shutil.ignore_patterns("control"))
    if (copy / "mail" / ".lock").exists():
        report = Checker(copy, live=False).check()
        assert not report.findings, report.findings
    shutil.rmtree(copy)


def look_around(server: SickDiskServer, ledger: Ledger, mirror: Mirror) -> None:
    """Compare all there is with what was acknowledged."""
    seen, uid_next = picture(server)
    ledger.check(seen, uid_next)
    mirror.comes_back(server, seen)
