"""Killed at any moment: what was acknowledged is there, exactly once, and no UID is given twice."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.kit.stores import account, digest_of, lose_index, message_files, opened

import mailhorn
from mailhorn.model.ids import UID
from mailhorn.model.mailbox import INBOX
from mailhorn.store.index.sqlite import SqliteIndex
from mailhorn.store.rebuild import needs_rebuild, rebuild

CHILD = Path(__file__).parent.parent / "kit" / "busy_store.py"
ROOT = Path(__file__).parent.parent.parent


async def _killed_while_busy(directory: Path, enough: int) -> list[list[str]]:
    """Run the child until it has acknowledged enough, kill it, and return the lines it wrote."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(CHILD),
        str(directory),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{Path(mailhorn.__file__).parents[1]}{os.pathsep}{ROOT}"},
    )
    assert child.stdout is not None
    lines = []
    async for line in child.stdout:
        lines.append(line)
        if len(lines) == enough:
            child.send_signal(signal.SIGKILL)
    await child.wait()
    return [line.decode().split() for line in lines if line.endswith(b"\n")]


async def test_kill_nine(tmp_path: Path) -> None:
    """Three rounds: every acknowledged message is in one mailbox, with its body; UIDs ascend from round to round."""
    async with opened(tmp_path) as store:
        ada, _ = await account(store)
        await store.index.create_mailbox(ada, "Moved")
    given: dict[str, set[int]] = {INBOX: set(), "Moved": set()}
    acknowledged: dict[str, str] = {}
    for enough in (40, 150, 500):
        highest = max(given[INBOX], default=0)
        for number, (what, *words) in enumerate(await _killed_while_busy(tmp_path, enough)):
            name, uid, body = (INBOX, *words) if what == "appended" else ("Moved", *words)
            if what == "appended":
                assert int(uid) > highest or number, "a UID of an earlier round was given again"
                acknowledged[body] = INBOX
            else:
                acknowledged[body] = "Moved"
            assert int(uid) not in given[name]
            given[name].add(int(uid))
        started = time.monotonic()
        async with opened(tmp_path, grace=0.0) as store:
            assert time.monotonic() - started < 2
            found: dict[str, list[str]] = {}
            for name in given:
                box = await store.index.mailbox(ada, name)
                assert box is not None
                _, uids = await store.index.uids(box.id)
                assert len(uids) == box.messages and box.uid_next > max(given[name], default=0)
                for uid in uids:
                    body = (await store.body(box.id, UID(uid))).split()[0].decode()
                    found.setdefault(body, []).append(name)
                given[name].update(uids)
            assert all(len(places) == 1 for places in found.values())
            assert acknowledged.keys() <= found.keys()
            assert all(found[body] == ["Moved"] for body, name in acknowledged.items() if name == "Moved")
        assert len(message_files(tmp_path)) == len(found) and not list((tmp_path / "mail" / ".spool").iterdir())


async def test_index_lost_after_a_crash(tmp_path: Path) -> None:
    """UIDs that were given but are not known any more are skipped."""
    async with opened(tmp_path) as store:
        ada, _ = await account(store)
        await store.index.create_mailbox(ada, "Moved")
    lines = await _killed_while_busy(tmp_path, 60)
    highest = max(int(uid) for what, uid, _ in lines if what == "appended")
    lose_index(tmp_path)
    index = SqliteIndex(tmp_path / "index.db", digest_of)
    assert needs_rebuild(index, tmp_path)
    await rebuild(index, tmp_path, digest_of)
    box = await index.mailbox(ada, INBOX)
    assert box is not None and box.uid_next > highest
    await index.close()


@pytest.mark.parametrize("left", ["spool", "trash"])
async def test_leftovers_are_removed(tmp_path: Path, left: str) -> None:
    """What a crash left in the spool or the trash is gone after the start."""
    async with opened(tmp_path):
        pass
    (tmp_path / "mail" / ".running").touch()
    if left == "spool":
        (tmp_path / "mail" / ".spool" / "1.M2P3Q4.host").write_bytes(b"half")
    else:
        (tmp_path / "mail" / ".trash" / "folder-1").mkdir()
    async with opened(tmp_path):
        assert not list((tmp_path / "mail" / f".{left}").iterdir())
    assert not (tmp_path / "mail" / ".running").exists()
