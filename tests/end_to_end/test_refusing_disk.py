"""`mailhorn serve` on a disk that refuses now and then what it is asked for, anywhere, while clients work.

As in `test_power_cut` a chain is one store with several lives; `MAILHORN_REFUSALS=50` makes many chains (CI has few),
and `MAILHORN_SEED` another book of chances. What a failure prints is enough to run that chain again.
"""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.kit.ledger import Ledger
from tests.kit.process import running
from tests.kit.sick_disk import WRITING, Clients, Mirror, SickDiskServer, begin_with_archive, picture

from mailhorn.store.check import Checker

CHAINS = int(os.environ.get("MAILHORN_REFUSALS", "4"))
SEED = os.environ.get("MAILHORN_SEED", "mailhorn")

LIVES = 2
SPELLS = 12
"""How often the disk refuses in a life."""

PLACES = (
    "",
    "/mail/",
    "/mail/.*/cur/",
    r"/\.spool/",
    "keywords|mailhorn-",
    r"/index\.",
    r"/index\.sqlite",
    r"\.journal$",
)
ERRORS = ("ENOSPC", "EIO", "EROFS", "EACCES")


def a_spell(chance: random.Random) -> tuple[str, Sequence[str], str]:
    """Return what is refused: the error, the operations, and where."""
    kinds = WRITING if chance.random() < 0.3 else chance.sample(WRITING, chance.choice((1, 1, 2, 3)))
    return chance.choice(ERRORS), kinds, chance.choice(PLACES)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("chain", range(CHAINS))
def test_refused(chain: int, tmp_path: Path) -> None:
    """What was refused has not happened, what was acknowledged has, and nothing is left that nobody knows of."""
    chance = random.Random(f"{SEED} refused {chain}")
    server = SickDiskServer(tmp_path)
    server.expected = [r'"event": "[^"]*(store|Maildirs|staged|index\.|cannot|could not)']
    server.plan = server.planned("obey", armed=True)
    ledger, mirror = Ledger(), Mirror()
    history = [f"chain {chain}, seed {SEED!r}"]
    refused = 0
    with running(server):
        begin_with_archive(server, ledger)
        try:
            for life in range(LIVES):
                clients = Clients(server, ledger, chance, f"c{chain}-{life}", bear_refusals=True)
                with clients.at_work():
                    for _ in range(SPELLS):
                        spell = a_spell(chance)
                        history.append(f"{spell[0]} {','.join(spell[1])} {spell[2]}")
                        with server.refusing(*spell):
                            clients.wait_for_answers(chance.randint(1, 60))
                        clients.wait_for_answers(chance.randint(1, 20))
                refused += clients.refused
                history.append(f"{ledger.acknowledged} acknowledged, {refused} refused")
                for again in range(2):
                    seen, uid_next = picture(server)
                    ledger.check(seen, uid_next)
                    if not again:
                        mirror.comes_back(server, seen)
                        server.stop()
                        assert Checker(server.data, live=False).check().findings == []
                        server.start()
            server.stop()
            for file in server.data.glob("index.sqlite*"):
                file.unlink()
            server.start()
            ledger.check(*picture(server))
            assert "Traceback" not in server.log.read_text()
        except BaseException as problem:
            problem.add_note("\n".join(history))
            raise
    assert refused, "the disk refused nothing that mattered"
    print(*history, sep="\n")
