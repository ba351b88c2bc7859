"""The examples of RFC 5804, played to this server, and to Dovecot where it is installed."""

import asyncio
import contextlib
import re
import socket
from pathlib import Path

from tests.kit.clients import need
from tests.kit.dovecot import PASSWORD as DOVECOTS_PASSWORD
from tests.kit.dovecot import running_dovecot
from tests.kit.mailserver import PASSWORD, running_server
from tests.kit.managesieve import Answer, Reader, plain
from tests.kit.process import free_port
from tests.kit.wire import PATIENCE

EXAMPLES = Path(__file__).with_name("examples.txt")

Step = tuple[str, list[str]]
"""Who, and the lines; "login" has none."""


def steps() -> list[Step]:
    """Return the dialogue, lines of one side together."""
    found: list[Step] = []
    for line in EXAMPLES.read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        who, _, text = line.partition(":")
        if found and found[-1][0] == who and who != "login":
            found[-1][1].append(text.removeprefix(" "))
        else:
            found.append((who, [text.removeprefix(" ")]))
    return found


class Player:
    """Plays the client's part, and returns what the server says to each of its blocks."""

    def __init__(self, port: int, password: str) -> None:
        self._password = password
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.raw = b""
        self._reader = Reader(self._more)
        self._reader.answer()

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        self.raw += data
        return data

    def play(self, step: Step) -> tuple[Answer, str]:
        """Say it; return the answer, and the same as text."""
        who, lines = step
        said = [f'AUTHENTICATE "PLAIN" "{plain("ann", self._password)}"'] if who == "login" else lines
        assert not self._reader.buffer
        self.raw = b""
        self._socket.sendall("".join(f"{line}\r\n" for line in said).encode())
        answer = self._reader.answer()
        return answer, self.raw.decode()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def matches(expected: list[str], said: str) -> bool:
    """`…` stands for any text."""
    pattern = "".join(".*".join(map(re.escape, line.split("…"))) + "\r\n" for line in expected)
    return re.fullmatch(pattern, said) is not None


async def test_every_example_is_answered_as_it_should_be(tmp_path: Path) -> None:
    """Word for word, but for what the RFC leaves open."""

    def play(port: int) -> None:
        dialogue = steps()
        with contextlib.closing(Player(port, PASSWORD)) as player:
            for number, step in enumerate(dialogue):
                if step[0] == "login":
                    assert player.play(step)[1].startswith("OK")
                elif step[0] == "C":
                    said = player.play(step)[1]
                    assert matches(dialogue[number + 1][1], said), f"{step[1]}\n{said}"

    async with running_server(tmp_path, ["ann"]) as server:
        await asyncio.to_thread(play, server.ports["managesieve"])


SERVED = """
protocols = imap lmtp sieve
service managesieve-login {{
  chroot =
  inet_listener sieve {{
    port = PORT
  }}
}}
plugin {{
  sieve = file:~/scripts;active=~/active.sieve
  sieve_max_script_size = 262144
}}
"""

DIFFERENT = ['Putscript "mysievescript" {111+}', "Unauthenticate", "Listscripts", "login"]
"""What Dovecot answers otherwise. It warns of nothing, which RFC 5804 §2.6 allows; and it does not know UNAUTHENTICATE,
which §2.14 recommends, so that it answers what follows that otherwise, too."""


async def test_dovecot_answers_the_same(tmp_path: Path) -> None:
    """Condition and code of each answer, which scripts there are, and what is in them."""
    need("/usr/lib/dovecot/managesieve")
    port = free_port()

    def outcome(step: Step, answer: Answer) -> tuple[object, ...]:
        lines = () if step[1][0].upper() == "CAPABILITY" else tuple(sorted(answer.lines, key=repr))
        return step[1][0] or step[0], answer.condition, answer.code, lines

    def play(port: int, password: str) -> list[tuple[object, ...]]:
        with contextlib.closing(Player(port, password)) as player:
            return [outcome(step, player.play(step)[0]) for step in steps() if step[0] != "S"]

    def both(ours: int) -> None:
        with running_dovecot(SERVED.replace("PORT", str(port))) as dovecot:
            theirs = play(port, DOVECOTS_PASSWORD)
            mine = play(ours, PASSWORD)
            different = [(a, b) for a, b in zip(mine, theirs, strict=True) if a != b]
            assert [a[0] for a, _ in different] == DIFFERENT, f"{different}\n{dovecot.log()}"

    async with running_server(tmp_path, ["ann"]) as server:
        await asyncio.to_thread(both, server.ports["managesieve"])
