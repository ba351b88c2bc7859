"""Who may do what with whose mailbox (RFC 4314 §4): the table, line by line, and what a stranger learns: nothing."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import fields
from tests.kit.mailserver import PASSWORD, ServerInTest, running_server

from mailhorn.config.settings import Limits
from mailhorn.imap import commands as c
from mailhorn.imap.grammar.command import parse_append_head, parse_command
from mailhorn.model.ids import UID, MailboxId
from mailhorn.model.message import Placement
from mailhorn.model.rights import ALL
from mailhorn.server.imap import reach
from mailhorn.store.index.acl import SqliteAcl

LETTER = b"Subject: x\r\n\r\nsecret\r\n"


class Client:
    """A client that sends lines and reads up to the answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def of(cls, server: ServerInTest, login: str) -> "Client":
        client = cls(*await asyncio.open_connection("127.0.0.1", server.ports["imap"]))
        await client._reader.readline()
        await client.ask(f"LOGIN {login} {PASSWORD}")
        return client

    async def ask(self, command: str) -> list[str]:
        """Give a command; return what is answered, the last line without its tag."""
        self._writer.write(f"t {command}\r\n".encode())
        lines: list[str] = []
        async with asyncio.timeout(30):
            while not (line := (await self._reader.readline()).decode()).startswith("t "):
                assert line, lines
                lines.append(line.rstrip())
        return [*lines, line[2:].rstrip()]

    async def idle(self) -> None:
        """IDLE, up to where it begins."""
        self._writer.write(b"t IDLE\r\n")
        assert (await self.line()).startswith("+ ")

    async def line(self) -> str:
        """Return the next line."""
        async with asyncio.timeout(30):
            return (await self._reader.readline()).decode().rstrip()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class House:
    """ann's account: makes mailboxes that are shared with bob."""

    def __init__(self, server: ServerInTest) -> None:
        self.store = server.server.mail.store
        self._made = 0

    async def share(self, rights: str, above: str = "") -> tuple[str, MailboxId]:
        """Make a mailbox with three messages, one \\Deleted; return its name without the namespace, and what it is."""
        self._made += 1
        name = f"box{self._made}"
        account = await self.store.index.account("ann")
        assert account is not None
        parent = (await self.store.index.create_mailbox(account.id, name)).id
        made = (await self.store.index.create_mailbox(account.id, f"{name}/in")).id
        for mailbox, letters in ((parent, above), (made, rights)):
            await self.store.index.set_acl(mailbox, lambda _, letters=letters: {"bob": letters})  # type: ignore[misc]
        for flags in ((), ("\\Deleted",), ("\\Flagged",)):
            staged = self.store.stage()
            staged.write(LETTER)
            await self.store.append(staged, (Placement(made, frozenset(flags)),), 0)
        return f"{name}/in", made


# What is given, the rights that it takes (of those after a comma: one), and whether the mailbox is selected for it.
TABLE = (
    ("SUBSCRIBE {box}", "l", False),
    ("DELETE {box}", "x", False),
    ("SELECT {box}", "r", False),
    ("EXAMINE {box}", "r", False),
    ("STATUS {box} (MESSAGES UIDNEXT)", "r", False),
    ("SETACL {box} eve lr", "a", False),
    ("DELETEACL {box} eve", "a", False),
    ("GETACL {box}", "a", False),
    ("LISTRIGHTS {box} eve", "a", False),
    ("MYRIGHTS {box}", ",lrikxa", False),
    ("APPEND {box} {{3+}}\r\nabc", "i", False),
    ("APPEND {box} {{3+}}\r\nabc {{3+}}\r\nabc", "i", False),
    ("GETMETADATA {box} /shared/comment", "l,rswip", False),
    ('SETMETADATA {box} (/shared/comment "x")', "l,rswip", False),
    ('SETMETADATA {box} (/private/comment "x")', "l,rswip", False),
    ("GETQUOTAROOT {box}", "r", False),
    ("EXPUNGE", "re", True),
    ("UID EXPUNGE 1:*", "re", True),
    ("STORE 1 +FLAGS (\\Deleted)", "rt", True),
    ("STORE 1 +FLAGS (\\Seen)", "rs", True),
    ("STORE 1 +FLAGS (\\Flagged)", "rw", True),
    ("UID STORE 1 -FLAGS.SILENT ($Work)", "rw", True),
    ("UID STORE 1 FLAGS (\\Seen)", "r,swt", True),
    ("MOVE 1 INBOX", "rte", True),
    ("UID MOVE 1 INBOX", "rte", True),
    ("REPLACE 1 INBOX {{3+}}\r\nabc", "rte", True),
    ("COPY 1 INBOX", "r", True),
    ("FETCH 1 BODY[]", "r", True),
    ("SEARCH TEXT secret", "r", True),
)


def _refusals(needs: str) -> Iterator[str]:
    """Yield all rights but one that is needed; where one of several is, all but these."""
    every, _, one = needs.partition(",")
    for letter in every:
        yield ALL.replace(letter, "")
    if one:
        yield "".join([letter for letter in ALL if letter not in one])


async def test_each_command_asks_for_the_right_that_it_takes(tmp_path: Path) -> None:
    """With that alone it is done; with all others it is refused, with NOPERM to who may see the mailbox."""
    wrong = []
    async with running_server(tmp_path, ("ann", "bob", "eve")) as server:
        house, bob = House(server), await Client.of(server, "bob")
        for command, needs, selected in TABLE:
            every, _, one = needs.partition(",")
            for rights in {every + one[:1], every + one[-1:], every + one}:
                name, mailbox = await house.share(rights)
                box = f'"Other Users/ann/{name}"'
                if selected:
                    assert (await bob.ask(f"SELECT {box}"))[-1].startswith("OK")
                answer = (await bob.ask(command.format(box=box)))[-1]
                if not answer.startswith("OK"):
                    wrong.append(f"{command} with {rights}: {answer}")
            for rights in _refusals(needs):
                name, mailbox = await house.share(rights)
                before = await house.store.index.mailbox_by_id(mailbox)
                box = f'"Other Users/ann/{name}"'
                if selected and "r" in rights:
                    await bob.ask(f"SELECT {box}")
                elif selected:
                    continue
                answer = (await bob.ask(command.format(box=box)))[-1]
                code = "NOPERM" if "l" in rights else "TRYCREATE" if "APPEND" in command else "NONEXISTENT"
                if not answer.startswith(f"NO [{code}]"):
                    wrong.append(f"{command} with {rights}: {answer}, not NO [{code}]")
                if await house.store.index.mailbox_by_id(mailbox) != before:
                    wrong.append(f"{command} with {rights}: something was done")
                await bob.ask("UNSELECT")
        await bob.close()
    assert wrong == []


async def test_what_is_made_and_renamed_takes_rights_above(tmp_path: Path) -> None:
    """CREATE: `k` on the nearest mailbox above; RENAME: that, and `x` on what it is (RFC 4314 §4)."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        house, bob = House(server), await Client.of(server, "bob")

        async def outcome(command: str, rights: str, above: str) -> str:
            name, _ = await house.share(rights, above)
            names = {"box": f"Other Users/ann/{name}", "top": f"Other Users/ann/{name.partition('/')[0]}"}
            return (await bob.ask(command.format(**names)))[-1].partition("]")[0].partition(" (")[0]

        rename = 'RENAME "{box}" "{top}/out"'
        assert await outcome('CREATE "{box}/a/b"', "k", "") == "OK [MAILBOXID"
        assert await outcome('CREATE "{box}/a/b"', ALL.replace("k", ""), ALL) == "NO [NOPERM"
        assert await outcome('CREATE "{top}/a/b"', "", "k") == "OK [MAILBOXID"
        assert await outcome('CREATE "{top}/a/b"', ALL, ALL.replace("k", "")) == "NO [NOPERM"
        assert await outcome(rename, "x", "k") == "OK RENAME completed"
        assert await outcome(rename, "xl", ALL.replace("k", "")) == "NO [NOPERM"
        assert await outcome(rename, ALL.replace("x", ""), ALL) == "NO [NOPERM"
        assert await outcome(rename, "rswipktea", ALL) == "NO [NONEXISTENT"
        assert await outcome('RENAME "{box}" mine', ALL, ALL) == "NO [CANNOT"
        assert await outcome('RENAME INBOX "{top}/old"', ALL, ALL) == "NO [CANNOT"
        assert await outcome('CREATE "Other Users/ann/top"', ALL, ALL) == "NO [NOPERM"
        assert await outcome('CREATE "{box}/a" (USE (\\Sent))', ALL, ALL) == "NO [USEATTR"
        await bob.close()


# Every command that names a mailbox, with the name where the mailbox's is to be.
NAMING = {
    c.Select: ('SELECT "{}"', 'EXAMINE "{}"'),
    c.Create: ('CREATE "{}"', 'CREATE "{}/below"'),
    c.Delete: ('DELETE "{}"',),
    c.Rename: ('RENAME "{}" Mine', 'RENAME Own "{}"', 'RENAME Own "{}/below"'),
    c.Subscribe: ('SUBSCRIBE "{}"',),
    c.List: (
        'LIST "" "{}"',
        'LIST "" "{}*"',
        'LIST "{}/" %',
        'LSUB "" "{}"',
        'LIST "" ("{}" "{}/*") RETURN (STATUS (MESSAGES) MYRIGHTS CHILDREN METADATA (/shared/comment))',
    ),
    c.Status: ('STATUS "{}" (MESSAGES UIDNEXT UIDVALIDITY)',),
    c.Append: ('APPEND "{}" {{3+}}\r\nabc',),
    c.MultiSearch: ('ESEARCH IN (mailboxes "{}") ALL', 'ESEARCH IN (subtree "{}") ALL'),
    c.Copy: ('COPY 1 "{}"', 'UID COPY 1 "{}"'),
    c.Move: ('MOVE 1 "{}"', 'UID MOVE 1 "{}"'),
    c.GetMetadata: ('GETMETADATA "{}" /shared/comment', 'GETMETADATA (DEPTH infinity) "{}" /private'),
    c.SetMetadata: ('SETMETADATA "{}" (/shared/comment "x")', 'SETMETADATA "{}" (/private/comment "x")'),
    c.GetQuotaRoot: ('GETQUOTAROOT "{}"',),
    c.SetAcl: ('SETACL "{}" bob lr', 'SETACL "{}" bob +a', 'SETACL "{}" anyone ""'),
    c.DeleteAcl: ('DELETEACL "{}" bob',),
    c.GetAcl: ('GETACL "{}"',),
    c.ListRights: ('LISTRIGHTS "{}" bob',),
    c.MyRights: ('MYRIGHTS "{}"',),
    c.Notify: ('NOTIFY SET STATUS (mailboxes "{}" (MessageNew MessageExpunge))',),
}


def test_each_command_that_names_a_mailbox_is_looked_at() -> None:
    """A new one has to be put into NAMING, and each line there is what it says."""
    for kind in get_args(c.Command):
        names = {field.name for field in fields(kind)}
        if names & {"mailbox", "sources", "groups", "reference"}:
            assert kind in NAMING, kind
    for kind, lines in NAMING.items():
        for line in lines:
            text = f"t {line.format('x', 'x')}".encode()
            if kind is c.Append:
                assert isinstance(parse_append_head(text.partition(b"\r\n")[0])[1], c.Append)
            else:
                assert isinstance(parse_command(text)[1], kind)


async def test_a_stranger_learns_nothing(tmp_path: Path) -> None:
    """Of a mailbox that may not be seen is said, octet for octet, what is said of one that does not exist."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        house = House(server)
        name, mailbox = await house.share("")
        await house.store.index.set_acl(mailbox, lambda acl: {"eve": ALL, "-anyone": "w"})
        before = await house.store.index.mailbox_by_id(mailbox)
        there = f"Other Users/ann/{name}"
        absent = (
            "Other Users/ann/box0/in",
            "Other Users/who/box1/in",
            "Other Users/bob/box1/in",
            "Other Users/ANN/box1/in",
        )
        wrong = []
        for line in [line for lines in NAMING.values() for line in lines]:
            said = []
            for asked in (there, *absent):
                bob = await Client.of(server, "bob")
                await bob.ask("CREATE Own")
                await bob.ask("APPEND INBOX {3+}\r\nabc")
                await bob.ask("SELECT INBOX")
                answer = await bob.ask(line.format(asked, asked))
                said.append([re.sub(r"\d+", "n", text.replace(asked, "MAILBOX")) for text in answer])
                await bob.close()
            wrong += [f"{line}: {said[0]}, but {other}" for other in said[1:] if other != said[0]]
        assert wrong == []
        assert await house.store.index.mailbox_by_id(mailbox) == before


def test_names_are_looked_up_in_one_place() -> None:
    """Nothing on the IMAP side gets a mailbox by its name but `reach`; `names` asks which form of one's own it is."""
    folder = Path(reach.__file__).parent
    found = {path.name for path in folder.rglob("*.py") if re.search(r"index\.mailbox\(|\.account\(", path.read_text())}
    assert found <= {"reach.py", "names.py", "acl.py"}


async def test_all_counts_for_the_owner(tmp_path: Path) -> None:
    """APPEND, COPY, MOVE and CREATE ask whether there is room where they go; nothing is told of how much is used."""
    async with running_server(tmp_path, ("ann", "bob"), limits=Limits(quota_messages=4, quota_mailboxes=4)) as server:
        house, bob = House(server), await Client.of(server, "bob")
        name, _ = await house.share(ALL)  # INBOX and two mailboxes, three messages
        box = f'"Other Users/ann/{name}"'
        assert await bob.ask(f"GETQUOTAROOT {box}") == [f"* QUOTAROOT {box}", "OK GETQUOTAROOT completed"]
        for _ in range(2):
            await bob.ask("APPEND INBOX {3+}\r\nabc")
        await bob.ask("SELECT INBOX")
        assert (await bob.ask(f"COPY 1:2 {box}"))[-1].startswith("NO [OVERQUOTA]")
        assert (await bob.ask(f"MOVE 1:2 {box}"))[-1].startswith("NO [OVERQUOTA]")
        assert (await bob.ask(f"MOVE 1 {box}"))[-1].startswith("OK")
        assert (await bob.ask(f"APPEND {box} {{3+}}\r\nabc"))[-1].startswith("NO [OVERQUOTA]")
        assert (await bob.ask(f"REPLACE 1 {box} {{3+}}\r\nabc"))[-1].startswith("NO [OVERQUOTA]")
        assert (await bob.ask("APPEND INBOX {3+}\r\nabc"))[-1].startswith("OK")
        assert (await bob.ask(f'CREATE "Other Users/ann/{name}/a"'))[-1].startswith("OK")
        assert (await bob.ask(f'CREATE "Other Users/ann/{name}/b"'))[-1].startswith("NO [OVERQUOTA]")
        await bob.close()


async def test_what_stays_with_its_owner_needs_no_room(tmp_path: Path) -> None:
    """MOVE and REPLACE within an account that is full are for a guest what they are for its owner."""
    async with running_server(tmp_path, ("ann", "bob"), limits=Limits(quota_messages=3)) as server:
        house, bob = House(server), await Client.of(server, "bob")
        name, _ = await house.share(ALL)  # with all three messages
        box = f'"Other Users/ann/{name}"'
        assert (await bob.ask(f'CREATE "Other Users/ann/{name}/a"'))[-1].startswith("OK")
        await bob.ask(f"SELECT {box}")
        assert (await bob.ask(f'COPY 1 "Other Users/ann/{name}/a"'))[-1].startswith("NO [OVERQUOTA]")
        assert (await bob.ask(f'MOVE 1 "Other Users/ann/{name}/a"'))[-1] == "OK MOVE completed"
        assert (await bob.ask(f"REPLACE 1 {box} {{3+}}\r\nabc"))[-1] == "OK REPLACE completed"
        assert (await bob.ask(f"APPEND {box} {{3+}}\r\nabc"))[-1].startswith("NO [OVERQUOTA]")
        await bob.close()


async def test_a_message_moved_to_another_is_there_after_a_stop(tmp_path: Path) -> None:
    """It is the other's, with its body, and the mover has it no more."""
    async with running_server(tmp_path, ("ann", "bob")) as server:
        house, bob = House(server), await Client.of(server, "bob")
        name, mailbox = await house.share("lri")
        await bob.ask(f"APPEND INBOX {{{len(LETTER)}+}}\r\n{LETTER.decode()}")
        await bob.ask("SELECT INBOX")
        answer = await bob.ask(f'MOVE 1 "Other Users/ann/{name}"')
        assert answer[0].startswith("* OK [COPYUID") and answer[1:] == ["* 1 EXPUNGE", "OK MOVE completed"]
        await bob.close()
    async with running_server(tmp_path, ()) as server:
        store = server.server.mail.store
        assert await store.body(mailbox, UID(4)) == LETTER
        account = await store.index.account("bob")
        assert account is not None and (await store.index.usage(account.id)).messages == 0


async def test_a_push_looks_once_for_all_guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new message costs one look at the list, however many watch; a change of the list is seen at once."""
    looked = 0
    read = SqliteAcl.acl

    async def counting(index: SqliteAcl, mailbox: MailboxId) -> dict[str, str]:
        nonlocal looked
        looked += 1
        return await read(index, mailbox)

    async with running_server(tmp_path, ("ann", "bob", "eve")) as server:
        name, made = await House(server).share("lr")
        ann = await Client.of(server, "ann")
        await ann.ask(f"SETACL {name} eve lr")
        guests = [await Client.of(server, login) for login in ("bob", "eve", "bob", "eve", "bob")]
        for guest in guests:
            assert (await guest.ask(f'SELECT "Other Users/ann/{name}"'))[-1].startswith("OK")
            await guest.idle()
        monkeypatch.setattr(SqliteAcl, "acl", counting)
        store = server.server.mail.store
        for count in (4, 5):
            staged = store.stage()
            staged.write(LETTER)
            looked = 0
            await store.append(staged, (Placement(made, frozenset()),), 0)
            assert [await guest.line() for guest in guests] == [f"* {count} EXISTS"] * 5
            assert looked == 1
        await ann.ask(f"DELETEACL {name} eve")
        assert [(await guest.line()).split()[:2] for guest in (guests[1], guests[3])] == [["*", "BYE"]] * 2
        staged = store.stage()
        staged.write(LETTER)
        await store.append(staged, (Placement(made, frozenset()),), 0)
        assert [await guest.line() for guest in guests[::2]] == ["* 6 EXISTS"] * 3
        for client in (ann, *guests):
            await client.close()
