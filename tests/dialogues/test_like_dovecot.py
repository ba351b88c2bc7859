"""Dovecot says what the dialogues say, but for what is told in dovecot.toml, with who is right and why."""

import asyncio
import tomllib

import pytest
from tests.kit.dovecot import EVERYTHING, Dovecot, running_dovecot
from tests.kit.other_server import EVERYWHERE, Player

from .differences import PAGE, page
from .test_dialogues import FILES, FOLDER

LIST = tomllib.loads((FOLDER / "dovecot.toml").read_text("utf-8"))
PLAYED = [file for file in FILES if file.stem not in LIST["lacks"] and file.stem not in LIST["not_played"]]
MESSAGE = "From: sender@example.org\r\nTo: {}@localhost\r\nSubject: {}\r\n\r\nThe text of the message.\r\n"


def listed(dialogue: str, what: str = "seen") -> set[str]:
    """Return the commands that are answered otherwise (`seen`), or may be (`perhaps`), or not given (`not_said`)."""
    return {tag for one in LIST["difference"] for tag in one.get(what, {}).get(dialogue, "").split()}


AT_ONCE = 6
"""How many Dovecots are asked at a time: most of the time one waits for what it may tell by itself."""

Differences = dict[str, dict[str, list[str]] | Exception]


def deliver(dovecot: Dovecot, login: str, subject: str) -> None:
    with dovecot.lmtp() as client:
        client.sendmail("sender@example.org", [f"{login}@localhost"], MESSAGE.format(login, subject))


async def play_all(names: list[str]) -> tuple[Differences, set[str]]:
    """Return what is answered otherwise in each of these dialogues, and what was forgiven."""
    found: Differences = {}
    forgiven: set[str] = set()

    async def some() -> None:
        with running_dovecot(EVERYTHING) as dovecot:

            async def delivered(login: str, subject: str) -> None:
                await asyncio.to_thread(deliver, dovecot, login, subject)

            while names:
                name = names.pop()
                dovecot.forget()
                known = listed(name) | listed(name, "perhaps")
                player = Player(dovecot.imap_port, dovecot.password, delivered, listed(name, "not_said"), known)
                try:
                    found[name] = await player.play((FOLDER / f"{name}.txt").read_text("utf-8"))
                except Exception as problem:
                    found[name] = problem
                forgiven.update(player.forgiven)

    await asyncio.gather(*(some() for _ in range(min(AT_ONCE, len(names)))))
    return found, forgiven


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> tuple[Differences, set[str]]:
    """All dialogues that the tests of this run ask for."""
    items = [item for item in request.session.items if item.path == request.path]
    names = {item.callspec.params["name"] for item in items if hasattr(item, "callspec")}
    if any(item.name == test_what_is_forgiven.__name__ for item in items):
        names = {file.stem for file in PLAYED}
    return asyncio.run(play_all(sorted(names)))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [file.stem for file in PLAYED])
def test_the_same_dialogue(name: str, played: tuple[Differences, set[str]]) -> None:
    """Every difference is listed, and every one that is listed is there."""
    different = played[0][name]
    if isinstance(different, Exception):
        raise different
    report = "\n".join(f"{tag}\n    " + "\n    ".join(lines) for tag, lines in different.items())
    wrong = (set(different) ^ listed(name)) - listed(name, "perhaps")
    assert not wrong, f"{sorted(wrong)} of\n{report}"


@pytest.mark.timeout(300)
def test_what_is_forgiven(played: tuple[Differences, set[str]]) -> None:
    """All that is forgiven everywhere is listed, and is seen somewhere."""
    assert played[1] - {""} == set(EVERYWHERE) == {one["name"] for one in LIST["everywhere"]}


def test_what_dovecot_lacks() -> None:
    """A dialogue is not played for want of a capability only if Dovecot does not offer it."""
    with running_dovecot(EVERYTHING) as dovecot, dovecot.imap() as session:
        offered = session.capability()[1][0].decode().split()
    wanted = {name for names in LIST["lacks"].values() for name in names.split()}
    assert not wanted & set(offered)


def test_each_dialogue_is_there() -> None:
    """The list names dialogues that exist, and plays what it compares."""
    names = {file.stem for file in FILES}
    compared = {name for one in LIST["difference"] for name in {**one.get("seen", {}), **one.get("not_said", {})}}
    assert set(LIST["lacks"]) | set(LIST["not_played"]) <= names
    assert compared <= {file.stem for file in PLAYED}


def test_page_is_up_to_date() -> None:
    """docs/reference/differences.md is what `./dev reference` would write."""
    text = PAGE.read_text("utf-8")
    assert text == page(text)
