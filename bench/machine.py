"""What Linux tells of this machine and of the processes on it."""

import contextlib
import os
import platform
import time
from collections import defaultdict
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
"""Steps of processor time in a second: a hundred, so a figure of less than a hundredth of a second is noise."""
QUIET = 0.25
"""Seconds between two looks at the processor time of a server that has to come to rest."""


def tree(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                children[int(_stat(int(folder.name))[1])].append(int(folder.name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def processor_seconds(root: int) -> float:
    """Return the processor time of a process and its descendants, those that have ended included."""
    used = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            used += sum(map(int, _stat(pid)[11:15]))
    return used / TICKS


def memory(root: int, kind: str = "Pss") -> int:
    """
    Return the octets of memory of a process and its descendants: the sum of their proportional sets.

    A page that several share counts for each in part. What the kernel holds for their sockets is in no process.

    Args:
        root: The process.
        kind: Pss for all of it; Pss_Anon for what they have allocated, without the files they have mapped: that does
            not change when another program uses the same libraries.

    """
    kib = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(f"{kind}:"):
                    kib += int(line.split()[1])
    return kib * 1024


def threads_and_files(root: int) -> tuple[int, int]:
    """Return how many threads and open files a process and its descendants have."""
    threads = files = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            threads += len(os.listdir(f"/proc/{pid}/task"))
            files += len(os.listdir(f"/proc/{pid}/fd"))
    return threads, files


def flushes_per_second(folder: Path, seconds: float = 1.0) -> float:
    """Return how often a second 4 KiB can be appended to a file and flushed: what a durable answer costs."""
    path = folder / "flush"
    octets = os.urandom(4096)
    count = 0
    with path.open("wb", buffering=0) as file:
        begin = now = time.perf_counter()
        while now < begin + seconds:
            file.write(octets)
            os.fdatasync(file.fileno())
            count += 1
            now = time.perf_counter()
    path.unlink()
    return count / (now - begin)


def description() -> str:
    """Return processor, cores, kernel and Python in one line."""
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {gib:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat that follow the name of the program, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
