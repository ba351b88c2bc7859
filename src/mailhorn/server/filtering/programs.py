"""Programs that scripts may run: only what the administrator has put into one folder, and only by its name.

Rule 1: a script names a file in that folder; there is no way out of it, and no shell. Rule 2: a program gets the
message on its standard input, an environment of our own, and nothing else of the server: no secrets, no descriptors.
Rule 3: it has so much time, and may answer so much; who takes more is ended, and has failed.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import structlog

from ...sieve.questions import Ran

AT_ONCE = 4
"""Programs that run at a time: each is a process of its own, and mail waits for it."""

LAST_WORDS = 1.0
"""Seconds that we wait for the end of what a program says once it was killed: it is in the pipe already."""

log = structlog.get_logger("mailhorn.sieve")


class Programs:
    """Which programs there are, and what they may take. Of one event loop."""

    def __init__(self, folder: Path | None = None, timeout: float = 10.0, largest: int = 50 * 2**20) -> None:
        """
        Run those.

        Args:
            folder: Where they are; None: there are none.
            timeout: Seconds one may run.
            largest: Octets one may answer.

        """
        self._folder = folder
        self._timeout = timeout
        self._largest = largest
        self._turns = asyncio.Semaphore(AT_ONCE)

    def __bool__(self) -> bool:
        """Return whether any may be run."""
        return self._folder is not None

    async def run(self, asked: Ran, environment: Mapping[str, str] | None = None) -> tuple[bool, bytes]:
        """Run a filter or execute; return whether it succeeded, and what it answered."""
        return await self.give(asked.program, asked.arguments, asked.input, environment or {})

    async def give(
        self, name: str, arguments: Sequence[str], message: bytes, environment: Mapping[str, str]
    ) -> tuple[bool, bytes]:
        """
        Run a program.

        Args:
            name: Its file's name.
            arguments: Its arguments.
            message: Its standard input.
            environment: Variables it gets besides PATH.

        Returns:
            Whether it ended with 0 in time, and its standard output, "" if it failed.

        """
        path = None if self._folder is None else self._folder / name
        if path is None or "/" in name or name.startswith(".") or not path.is_file() or not os.access(path, os.X_OK):
            log.error("a rule wants to run a program that is not there", program=name)
            return False, b""
        async with self._turns:
            return await self._ran(path, arguments, message, environment)

    async def _ran(
        self, path: Path, arguments: Sequence[str], message: bytes, environment: Mapping[str, str]
    ) -> tuple[bool, bytes]:
        try:
            with await asyncio.to_thread(_given, message) as given:
                process = await asyncio.create_subprocess_exec(
                    str(path),
                    *arguments,
                    stdin=given,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    cwd="/",
                    env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            log.error("a program that a rule wants cannot be run", program=path.name, reason=str(error))
            return False, b""
        output = bytearray()
        try:
            async with asyncio.timeout(self._timeout):
                await self._read(process, output)
                code = await process.wait()
        except (TimeoutError, _TooMuch) as error:
            why = f"it takes more than {self._timeout:g} s" if isinstance(error, TimeoutError) else str(error)
            log.error("a program that a rule ran was ended", program=path.name, reason=why)
            return False, b""
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await _ended(process)
        if code:
            log.warning("a program that a rule ran has failed", program=path.name, code=code)
            return False, b""
        return True, bytes(output)

    async def _read(self, process: asyncio.subprocess.Process, output: bytearray) -> None:
        assert process.stdout is not None
        while piece := await process.stdout.read(65536):
            output += piece
            if len(output) > self._largest:
                raise _TooMuch(f"it answers more than {self._largest} octets")


class _TooMuch(Exception):
    """A program answers without end."""


def _given(message: bytes) -> IO[bytes]:
    """Return a file to read a message from: nobody has to wait until a program reads it, or does not."""
    from tempfile import TemporaryFile  # where there are programs

    file = TemporaryFile()
    file.write(message)
    file.seek(0)
    return file


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Wait for a program that was killed: asyncio knows that it has ended once all it said was read."""
    assert process.stdout is not None
    with contextlib.suppress(TimeoutError):  # somebody it has started lives on, and holds its output open
        async with asyncio.timeout(LAST_WORDS):
            while await process.stdout.read(65536):
                pass
            await process.wait()


__all__ = ["Programs"]
