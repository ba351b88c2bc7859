"""Rules in Python: what is loaded and what is refused, what they decide, and that none holds up anything."""

import asyncio
import gc
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mailhorn.config.find import ConfigError
from mailhorn.config.pyrules import THREADS, LoadedRule, load
from mailhorn.mime.decode import decoded_header
from mailhorn.mime.entity import Entity
from mailhorn.sieve import Actions, FileInto, Keep, Redirect
from mailhorn.sieve.pyrule import Message, RuleFailed

RAW = b"From: a@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello\r\n"


def message(raw: bytes = RAW, fetched: list[int] | None = None) -> Message:
    """Return a message as a rule gets it."""

    async def fetch() -> bytes:
        if fetched is not None:
            fetched.append(1)
        return raw

    return Message(
        Entity(raw).fields(),
        account="ann",
        mailbox="INBOX",
        size=len(raw),
        flags=frozenset({"\\Seen"}),
        received=1,
        sender="a@example.com",
        recipient=None,
        decode=lambda value: decoded_header(value.encode("utf-8", "surrogateescape")),
        fetch=fetch,
        parse=Entity,
    )


def written(folder: Path, text: str, seconds: float = 10.0, *able: str) -> LoadedRule:
    """Return the rule of this text."""
    path = folder / "rules.py"
    path.write_text(textwrap.dedent(text))
    return load(path, "rules", seconds, frozenset(able))


async def decided(folder: Path, body: str, *able: str) -> Actions:
    """Return what the body of a rule decides."""
    text = "async def rule(message, actions):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return await written(folder, text, 10.0, *able).decide(message())


async def test_a_rule_decides(tmp_path: Path) -> None:
    """By header, flags and text; lines of its file are those of its actions."""
    actions = await decided(
        tmp_path,
        """
        assert message.subject == "Grüße" and message.header("X-a") == ["1", "2"]
        assert (message.sender, message.recipient, message.flags) == ("a@example.com", None, {"\\\\Seen"})
        if "hello" in await message.text() and len(await message.parts()) == 1:
            actions.add_flags("work")
            actions.file_into("Lists", create=True)
        """,
    )
    assert actions.steps == (FileInto("Lists", frozenset({"work"}), create=True),)
    assert not actions.implicit_keep
    assert [(test.line, test.text) for test in actions.trace] == [
        (6, "add_flags('work')"),
        (7, "file_into('Lists', create=True)"),
    ]


async def test_the_message_is_fetched_once_and_only_if_wanted(tmp_path: Path) -> None:
    """Whatever a rule asks of it."""
    rule = written(
        tmp_path,
        """
        async def rule(message, actions):
            if message.account == "ann":
                await message.raw()
                await message.text()
        """,
    )
    fetched: list[int] = []
    await rule.decide(message(fetched=fetched))
    assert fetched == [1]
    other = message(fetched=fetched)
    other.account = "bob"
    await rule.decide(other)
    assert fetched == [1]


async def test_what_is_not_said_is_kept(tmp_path: Path) -> None:
    """The implicit keep; stop ends the rule there."""
    assert (await decided(tmp_path, "pass")).implicit_keep
    stopped = await decided(tmp_path, 'actions.keep(flags=["a"])\nactions.stop()\nactions.discard()')
    assert stopped.steps == (Keep(frozenset({"a"})),)


async def test_flags_come_and_go(tmp_path: Path) -> None:
    """In whatever case they are written; what a filing said of them before stays so (RFC 5232 §2)."""
    actions = await decided(
        tmp_path,
        """
        actions.remove_flags("none yet")
        actions.add_flags("one", "Two", "three")
        actions.file_into("A")
        actions.remove_flags("two", "four")
        actions.file_into("B")
        """,
    )
    held = [step.flags for step in actions.steps if isinstance(step, FileInto)]
    assert held == [frozenset({"one", "Two", "three"}), frozenset({"one", "three"})]


async def test_what_sends_must_be_allowed(tmp_path: Path) -> None:
    """It is so only if there is somebody who takes letters."""
    body = 'actions.redirect("carl@example.com")'
    assert (await decided(tmp_path, body, "send")).steps == (Redirect("carl@example.com"),)
    with pytest.raises(RuleFailed, match=r"line 2: no mail can be sent here: set host in \[relay\]"):
        await decided(tmp_path, body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('message.header("x-b")[0]', "line 2: IndexError: list index out of range"),
        ('raise SystemExit("no")', "line 2: SystemExit: no"),
        ('actions.redirect("no address")', 'line 2: "no address" is no address'),
        ('actions.file_into("")', "line 2: the name of a mailbox is missing"),
        ('actions.file_into("a\\x00b")', "line 2: .*control characters"),
        ('actions.file_into("a", use="Junk")', "line 2: expected a special use"),
        ('actions.notify("gopher://x")', "line 2: there is no notification by"),
        ('actions.keep(flags=[f"f{n}" for n in range(100)])', "line 2: more than 64 flags"),
        ("for n in range(100):\n    actions.file_into(str(n))", "line 3: more than 64 actions"),
        ("for n in range(100):\n    actions.redirect(f'a{n}@x.example')", "line 3: more than 32 redirects"),
    ],
)
async def test_what_goes_wrong_says_where(tmp_path: Path, body: str, said: str) -> None:
    """The line of the rule's file, and what the matter was; limits are those of scripts."""
    with pytest.raises(RuleFailed, match=said):
        await decided(tmp_path, body, "send", "refuse")


async def test_a_rule_that_waits_for_ever(tmp_path: Path) -> None:
    """It is ended, and another message is looked at meanwhile."""
    rule = written(
        tmp_path,
        """
        import asyncio
        async def rule(message, actions):
            if message.mailbox == "stuck":
                await asyncio.Event().wait()
        """,
        60.0,
    )
    stuck, other = message(), message()
    stuck.mailbox = other.mailbox = "stuck"
    slow = asyncio.create_task(rule.decide(stuck))
    assert (await rule.decide(message())).implicit_keep
    assert not slow.done()
    with pytest.raises(RuleFailed, match=r"it took more than 0\.1 s"):
        await replace(rule, seconds=0.1).decide(other)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_a_rule_that_blocks_its_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds up its own message only; this program's own loop goes on."""
    gate = threading.Event()
    monkeypatch.setattr(threading, "gate_of_test", gate, raising=False)
    rule = written(
        tmp_path,
        """
        import threading
        async def rule(message, actions):
            if message.mailbox == "stuck":
                threading.gate_of_test.wait()
        """,
        60.0,
    )
    hasty = replace(rule, seconds=0.1)
    stuck = [message() for _ in range(THREADS)]
    for one in stuck:
        one.mailbox = "stuck"
    first = asyncio.create_task(hasty.decide(stuck[0]))
    assert (await rule.decide(message())).implicit_keep
    with pytest.raises(RuleFailed, match="it took more than"):
        await first
    said = await asyncio.gather(*(hasty.decide(one) for one in stuck), return_exceptions=True)
    assert all(isinstance(one, RuleFailed) for one in said)
    with pytest.raises(RuleFailed, match="none comes to an end"):
        await hasty.decide(message())
    gate.set()
    assert (await rule.decide(message())).implicit_keep


async def test_threads_end_with_their_rule(tmp_path: Path) -> None:
    """A rule that was read again leaves nothing behind."""
    rule: LoadedRule | None = written(tmp_path, "async def rule(message, actions): pass")
    assert rule is not None
    before = threading.active_count()
    await rule.decide(message())
    (thread,) = [one for one in threading.enumerate() if one.name == "rule"][-1:]
    rule = None
    gc.collect()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
    assert threading.active_count() <= before + 1  # that of to_thread


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("async def rule(message, actions):\n    if\n", "rules.py, line 2, column 7: invalid syntax"),
        ("import nothing_of_that_name\n", "rules.py, line 1: ModuleNotFoundError"),
        ("raise SystemExit(1)\n", "rules.py, line 1: SystemExit"),
        ("def rule(message, actions): pass\n", "begin with: async def rule"),
        ("x = 1\n", "begin with: async def rule"),
        ("\nasync def rule(message): pass\n", "line 2: a rule takes two arguments"),
    ],
)
def test_what_is_no_rule(tmp_path: Path, text: str, said: str) -> None:
    """One line: what, where, what to do."""
    with pytest.raises(ConfigError, match=said):
        written(tmp_path, text)


def test_what_others_may_write_is_not_run(tmp_path: Path) -> None:
    """Whoever can write it is this program."""
    path = tmp_path / "rules.py"
    path.write_text("async def rule(message, actions): pass\n")
    path.chmod(0o666)
    with pytest.raises(ConfigError, match="chmod go-w"):
        load(path, "rules", 1.0, frozenset())
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load(tmp_path / "none.py", "rules", 1.0, frozenset())
