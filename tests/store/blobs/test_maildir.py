"""Reading what other tools may have put where a message was."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.stores import account, deliver, message_files, opened

from mailhorn.model.ids import UID
from mailhorn.store.abc import StoreUnavailable


class Nobody:
    """A taker who may not get anything."""

    def take(self, number: int, body: bytes | int) -> bool:
        """Say what it was given."""
        assert isinstance(body, int)
        return os.fstat(body).st_size > 0

    def end(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("put", [os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)])
async def test_what_is_no_file_is_not_read(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """Nobody waits for the other end of a pipe, least of all everybody; and a link gives nothing away."""
    async with opened(tmp_path) as store:
        _, inbox = await account(store)
        await deliver(store, inbox)
    (path,) = message_files(tmp_path)
    path.unlink()
    put(path)
    async with opened(tmp_path) as store:
        with pytest.raises(StoreUnavailable, match="cannot be read"):
            await store.body(inbox, UID(1))
        blobs = store._blobs
        name = str(path.relative_to(tmp_path / "mail"))
        assert blobs.at_once(name, 0, 10) is None
        assert await blobs.read_many([(name, 0, 10)]) == [None]
        if not path.is_dir():
            assert await blobs.hand_over([name], Nobody()) == 0
