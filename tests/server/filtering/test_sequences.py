"""Scripts before and after everybody's own."""

from pathlib import Path

import pytest
from tests.kit.filtering import BODY, ruled

from mailhorn.server.scripts import Everybody

CASES = {
    "all three run, flags go on": ('addflag "a";', 'addflag "b";', 'addflag "c";', [{"a", "b", "c"}], 0),
    "keep goes on": ('keep :flags "a";', "keep;", 'keep :flags "c";', [{"c"}], 0),
    "a discard ends it": ("discard;", 'addflag "b";', 'addflag "c";', [], 0),
    "fileinto ends it": ('fileinto "Work";', 'addflag "b";', "keep;", [], 1),
    "a copy does not": ('fileinto :copy "Work";', "", "", [set()], 1),
    "one's own ends it": ("", 'fileinto "Work";', "discard;", [], 1),
    "the last one decides": ("", "", "discard;", [], 0),
    "fileinto INBOX is no keep": ("", 'fileinto "INBOX";', "discard;", [set()], 0),
    "stop is the end of one only": ("stop;", "stop;", 'addflag "c";', [{"c"}], 0),
}


@pytest.mark.parametrize("name", CASES)
async def test_the_next_runs_if_the_message_is_kept(tmp_path: Path, name: str) -> None:
    """As Pigeonhole's sieve_before and sieve_after."""
    before, own, after, inbox, work = CASES[name]
    everybody = Everybody((tmp_path / "before",), (tmp_path / "after.sieve",))
    async with ruled(tmp_path, everybody) as server:
        await server.make("Work")
        requires = 'require ["imap4flags", "fileinto", "copy"];'
        (tmp_path / "before").mkdir()
        (tmp_path / "before" / "10.sieve").write_text(requires + before)
        (tmp_path / "before" / "nothing.txt").write_text("nonsense")
        (tmp_path / "after.sieve").write_text(requires + after)
        server.script(requires + own)
        assert [reply.code for reply in await server.deliver()] == [250]
        assert await server.flags() == inbox
        assert len(await server.messages("Work")) == work


async def test_who_has_no_script_has_those_of_everybody(tmp_path: Path) -> None:
    """In the order of their names."""
    everybody = Everybody(before=(tmp_path / "before",))
    async with ruled(tmp_path, everybody) as server:
        (tmp_path / "before").mkdir()
        for name, flag in (("20.sieve", "second"), ("10.sieve", "first")):
            (tmp_path / "before" / name).write_text(f'require "imap4flags"; setflag "{flag}";')
        await server.deliver("bob")
        assert await server.flags(login="bob") == [{"second"}]


async def test_the_next_sees_what_the_one_before_has_left(tmp_path: Path) -> None:
    """Headers and flags."""
    async with ruled(tmp_path, Everybody(before=(tmp_path / "b.sieve",))) as server:
        (tmp_path / "b.sieve").write_text('require ["editheader", "imap4flags"]; addheader "X-Seen" "1"; addflag "a";')
        server.script('require "imap4flags"; if allof (header "x-seen" "1", hasflag "a") { addflag "b"; }')
        await server.deliver()
        assert await server.flags() == [{"a", "b"}]
        assert await server.messages() == [b"X-Seen: 1\r\n" + BODY]


async def test_one_that_fails_ends_it_and_the_message_is_kept(tmp_path: Path) -> None:
    """What ran before it is done; the owner hears of their own only."""
    everybody = Everybody((tmp_path / "b.sieve",), (tmp_path / "a.sieve",))
    async with ruled(tmp_path, everybody) as server:
        await server.make("Work")
        (tmp_path / "b.sieve").write_text('require ["fileinto", "copy"]; fileinto :copy "Work";')
        (tmp_path / "a.sieve").write_text("discard;")
        server.script('require "ihave"; error "mine";')
        await server.deliver()
        first, told = await server.messages()
        assert first == BODY and b"mine" in told and await server.messages("Work") == [BODY]
        (tmp_path / "b.sieve").write_text('require "ihave"; error "theirs";')
        server.server.delivery.filter.scripts.recheck()
        await server.deliver()
        assert len(await server.messages()) == 3
