"""Several mailboxes on one connection: STATUS in turn, NOTIFY where there is one, and what cannot be opened."""

import asyncio

from tests.kit.stage import CAPABILITIES, Stage, log_in, mail, on_stage

from mailhorn.testing import Peer, Unexpected
from mailhorn.watch.events import State
from mailhorn.watch.rounds import ROUND, TOLD_ROUND
from mailhorn.watch.supervisor import shared_out


class Account:
    """A server's side of three mailboxes, in which each SELECT, STATUS and FETCH is answered as they are."""

    def __init__(self, *missing: str, capabilities: str = CAPABILITIES) -> None:
        self.uid_next = {"INBOX": 5, "Work": 5, "Home": 5}
        self.missing = set(missing)
        self.capabilities = capabilities
        self.selected: list[str] = []
        self.asked: list[tuple[str, float]] = []
        self.moved: list[tuple[str, int]] = []
        self.peer: Peer | None = None

    async def __call__(self, peer: Peer) -> None:
        """Answer for as long as the client talks."""
        self.peer = peer
        await log_in(peer, self.capabilities)
        while True:
            said = await peer.command()
            match said.name:
                case "SELECT" if said.arguments in self.missing:
                    await peer.say("$ NO [NONEXISTENT] no such mailbox")
                case "SELECT":
                    self.selected.append(said.arguments)
                    await peer.say("* OK [UIDVALIDITY 7] v", f"* OK [UIDNEXT {self.uid_next[said.arguments]}] n")
                    await peer.say("$ OK [READ-WRITE] selected")
                case "STATUS":
                    name = said.arguments.split(" ")[0]
                    if name == self.selected[-1]:
                        raise Unexpected("STATUS of the selected mailbox (fault F33)")
                    self.asked.append((name, said.at))
                    await peer.say(f"* STATUS {name} (UIDNEXT {self.uid_next[name]} UIDVALIDITY 7)", "$ OK")
                case "UID FETCH":
                    first = int(said.arguments.split(":")[0])
                    new = range(first, self.uid_next[self.selected[-1]])
                    await peer.say(*map(mail, new), "$ OK")
                case "UID MOVE":
                    uid = int(said.arguments.split(" ")[0])
                    self.moved.append((self.selected[-1], uid))
                    await peer.say(f"* OK [COPYUID 70 {uid} {uid}] moved", "$ OK")
                case "IDLE":
                    tag = peer.tag
                    await peer.say("+ idling")
                    await peer.command("DONE")
                    await peer.say(f"{tag} OK idled")
                case "NOTIFY":
                    await peer.say("$ OK noted")
                case "LOGOUT":
                    await peer.say("* BYE bye", "$ OK")
                case other:
                    raise Unexpected(other)

    async def deliver(self, mailbox: str, announces: bool) -> None:
        """Let mail come, and tell."""
        self.uid_next[mailbox] += 1
        if announces:
            assert self.peer is not None
            told = (
                "* 9 EXISTS"
                if mailbox == self.selected[-1]
                else f"* STATUS {mailbox} (MESSAGES 9 UIDNEXT {self.uid_next[mailbox]} UIDVALIDITY 7)"
            )
            await self.peer.say(told)


SHARED = {"mailboxes": ("INBOX", "Work", "Home"), "connections": 1}


def test_who_has_a_connection_of_its_own() -> None:
    """As many as there may be; the last one takes the rest."""
    assert shared_out(["a", "b", "c"], 3) == [("a",), ("b",), ("c",)]
    assert shared_out(["a", "b", "c", "b"], 2) == [("a",), ("b", "c")]
    assert shared_out(["a", "b", "c"], 1) == [("a", "b", "c")]
    assert shared_out(["a"], 0) == [("a",)]
    assert shared_out([], 2) == []


@on_stage(turns=300, calls=100, steps=100)
async def test_f33_status_of_the_others(stage: Stage) -> None:
    """Once a minute each but the selected one; one that has mail is selected, and then INBOX again."""
    account = Account()
    async with stage.play(account, **SHARED):
        await stage.enters(State.IDLE)
        assert account.selected == ["Work", "Home", "INBOX"]
        await account.deliver("Work", announces=False)
        begin = asyncio.get_running_loop().time()
        await stage.until(lambda: bool(stage.filed))
        assert asyncio.get_running_loop().time() - begin <= ROUND + 1
        await stage.server.said("IDLE", 2)
        await account.deliver("INBOX", announces=True)
        await stage.until(lambda: len(stage.filed) == 2)
        await asyncio.sleep(3 * ROUND)
        assert account.selected == ["Work", "Home", "INBOX", "Work", "INBOX"]
        assert account.moved == [("Work", 5), ("INBOX", 5)]
        assert [place.place.mailbox for place in stage.filed] == ["Work", "INBOX"]
        assert len(stage.server.peers) == 1
    asked = [at for name, at in account.asked if name == "Home"]
    assert all(b - a >= ROUND for a, b in zip(asked, asked[1:], strict=False))


@on_stage(turns=300, calls=100, steps=100)
async def test_notify(stage: Stage) -> None:
    """Where the server tells by itself, mail in a mailbox that is not selected is filed at once."""
    account = Account(capabilities=f"{CAPABILITIES} NOTIFY")
    async with stage.play(account, **SHARED):
        await stage.server.said("IDLE")
        (said,) = [said for said in stage.server.peers[0].heard if said.name == "NOTIFY"]
        events = "(MessageNew MessageExpunge)"
        assert sorted(said.arguments.replace(events, "").split()) == sorted(
            "SET (selected ) (mailboxes (INBOX Work Home) )".split()
        )
        begin = asyncio.get_running_loop().time()
        await account.deliver("Home", announces=True)
        await stage.until(lambda: bool(stage.filed))
        assert asyncio.get_running_loop().time() - begin < 1
        await asyncio.sleep(TOLD_ROUND)
        await account.deliver("Work", announces=False)  # a promise that was not kept
        await stage.until(lambda: len(stage.filed) == 2)
    assert account.moved == [("Home", 5), ("Work", 5)]


@on_stage(turns=500, calls=200, steps=200)
async def test_f63_one_of_several_is_gone(stage: Stage) -> None:
    """It is said, and tried again after minutes; the others go on, and when it is there it is watched."""
    account = Account("Work")
    async with stage.play(account, **SHARED):
        await stage.enters(State.IDLE)
        await account.deliver("Home", announces=False)
        await stage.until(lambda: bool(stage.filed))
        assert any("cannot open Work" in text and "go on" in text for text in stage.warnings)
        account.missing.clear()
        await asyncio.sleep(600)
        await account.deliver("Work", announces=False)
        await stage.until(lambda: len(stage.filed) == 2)
        assert len(stage.server.peers) == 1
    assert account.moved == [("Home", 5), ("Work", 5)]


@on_stage(turns=300, calls=100, steps=100)
async def test_the_first_one_is_gone(stage: Stage) -> None:
    """Then it idles in the next one."""
    account = Account("INBOX")
    async with stage.play(account, **SHARED):
        await stage.enters(State.IDLE)
        assert account.selected == ["Work", "Home", "Work"]
        await account.deliver("Work", announces=True)
        await stage.until(lambda: bool(stage.filed))
