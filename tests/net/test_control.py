"""Asking a running program over its socket."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from mailhorn.net.control import ControlError, ask, listening


async def echo(asked: dict[str, Any]) -> dict[str, Any]:
    """Say what was asked, or that it is wrong."""
    if asked.get("wrong"):
        raise ValueError("that is wrong")
    return {"said": asked["text"]}


async def test_a_question_and_its_answer(tmp_path: Path) -> None:
    """What is asked is answered; what is unknown or wrong is said so."""
    path = tmp_path / "control"
    async with listening(path, {"echo": echo}):
        assert await asyncio.to_thread(ask, path, "echo", text="ä\n") == {"said": "ä\n"}
        with pytest.raises(ControlError, match="that is wrong"):
            await asyncio.to_thread(ask, path, "echo", wrong=True)
        with pytest.raises(ControlError, match="same version"):
            await asyncio.to_thread(ask, path, "what", text="")
    with pytest.raises(ControlError, match="nobody answers"):
        ask(path, "echo", text="")


async def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path) -> None:
    """It is reached all the same."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    async with listening(folder / "control", {"echo": echo}):
        assert await asyncio.to_thread(ask, folder / "control", "echo", text="1") == {"said": "1"}


async def test_two_at_one_place(tmp_path: Path) -> None:
    """Who listens keeps the place; what was left behind does not."""
    path = tmp_path / "control"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    async with listening(path, {"echo": echo}):
        with pytest.raises(ControlError, match="another program answers"):
            async with listening(path, {}):
                pass
        assert await asyncio.to_thread(ask, path, "echo", text="still here") == {"said": "still here"}


async def test_what_is_no_question(tmp_path: Path) -> None:
    """Too long, no JSON, no line: an error or nothing, and the next one is answered."""
    path = tmp_path / "control"
    async with listening(path, {"echo": echo}):
        for noise in (b"x" * 200_000 + b"\n", b"[[[[\n", b'"ask"\n', b'{"ask": ["echo"]}\n', b"{"):
            _, writer = await asyncio.open_unix_connection(path)
            writer.write(noise)
            writer.close()
        assert await asyncio.to_thread(ask, path, "echo", text="1") == {"said": "1"}
