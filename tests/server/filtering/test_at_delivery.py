"""Each extension once, through the delivery: what the script says is what is in the mailboxes afterwards."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.kit.filtering import BODY, Ruled, ruled

from mailhorn.server.filtering import rules
from mailhorn.server.filtering.carrying import Manner
from mailhorn.server.filtering.lists import Lists
from mailhorn.server.filtering.service import Came
from mailhorn.server.scripts import Everybody

PARTS = (
    BODY.split(b"\r\n\r\n")[0]
    + b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n'
    + b"Content-Type: text/plain\r\n\r\nThe secret is parsley\r\n--x\r\n"
    + b'Content-Type: application/x-msdownload; name="a.exe"\r\n\r\nMZ\r\n--x--\r\n'
)

HOLDS = {
    "body": ('require "body";', 'body :contains "Hi Ann"', BODY),
    "body, raw": ('require "body";', 'body :raw :contains "x-msdownload"', PARTS),
    "date": ('require "date";', 'date :zone "+0000" :is "date" "hour" "09"', BODY),
    "currentdate": ('require ["date", "relational"];', 'currentdate :value "ge" "year" "2020"', BODY),
    "envelope": ('require "envelope";', 'envelope :localpart "from" "carl"', BODY),
    "subaddress": (
        'require ["envelope", "subaddress"];',
        'allof (envelope :user "to" "ann", not envelope :detail "to" "x")',
        BODY,
    ),
    "environment: where": (
        'require "environment";',
        'allof (environment "location" "MDA", environment "phase" "during", environment "name" "mailhorn",'
        ' environment "host" "mx.test", environment "domain" "test", environment :matches "version" "*.*")',
        BODY,
    ),
    "environment: from whom": (
        'require "environment";',
        'allof (environment "remote-ip" "192.0.2.7", environment "remote-host" "sender.example",'
        ' not environment :contains "vnd.nothing" "")',
        BODY,
    ),
    "mailboxexists": ('require "mailbox";', 'allof (mailboxexists "Work", not mailboxexists ["Work", "Play"])', BODY),
    "special use": (
        'require "special-use";',
        'allof (specialuse_exists "\\\\Junk", specialuse_exists "Spam" "\\\\junk", not specialuse_exists "\\\\Sent")',
        BODY,
    ),
    "metadata": (
        'require ["mboxmetadata", "servermetadata"];',
        'allof (metadata "Work" "/private/comment" "mine", not metadataexists "Play" "/private/comment",'
        ' not servermetadataexists "/private/comment")',
        BODY,
    ),
    "spamtest": (
        'require ["spamtestplus", "relational", "comparator-i;ascii-numeric"];',
        'allof (spamtest :percent :value "eq" :comparator "i;ascii-numeric" "57",'
        ' spamtest :value "ge" :comparator "i;ascii-numeric" "6")',
        b"X-Spam-Score: 5.7 / 10\r\n" + BODY,
    ),
    "spamtest, not tested": ('require "spamtest";', 'spamtest "0"', BODY),
    "virustest": ('require "virustest";', 'virustest "5"', b"X-Virus: Infected (Eicar)\r\n" + BODY),
    "virustest, clean": ('require "virustest";', 'virustest "1"', b"X-Virus: no\r\n" + BODY),
    "extlists": (
        'require ["extlists", "envelope"];',
        'allof (envelope :list "from" "friends", valid_ext_list "friends", not valid_ext_list "enemies",'
        ' not header :list "subject" "friends")',
        BODY,
    ),
    "ihave": ('require "ihave";', 'allof (ihave ["body", "mime"], not ihave "vnd.nobody.has")', BODY),
    "regex": ('require "regex";', 'header :regex "subject" "^H.l+o$"', BODY),
    "mime": (
        'require "mime";',
        'header :mime :anychild :contenttype "content-type" "application/x-msdownload"',
        PARTS,
    ),
    "index": ('require ["date", "index"];', 'header :index 1 "from" "Carl <carl@elsewhere.example>"', BODY),
    "notify_method_capability": (
        'require "enotify";',
        'notify_method_capability "mailto:a@example.org" "online" "maybe"',
        BODY,
    ),
}


@pytest.fixture
def friends(tmp_path: Path) -> Lists:
    """A list of everybody's own."""
    (tmp_path / "friends-ann").write_text("# people\nCarl@Elsewhere.example\n\n")
    return Lists({"friends": str(tmp_path / "friends-{login}")})


async def _prepared(server: Ruled) -> None:
    await server.make("Work", **{"/private/comment": b"mine"})
    await server.make("Spam")


@pytest.mark.parametrize("name", HOLDS)
async def test_what_a_test_asks_is_answered(tmp_path: Path, friends: Lists, name: str) -> None:
    """A flag says that the test held, and that nothing failed."""
    requires, test, body = HOLDS[name]
    async with ruled(tmp_path, lists=friends) as server:
        await _prepared(server)
        server.script(f'{requires} require "imap4flags"; if {test} {{ keep :flags "held"; }}')
        came = Came(True, "192.0.2.7", "sender.example")
        assert [reply.code for reply in await server.deliver(body=body, came=came)] == [250]
        assert await server.messages() == [body]
        assert await server.flags() == [{"held"}]


@pytest.mark.parametrize(("lines", "aside"), [(1, False), (10_000, True)])
async def test_a_large_message_is_looked_through_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int, aside: bool
) -> None:
    """Everybody else is told of their mail meanwhile; of a small one a thread would cost more than it saves."""
    threads: list[int] = []

    def noting(work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: object, **named: object) -> Any:
            threads.append(threading.get_ident())
            return work(*args, **named)

        return noted

    for name in ("evaluate", "_sorted_out"):
        monkeypatch.setattr(rules, name, noting(getattr(rules, name)))
    body = BODY + b"one of many lines of text\r\n" * lines + b"the end\r\n"
    async with ruled(tmp_path) as server:
        server.script(
            'require ["body", "editheader", "imap4flags"];'
            'if body :contains "the end" { addheader "X-Seen" "yes"; keep :flags "held"; }'
        )
        await server.deliver(body=body)
        assert await server.flags() == [{"held"}]
        assert await server.messages() == [b"X-Seen: yes\r\n" + body]
    assert {thread != threading.get_ident() for thread in threads} == {aside}


async def test_files_by_identity_use_and_name(tmp_path: Path) -> None:
    """The identity goes before the name, and so does the use (RFC 9042 §3, RFC 8579 §4)."""
    async with ruled(tmp_path) as server:
        await server.make("Spam")
        id = await server.make("Old name")
        server.script(
            'require ["fileinto", "mailboxid", "special-use", "copy", "imap4flags", "mailbox"];'
            f'fileinto :copy :mailboxid "{id}" :flags "a" "Nowhere";'
            'fileinto :copy :specialuse "\\\\Junk" :flags "b" "Nowhere";'
            'fileinto :create :specialuse "\\\\Archive" :flags "c" "Kept";'
        )
        await server.deliver()
        assert [await server.flags(name) for name in ("Old name", "Spam", "Kept")] == [[{"a"}], [{"b"}], [{"c"}]]
        assert await server.messages() == [] == await server.messages("Nowhere")
        server.script('require ["fileinto", "special-use"]; fileinto :specialuse "\\\\Archive" "Nowhere";')
        await server.deliver()
        assert len(await server.messages("Kept")) == 2


@pytest.mark.parametrize("default", ["One", "Two"])
async def test_of_several_mailboxes_of_one_use_the_default_is_taken(tmp_path: Path, default: str) -> None:
    """ "If one of those mailboxes is, in fact, the default mailbox", it must be that one (RFC 8579 §4)."""
    async with ruled(tmp_path) as server:
        for name in ("One", "Two"):
            await server.make(name, **{"/private/specialuse": b"\\Sent"})
        server.script(f'require ["fileinto", "special-use"]; fileinto :specialuse "\\\\Sent" "{default}";')
        await server.deliver()
        assert len(await server.messages(default)) == 1


async def test_what_is_enclosed_is_from_its_owner(tmp_path: Path) -> None:
    """And from today; the message it came as is inside of it (RFC 5703 §6)."""
    async with ruled(tmp_path) as server:
        server.script('require "enclose"; enclose :subject "Look" "at this";')
        await server.deliver(body=BODY)
        (found,) = await server.messages()
        header, _, body = found.partition(b"\r\n\r\n")
        assert header.startswith(b"From: ann@") and b"\r\nSubject: Look\r\n" in header and b"\r\nDate: " in header
        assert BODY in body


@pytest.mark.parametrize("creates", [False, True])
async def test_a_mailbox_that_is_missing(tmp_path: Path, creates: bool) -> None:
    """It is made if the script says so, and else if the settings do."""
    async with ruled(tmp_path, manner=Manner(create_mailboxes=creates)) as server:
        server.script('require ["fileinto", "mailbox", "copy"]; fileinto :copy :create "A"; fileinto "B";')
        await server.deliver()
        kept = [len(await server.messages(name)) for name in ("A", "B", "INBOX")]
        assert kept == ([1, 1, 0] if creates else [1, 0, 1])


async def test_names_that_change_are_found_by_their_new_name(tmp_path: Path) -> None:
    """What is kept in memory of names is no older than the last change that was told."""
    async with ruled(tmp_path) as server:
        await server.make("A")
        server.script('require "fileinto"; fileinto "B";')
        await server.deliver()
        account = await server.server.store.index.account("ann")
        assert account is not None
        await server.server.store.index.rename_mailbox(account.id, "A", "B")
        server.server.delivery.filter.places.forget((account.id,))
        await server.deliver()
        assert (len(await server.messages()), len(await server.messages("B"))) == (1, 1)


async def test_what_is_changed_is_what_is_kept(tmp_path: Path) -> None:
    """Headers added and deleted; a copy that was filed before is as it was (RFC 5293 §4)."""
    async with ruled(tmp_path) as server:
        await server.make("Before")
        server.script(
            'require ["editheader", "fileinto", "copy"]; fileinto :copy "Before";'
            'addheader "X-New" "Grüße"; deleteheader "Subject";'
        )
        await server.deliver()
        (kept,) = await server.messages()
        assert await server.messages("Before") == [BODY]
        assert kept == b"X-New: =?utf-8?b?R3LDvMOfZQ==?=\r\n" + BODY.replace(b"Subject: Hello\r\n", b"")


async def test_parts_are_read_replaced_and_enclosed(tmp_path: Path) -> None:
    """foreverypart, extracttext, replace, enclose (RFC 5703)."""
    async with ruled(tmp_path) as server:
        server.script(
            'require ["foreverypart", "mime", "extracttext", "replace", "enclose", "variables", "imap4flags"];'
            'foreverypart { if header :mime :subtype "content-type" "plain" { extracttext :first 6 "begin"; }'
            '  if header :mime :subtype "content-type" "x-msdownload" { replace "gone"; } }'
            'enclose :subject "Look" "it was changed"; if string "${begin}" "The se" { keep :flags "read"; }'
        )
        await server.deliver(body=PARTS)
        (kept,) = await server.messages()
        assert b"gone" in kept and b"MZ" not in kept and b"Subject: Look" in kept and b"it was changed" in kept
        assert await server.flags() == [{"read"}]


async def test_variables_are_put_in(tmp_path: Path) -> None:
    """Also into the name of a mailbox that is made."""
    async with ruled(tmp_path) as server:
        server.script(
            'require ["variables", "fileinto", "mailbox", "envelope"];'
            'if envelope :matches "from" "*@*.example" { set :upperfirst "who" "${2}"; }'
            'fileinto :create "From/${who}";'
        )
        await server.deliver()
        assert await server.messages("From/Elsewhere") == [BODY]


async def test_included_scripts_run_and_their_changes_count(tmp_path: Path) -> None:
    """One's own by name, the operator's with :global; a file that changes is read again."""
    async with ruled(tmp_path, Everybody(shared=tmp_path / "shared")) as server:
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared" / "spam.sieve").write_text('require "imap4flags"; addflag "shared";')
        own = tmp_path / "sieve" / "ann"
        own.mkdir(parents=True)
        (own / "mine.sieve").write_text('require "imap4flags"; addflag "mine";')
        server.script('require ["include", "imap4flags"]; include :global "spam"; include "mine";')
        await server.deliver()
        (own / "mine.sieve").write_text('require "imap4flags"; addflag "changed";')
        server.server.delivery.filter.scripts.recheck()
        await server.deliver()
        assert [flags >= {"shared"} for flags in await server.flags()] == [True, True]
        assert "changed" not in (await server.flags())[0] and "changed" in (await server.flags())[1]


async def test_a_duplicate_is_known_once_its_first_copy_is_safe(tmp_path: Path) -> None:
    """RFC 7352 §3; another account's mail is another matter, and so is a copy that did not arrive."""
    async with ruled(tmp_path) as server:
        for login in ("ann", "bob"):
            server.script('require ["duplicate", "imap4flags"]; if duplicate { keep :flags "again"; }', login)
        await server.deliver("ann")
        await server.deliver("ann", "bob")
        assert await server.flags() == [set(), {"again"}] and await server.flags(login="bob") == [set()]
        server.script(
            'require ["duplicate", "copy"];if duplicate :handle "r" { discard; } redirect :copy "z@y.example";'
        )
        server.queue.refuses = True
        assert [reply.code for reply in await server.deliver()] == [451]
        server.queue.refuses = False
        assert [reply.code for reply in await server.deliver()] == [250]
        assert len(await server.messages()) == 3
        await server.deliver()
        assert len(await server.messages()) == 3


async def test_a_script_that_fails_on_a_message_keeps_it_and_says_so_once(tmp_path: Path) -> None:
    """RFC 5228 §2.10.6: nothing else that it asked for is done."""
    async with ruled(tmp_path) as server:
        await server.make("Work")
        server.script('require ["fileinto", "ihave"]; fileinto "Work"; error "no good";')
        await server.deliver()
        await server.deliver()
        first, told, second = await server.messages()
        assert first == second == BODY and b"no good" in told and b"Auto-Submitted: auto-generated" in told
        assert await server.messages("Work") == []


async def test_a_big_message_is_filtered_too(tmp_path: Path) -> None:
    """Of those that are not in memory the parts are read as well, and changed."""
    async with ruled(tmp_path) as server:
        big = BODY + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 10_000 + b"the end\r\n"
        server.script(
            'require ["body", "editheader", "fileinto", "mailbox", "copy"];'
            'if body :contains "the end" { fileinto :copy :create "Big"; addheader "X-Big" "yes"; }'
        )
        await server.deliver(body=big)
        assert await server.messages("Big") == [big] and await server.messages() == [b"X-Big: yes\r\n" + big]
        assert list((tmp_path / "mail").rglob("spool/*")) == []


async def test_a_mistake_of_ours_keeps_the_message_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail does not wait until it is mended."""
    async with ruled(tmp_path) as server:

        def broken(*_: object) -> None:
            raise RecursionError("too deep")

        monkeypatch.setattr("mailhorn.server.filtering.rules.evaluate", broken)
        server.script("discard;")
        assert [reply.code for reply in await server.deliver()] == [250]
        assert (await server.messages())[0] == BODY


async def test_a_mailbox_that_is_gone_is_a_4xx_once(tmp_path: Path) -> None:
    """What is kept in memory of names is looked up again then."""
    async with ruled(tmp_path) as server:
        await server.make("Work")
        server.script('require "fileinto"; fileinto "Work";')
        await server.deliver()
        index = server.server.store.index
        account = await index.account("ann")
        assert account is not None
        mailbox = await index.mailbox(account.id, "Work")
        assert mailbox is not None
        await index.delete_mailbox(mailbox.id)
        assert [reply.code for reply in await server.deliver()] == [451]
        assert [reply.code for reply in await server.deliver()] == [250]
        assert await server.messages() == [BODY]


async def test_a_large_script_is_compiled_aside(tmp_path: Path) -> None:
    """Mail for others goes on meanwhile; the mail it is for waits for it, also when two come at once."""
    async with ruled(tmp_path) as server:
        rules = "".join(f'elsif header "x-{n}" "{n}" {{ discard; }}\n' for n in range(1_000))
        server.script(f'require "imap4flags"; if false {{ }} {rules} else {{ addflag "all"; }}')
        bodies = [BODY.replace(b"<1@", b"<%d@" % n) for n in range(2)]
        first, second, other = [
            asyncio.create_task(work)
            for work in (server.deliver(body=bodies[0]), server.deliver(body=bodies[1]), server.deliver("bob"))
        ]
        assert [reply.code for reply in await other] == [250] and not first.done()
        await asyncio.gather(first, second)
        assert await server.flags() == [{"all"}, {"all"}]
