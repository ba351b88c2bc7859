"""`mailhorn profile` of a watcher and a server that run, and what tells of one that spins."""

import imaplib
import json
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from tests.kit.watching import account_served, watching

from mailhorn.cli.commands import app
from mailhorn.cli.failure import explain
from mailhorn.cli.profile.flame import flame
from mailhorn.cli.profile.sampler import sample
from mailhorn.cli.watch.spin import SLICE, Judgement


def burn_here(stop: threading.Event) -> None:
    """Use a processor."""
    while not stop.is_set():
        sum(range(1000))


def test_who_burns_is_named_and_who_waits_is_not() -> None:
    """The processor time of a thread is given to its stack."""
    stop = threading.Event()
    burner = threading.Thread(target=burn_here, args=(stop,), name="burner")
    waiter = threading.Thread(target=stop.wait, name="waiter")
    burner.start()
    waiter.start()
    try:
        stacks, looks = sample(0.5)
    finally:
        stop.set()
        burner.join()
        waiter.join()
    assert looks > 5
    burnt = sum(used for stack, used in stacks.items() if stack[0] == "burner" and "burn_here" in " ".join(stack))
    assert burnt > sum(stacks.values()) / 2 > 0  # of what it was given, on a busy machine as well
    assert sum(used for stack, used in stacks.items() if stack[0] == "waiter") < 0.01


def test_a_picture_of_it() -> None:
    """A box for each function, as wide as its share; names of functions are no markup."""
    drawn = flame([(("main", "a<b> (x.py:1)"), 3.0), (("main", "c (y.py:2)"), 1.0)], "a & b")
    picture = ElementTree.fromstring(drawn)
    boxes = {
        group[0].text: float(group[1].attrib["width"])
        for group in picture.iter("{http://www.w3.org/2000/svg}g")
        if group[0].tag.endswith("title") and group[0].text
    }
    assert set(boxes) == {"main: 4000.0 ms, 100.0%", "a<b> (x.py:1): 3000.0 ms, 75.0%", "c (y.py:2): 1000.0 ms, 25.0%"}
    narrow = boxes["c (y.py:2): 1000.0 ms, 25.0%"]
    assert boxes["a<b> (x.py:1): 3000.0 ms, 75.0%"] == pytest.approx(3 * narrow, rel=0.01)


def test_programs_that_run(tmp_path: Path) -> None:
    """Without restarting them; the server's figure has what it did meanwhile."""
    with account_served(tmp_path, "keep;") as server, watching(tmp_path):
        (tmp_path / "serve.toml").write_text(f'data = "{tmp_path / "data"}"\n')
        output = tmp_path / "flame.svg"
        said = CliRunner().invoke(
            app, ["profile", "watch", "-c", str(tmp_path / "watch.toml"), "-s", "0.3", "-o", str(output)]
        )
        assert said.exit_code == 0, said.output
        assert ElementTree.parse(output).getroot().tag.endswith("svg") and "The flame graph" in said.stdout
        told: list[str] = []

        def look() -> None:
            result = CliRunner().invoke(
                app, ["profile", "serve", "-c", str(tmp_path / "serve.toml"), "-s", "2", "--json"]
            )
            told.append(result.stdout)

        looking = threading.Thread(target=look)
        looking.start()
        with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as imap:
            imap.login("ann", "secret")
            imap.select()
            while looking.is_alive():
                imap.search(None, "ALL")
        looking.join()
        stacks = json.loads(told[0])["stacks"]
        assert any("mailhorn/server/imap" in " ".join(stack) for stack, _ in stacks), told
        nobody = CliRunner().invoke(app, ["profile", "watch", "-c", str(tmp_path / "serve.toml")])
        assert isinstance(nobody.exception, Exception) and explain(nobody.exception) is not None


def test_what_explains_processor_time() -> None:
    """A slice in a short time without steps is none; with steps it is work, in a long time it is nothing."""
    judgement = Judgement(0.0, 0)
    assert judgement.unexplained(SLICE * 1.1, 10)
    assert not judgement.unexplained(SLICE * 2.2, 10_000)
    assert not judgement.unexplained(SLICE * 20, 10_000)
    assert judgement.unexplained(SLICE * 21, 10_001)
