"""What somebody may do with another's mailbox is what Dovecot's acl plugin allows, but for what is listed here."""

import asyncio
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.kit.clients import need
from tests.kit.dovecot import MAIL_USER, Dovecot
from tests.kit.mailserver import PASSWORD, running_server

SHARED = """
mail_plugins = acl
protocol imap {{
  mail_plugins = acl imap_acl
}}
plugin {{
  acl = vfile
  acl_shared_dict = file:{directory}/mail/shared.db
}}
namespace others {{
  type = shared
  separator = /
  prefix = Other Users/%%n/
  location = maildir:{directory}/mail/%%n/Maildir
  subscriptions = no
  list = children
}}
"""

RIGHTS = ("l", "lr", "lrs", "lrw", "lrt", "lre", "lrte", "lrswite", "li", "lk", "lx", "la", "r", "i", "lrswipkxtea", "")

_KNOWN = {
    # Dovecot says OK and does nothing. RFC 4314 §4 wants "e" for EXPUNGE; STORE should be OK if one of its flags may be
    # changed, and here none may.
    "EXPUNGE": ("NO", "OK"),
    "STORE \\Flagged": ("NO", "OK"),
    "STORE \\Seen": ("NO", "OK"),
    "STORE \\Deleted": ("NO", "OK"),
    # Dovecot does not look whether there is such a mailbox; RFC 4314 §4 allows both.
    "SUBSCRIBE": ("NO", "OK"),
    # Dovecot has to open it, which takes "r"; RFC 4314 §4 wants "x" and nothing else.
    "DELETE": ("OK", "NO"),
}
"""What is answered here and there, and why."""

Ask = Callable[[str], Awaitable[list[str]]]


@asynccontextmanager
async def _client(port: int, login: str, password: str) -> AsyncIterator[Ask]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()

    async def ask(command: str) -> list[str]:
        writer.write(f"t {command}\r\n".encode())
        lines: list[str] = []
        while not (line := (await reader.readline()).decode()).startswith("t "):
            assert line, lines
            lines.append(line.rstrip())
        return [*lines, line[2:].rstrip()]

    assert (await ask(f"LOGIN {login} {password}"))[-1].startswith("OK")
    try:
        yield ask
    finally:
        writer.close()
        await writer.wait_closed()


async def _share(ann: Ask) -> None:
    """Make a mailbox for each set of rights, with two messages, one \\Deleted."""
    for number, rights in enumerate(RIGHTS):
        await ann(f"CREATE box{number}")
        for flags in ("", "(\\Deleted) "):
            assert (await ann(f"APPEND box{number} {flags}{{16+}}\r\nSubject: x\r\n\r\nab"))[-1].startswith("OK")
        assert (await ann(f'SETACL box{number} bob "{rights}"'))[-1].startswith("OK")


async def _outcomes(bob: Ask) -> dict[str, str]:
    """Return what bob may do, for each set of rights that ann has given him in a mailbox of hers."""
    found: dict[str, str] = {}
    for number, rights in enumerate(RIGHTS):
        box = f'"Other Users/ann/box{number}"'

        async def note(what: str, command: str, detail: str = "", rights: str = rights) -> str:
            answer = await bob(command)
            said = answer[-1].partition(" ")[0]
            inner = re.search(detail, "\n".join(answer)) if detail and said == "OK" else None
            found[f"{rights} {what}"] = f"{said} {' '.join(sorted(inner[1].split()))}" if inner else said
            return said

        listed = await bob(f'LIST "" {box}')
        found[f"{rights} LIST"] = str(any("NonExistent" not in one and "Noselect" not in one for one in listed[:-1]))
        await note("MYRIGHTS", f"MYRIGHTS {box}")
        await note("STATUS", f"STATUS {box} (MESSAGES)")
        await note("EXAMINE", f"EXAMINE {box}", r"\[(READ-\w+)\]")
        await note("PERMANENTFLAGS", f"SELECT {box}", r"PERMANENTFLAGS \(([^)]*)\)")
        if await note("SELECT", f"SELECT {box}", r"t? ?OK \[(READ-\w+)\]") == "OK":
            await note("COPY out", "COPY 1 INBOX")
            await note("FETCH", "FETCH 1 BODY[]")
            for flag in ("\\Flagged", "\\Seen", "\\Deleted"):
                await note(f"STORE {flag}", f"STORE 1 +FLAGS.SILENT ({flag})")
            await note("flags", "FETCH 1 FLAGS", r"FLAGS \(([^)]*)\)")
            await note("EXPUNGE", "UID EXPUNGE 2")
            await bob("UNSELECT")
        await note("APPEND", f"APPEND {box} (\\Seen \\Flagged) {{16+}}\r\nSubject: x\r\n\r\nab")
        await note("GETACL", f"GETACL {box}")
        await note("SETACL", f"SETACL {box} eve l")
        await note("CREATE", f'CREATE {box[:-1]}/below"')
        await note("SUBSCRIBE", f"SUBSCRIBE {box}")
        await note("DELETE", f"DELETE {box}")
    return found


async def test_rights_mean_the_same(tmp_path: Path) -> None:
    """Sixteen sets of rights, and what may be done with each."""
    need("dovecot")
    directory = Path(tempfile.mkdtemp(prefix="dovecot-"))
    dovecot = Dovecot(directory)
    try:
        dovecot.configuration.write_text(dovecot.configuration.read_text() + SHARED.format(directory=directory))
        if os.geteuid() == 0:
            (directory / "mail" / "shared.db").touch()
            os.chown(directory / "mail" / "shared.db", pwd.getpwnam(MAIL_USER).pw_uid, -1)
        dovecot.start()
        async with _client(dovecot.imap_port, "ann", dovecot.password) as ann:
            await _share(ann)
        async with _client(dovecot.imap_port, "bob", dovecot.password) as bob:
            theirs = await _outcomes(bob)
    finally:
        dovecot.kill()
        shutil.rmtree(directory)
    async with running_server(tmp_path, ("ann", "bob", "eve")) as server:
        async with _client(server.ports["imap"], "ann", PASSWORD) as ann:
            await _share(ann)
        async with _client(server.ports["imap"], "bob", PASSWORD) as bob:
            ours = await _outcomes(bob)
    differ = {what: (ours[what], theirs[what]) for what in ours if ours[what] != theirs[what]}
    unknown = [f"{what}: {pair}" for what, pair in differ.items() if _KNOWN.get(what.partition(" ")[2]) != pair]
    assert unknown == [], "\n".join(unknown)
