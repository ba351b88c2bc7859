"""A running command answers questions of other commands; if that cannot be, it does its work all the same."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from ..net.control import Answers, ControlError, listening
from .profile.sampler import profile

log = structlog.get_logger("mailhorn")


@contextlib.asynccontextmanager
async def asked(path: Path, answers: Answers) -> AsyncIterator[None]:
    """Answer these questions, and `profile`, for as long as the block lasts."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(listening(path, {"profile": profile, **answers}))
        except ControlError as error:
            log.warning("nobody can ask how it is", reason=str(error))
        yield


__all__ = ["asked"]
