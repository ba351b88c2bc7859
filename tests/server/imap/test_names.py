"""Names that are not in normal form, and those that cannot be (RFC 9051 §5.1, RFC 5198)."""

import asyncio
import imaplib
from pathlib import Path
from unicodedata import normalize

import pytest
from tests.kit.mailserver import PASSWORD, running_server

from mailhorn.model.ids import AccountId
from mailhorn.store.abc import StoreUnavailable

COMPOSED, DECOMPOSED = "Café", normalize("NFD", "Café")


class Talk:
    """One connection, with IMAP4rev2 enabled."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def begin(cls, port: int) -> "Talk":
        talk = cls(*await asyncio.open_connection("127.0.0.1", port))
        await talk._reader.readline()
        await talk(f"LOGIN ann {PASSWORD}")
        await talk("ENABLE IMAP4rev2")
        return talk

    async def __call__(self, text: str) -> list[str]:
        """Give a command and return all lines of its answer, the last without its tag."""
        self._writer.write(b"t " + text.encode() + b"\r\n")
        lines = []
        while not (line := (await self._reader.readline()).decode()).startswith("t "):
            assert line
            lines.append(line.rstrip())
        return [*lines, line.removeprefix("t ").rstrip()]

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@pytest.mark.parametrize("name", ["a\u0085b", "a\u2028b", "a\u2029b", "a\u009fb", "/", "a//b"])
async def test_a_name_that_cannot_be_is_refused(tmp_path: Path, name: str) -> None:
    """Controls and separators are not Net-Unicode; empty levels are no names."""
    async with running_server(tmp_path, ("ann",)) as server:
        talk = await Talk.begin(server.ports["imap"])
        assert (await talk(f'CREATE "{name}"'))[-1].startswith("NO [CANNOT]")
        assert (await talk('CREATE "a\u0001b"'))[-1].startswith("BAD Expected a mailbox name in UTF-8")
        await talk.close()


COMMANDS = (
    'STATUS "{}" (MESSAGES)',
    'SUBSCRIBE "{}"',
    'UNSUBSCRIBE "{}"',
    'GETQUOTAROOT "{}"',
    'SETMETADATA "{}" (/private/comment "x")',
    'GETMETADATA "{}" /private/comment',
    'APPEND "{}" {{3+}}\r\nabc',
    'ESEARCH IN (mailboxes "{}") ALL',
    'GETACL "{}"',
    'MYRIGHTS "{}"',
    'SETACL "{}" anyone lr',
    'EXAMINE "{}"',
    'SELECT "{}"',
    'COPY 1 "{}"',
    'UID REPLACE 1 "{}" {{3+}}\r\nabc',
    'MOVE 1 "{}"',
    "UNSELECT",
    'RENAME "{}" "x"',
    'RENAME "x" "{}"',
    'DELETE "{}"',
    'CREATE "{}"',
    'NOTIFY SET (mailboxes "{}" (MailboxName))',
)


async def test_every_command_takes_a_name_in_another_form(tmp_path: Path) -> None:
    """RFC 9051 §5.1: who takes such names takes them in all commands; there is only ever one mailbox."""
    async with running_server(tmp_path, ("ann",)) as server:
        talk = await Talk.begin(server.ports["imap"])
        assert (await talk(f'CREATE "{COMPOSED}"'))[-1].startswith("OK")
        for command in COMMANDS:
            answer = await talk(command.format(DECOMPOSED))
            assert answer[-1].startswith("OK"), (command, answer)
            for line in answer[:-1]:
                assert DECOMPOSED not in line or "OLDNAME" in line, (command, line)
        assert (await talk('LIST "" "*"'))[:-1] == [
            '* LIST (\\HasNoChildren) "/" INBOX',
            f'* LIST (\\HasNoChildren) "/" "{COMPOSED}"',
        ]
        await talk.close()


async def test_a_client_that_others_wrote(tmp_path: Path) -> None:
    """Python's imaplib knows UTF8=ACCEPT: what it reads after ENABLE it decodes as UTF-8, or fails."""

    def act(port: int) -> None:
        client = imaplib.IMAP4("127.0.0.1", port)
        client.login("ann", PASSWORD)
        assert client.enable("UTF8=ACCEPT")[0] == "OK"
        assert client.create('"Grüße & Co"')[0] == "OK"
        assert client.list('""', '"G*"') == ("OK", ['(\\HasNoChildren) "/" "Grüße & Co"'.encode()])
        assert client.status('"Grüße & Co"', "(MESSAGES)") == ("OK", ['"Grüße & Co" (MESSAGES 0)'.encode()])
        assert client.select('"Grüße & Co"')[0] == "OK"
        assert client.search(None, "SUBJECT", '"grüße"') == ("OK", [b""])
        client.logout()

    async with running_server(tmp_path, ("ann",)) as server:
        await asyncio.to_thread(act, server.ports["imap"])


async def test_what_has_been_done_stays_done_if_nothing_can_be_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that cannot be asked for attributes right after a SELECT or a CREATE does not make them fail."""

    async def broken(account: AccountId) -> None:
        raise StoreUnavailable("the disk is gone")

    async with running_server(tmp_path, ("ann",)) as server:
        talk = await Talk.begin(server.ports["imap"])
        monkeypatch.setattr(server.server.mail.store.index, "mailboxes", broken)
        assert (await talk(f'CREATE "{DECOMPOSED}"'))[-1].startswith("OK")
        *_, told, end = await talk("SELECT INBOX")
        assert told == '* LIST () "/" INBOX' and end.startswith("OK [READ-WRITE]")
        monkeypatch.undo()
        assert (await talk(f'STATUS "{COMPOSED}" (MESSAGES)'))[-1].startswith("OK")
        await talk.close()
