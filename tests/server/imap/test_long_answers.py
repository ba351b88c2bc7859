"""Answers too long for one go: they are whole all the same."""

from pathlib import Path

import pytest
from tests.kit.fetching import logged_in
from tests.kit.mailserver import running_server

from mailhorn.server.imap.commands import search


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four thousand messages would take long to deliver."""
    monkeypatch.setattr(search, "NUMBERS", 3)
    monkeypatch.setattr(search, "WORDS", 5)


async def test_long_answers(tmp_path: Path) -> None:
    """SEARCH, SORT and THREAD of ten messages in pieces of three and two."""
    async with (
        running_server(tmp_path, ("ann",)) as server,
        logged_in(server.ports["imap"], "ann", server.password) as client,
    ):
        for number in range(1, 11):
            await client.append(b"INBOX", b"Subject: %c\r\n\r\n" % (75 - number % 9))
        everything = b" ".join([b"%d" % number for number in range(1, 11)])
        assert (await client.command(b"SEARCH ALL"))[0] == b"* SEARCH " + everything
        assert (await client.command(b"UID SEARCH NOT 3"))[0] == b"* SEARCH 1 2 4 5 6 7 8 9 10"
        assert (await client.command(b"UID SEARCH MODSEQ 1"))[-2].startswith(b"* SEARCH " + everything + b" (MODSEQ ")
        assert (await client.command(b"SORT (SUBJECT) UTF-8 ALL"))[0] == b"* SORT 8 7 6 5 4 3 2 1 10 9"
        assert (await client.command(b"SEARCH RETURN (ALL SAVE) NOT 2"))[0].endswith(b"ALL 1,3:10")
        assert len(await client.command(b"FETCH $ (UID)")) == 10
        found = await client.command(b"SEARCH RETURN (ALL COUNT SAVE) 1,3,5,7,9:10")
        assert found[0].endswith(b" COUNT 6 ALL 1,3,5,7,9:10"), found
        assert len(await client.command(b"FETCH $ (UID)")) == 7
        found = await client.command(b"SORT RETURN (ALL SAVE) (SUBJECT) UTF-8 ALL")
        assert found[0].endswith(b" ALL 8,7,6,5,4,3,2,1,10,9"), found
        assert len(await client.command(b"FETCH $ (UID)")) == 11
        threads = b"(1)(2)(3)(4)(5)(6)(7)(8)(9)(10)"
        found = await client.command(b"THREAD ORDEREDSUBJECT UTF-8 ALL")
        assert found[0] == b"* THREAD (1 10)(2)(3)(4)(5)(6)(7)(8)(9)", found
        found = await client.command(b"THREAD REFERENCES UTF-8 NOT 10")
        assert found[0] == b"* THREAD " + threads.removesuffix(b"(10)")
