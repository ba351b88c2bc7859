"""How one asks a running program: a Unix socket beside its data, one line of JSON there, one back.

Rule 1: only who runs the program, and root, may ask: the socket is theirs, and the kernel says who calls. Rule 2: a
question is bounded, and so is the time to ask it. Rule 3: whoever listens first keeps the place; what a killed program
has left is taken away.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

MAX_QUESTION = 64 * 1024
"""Octets of a question: a name and a few numbers."""
ASKING = 5.0
"""Seconds a caller may take to ask."""
MAX_PATH = 100
"""Octets of a path that a Unix socket may have everywhere; a longer one is reached through its directory."""

Answers = dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]]
"""By the name of the question: what is asked, to what is answered. A ValueError is an answer: what is wrong."""


class ControlError(Exception):
    """The program cannot be asked, or refuses; the text says why."""


@contextlib.asynccontextmanager
async def listening(path: Path, answers: Answers) -> AsyncIterator[None]:
    """
    Answer questions for as long as the block lasts.

    Args:
        path: Of the socket.
        answers: What can be asked.

    Raises:
        ControlError: The socket cannot be made, or another program answers there.

    """
    calls: set[asyncio.StreamWriter] = set()

    async def call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.add(writer)
        try:
            if _may_ask(writer):
                async with asyncio.timeout(ASKING):
                    line = await reader.readline()
                writer.write(json.dumps(await _answered(line, answers)).encode() + b"\n")
                await writer.drain()
        except (TimeoutError, OSError, ValueError):  # ValueError: a line that is too long
            pass
        finally:
            calls.discard(writer)
            writer.close()

    with _reachable(path) as place:
        made = _bound(place, path)
    server = await asyncio.start_unix_server(call, sock=made, limit=MAX_QUESTION)
    try:
        yield
    finally:
        server.close()
        for writer in tuple(calls):
            writer.transport.abort()
        with contextlib.suppress(OSError):
            os.unlink(path)


async def _answered(line: bytes, answers: Answers) -> dict[str, Any]:
    try:
        asked = json.loads(line)
        answer = answers[asked["ask"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {"error": "it does not know what that is; are both the same version of mailhorn?"}
    try:
        return await answer(asked)
    except ValueError as error:
        return {"error": str(error)}


def ask(path: Path, question: str, patience: float = ASKING, **more: object) -> dict[str, Any]:
    """
    Ask a running program.

    Args:
        path: Of its socket.
        question: By name.
        patience: Seconds for the answer.
        **more: What belongs to the question.

    Raises:
        ControlError: Nobody answers there, or it says what is wrong.

    """
    try:
        with _reachable(path) as place, socket.socket(socket.AF_UNIX) as line:
            line.settimeout(patience)
            line.connect(place)
            line.sendall(json.dumps({"ask": question, **more}).encode() + b"\n")
            with line.makefile("rb") as said:
                answer = json.loads(said.readline() or b"{}")
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ControlError(f"nobody answers at {path}") from error
    except (OSError, ValueError) as error:
        raise ControlError(f"no answer at {path}: {error}") from error
    if not isinstance(answer, dict) or not answer:
        raise ControlError(f"no answer at {path}: it is another user's, or was stopped just now")
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer


def _bound(place: str, path: Path) -> socket.socket:
    """Return a socket that is bound there, and listens to its owner only."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0))
    try:
        try:
            _bind(made, place)
        except OSError as error:
            with socket.socket(socket.AF_UNIX) as other:
                with contextlib.suppress(OSError):
                    other.connect(place)
                    raise ControlError(f"{path}: another program answers there") from error
            os.unlink(place)
            _bind(made, place)
    except (OSError, ControlError) as error:
        made.close()
        if isinstance(error, ControlError):
            raise
        raise ControlError(f"{path}: cannot listen there: {error.strerror}") from error
    return made


def _bind(made: socket.socket, place: str) -> None:
    before = os.umask(0o177)
    try:
        made.bind(place)
    finally:
        os.umask(before)


@contextlib.contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Yield a name of the path that is short enough for a Unix socket (108 octets on Linux, 104 elsewhere)."""
    if len(os.fsencode(path)) <= MAX_PATH or sys.platform != "linux":
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _may_ask(writer: asyncio.StreamWriter) -> bool:
    """Whether the caller is who runs this program, or root; where the system does not say, the file's mode decides."""
    caller = writer.get_extra_info("socket")
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or caller is None:
        return True
    _, user, _ = struct.unpack("3i", caller.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return user in (0, os.geteuid())


__all__ = ["Answers", "ControlError", "ask", "listening"]
