"""Looks at a running program from inside, by a thread that is there for as long as it looks.

Rule 1: what is measured is processor time: the kernel's figure for each thread, given to the stack that it has at
that moment. Who waits weighs nothing, so no list of waiting functions is needed. Rule 2: nothing is patched, traced or
restarted; the program is slower by what the looks cost, which is told. Rule 3: one at a time.
"""

import asyncio
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

EVERY = 0.005
"""Seconds between two looks: 200 a second cost about a hundredth of a processor."""
LONGEST = 120.0
"""Seconds."""
DEEPEST = 200
"""Frames of a stack that are told; what is above is cut off."""

Stack = tuple[str, ...]
"""The functions, the outermost first; the name of the thread before them."""

_busy = threading.Lock()


async def profile(question: dict[str, Any]) -> dict[str, Any]:
    """
    Answer the question `profile`: look for `seconds`, then tell the stacks and their processor time.

    Raises:
        ValueError: Somebody is looking already, or it is to take too long.

    """
    try:
        seconds = float(question.get("seconds", 10.0))
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0.1 <= seconds <= LONGEST:
        raise ValueError(f"from 0.1 to {LONGEST:.0f} seconds")
    if not _busy.acquire(blocking=False):
        raise ValueError("somebody is looking already")
    try:
        return await asyncio.to_thread(_looked, seconds)
    finally:
        _busy.release()


def _looked(seconds: float) -> dict[str, Any]:
    began, own = time.monotonic(), time.thread_time()
    stacks, looks = sample(seconds)
    return {
        "seconds": round(time.monotonic() - began, 3),
        "looks": looks,
        "own": round(time.thread_time() - own, 4),
        "stacks": [[list(stack), round(used, 6)] for stack, used in stacks.items()],
    }


def sample(seconds: float) -> tuple[dict[Stack, float], int]:
    """Return stacks with the processor time they had, in seconds, and how often was looked. Blocks."""
    stacks: defaultdict[Stack, float] = defaultdict(float)
    used: dict[int, float] = {}
    names: dict[CodeType, str] = {}
    me = threading.get_ident()
    end = time.monotonic() + seconds
    looks = 0
    while (now := time.monotonic()) < end:
        time.sleep(min(EVERY, end - now))
        frames = sys._current_frames()
        for thread in threading.enumerate():
            frame = frames.get(thread.ident or 0)
            if frame is None or thread.ident == me:
                continue
            total = processor_time(thread.native_id)
            before = used.setdefault(thread.native_id or 0, total)
            if total > before:
                used[thread.native_id or 0] = total
                stacks[_stack(frame, thread.name, names)] += total - before
        del frames
        looks += 1
    return dict(stacks), looks


def processor_time(thread: int | None) -> float:
    """Return the seconds of processor time that a thread has had; elsewhere than on Linux, those that have passed."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_bytes().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return time.monotonic() if sys.platform != "linux" else 0.0


def _stack(frame: FrameType | None, thread: str, names: dict[CodeType, str]) -> Stack:
    found: list[str] = []
    while frame is not None and len(found) < DEEPEST:
        code = frame.f_code
        name = names.get(code)
        if name is None:
            name = names[code] = f"{code.co_qualname} ({_short(code.co_filename)}:{code.co_firstlineno})"
        found.append(name)
        frame = frame.f_back
    return (thread, *reversed(found))


def _short(file: str) -> str:
    """Return a path without what is the same for all: from the package on."""
    for mark in ("/site-packages/", "/src/", "/lib/python3"):
        before, found, rest = file.rpartition(mark)
        if found and before:
            return rest if mark != "/lib/python3" else rest.partition("/")[2]
    return file


__all__ = ["LONGEST", "Stack", "processor_time", "profile", "sample"]
