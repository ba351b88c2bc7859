"""What is left of a directory when the power goes: the record that `tests.kit.disk` keeps, played on a model of a disk.

Rule 1: what was written before a flush of that file is there, as is what was done in a directory before a flush of
that directory. Rule 2: of what came later any part may be there: of writes each sector of 512 octets or not, of a
directory's changes as many of the first ones as chance has it; only a rename is whole or not at all. Rule 3: a process
that is killed loses nothing, but what it had not flushed is still not flushed when the next one has started.
"""

import itertools
import os
import pickle
import random
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR = 512
"""Octets that a disk writes whole or not at all."""


@dataclass
class Content:
    """One file: what is on the disk for sure, and what was done to it since."""

    durable: bytearray
    later: list[tuple[Any, ...]] = field(default_factory=list)
    mtime: float | None = None

    def play(self, entry: tuple[Any, ...], data: bytearray) -> None:
        """Do to the data what was done."""
        if entry[0] == "truncate":
            size = entry[1]
            del data[size:]
            data.extend(bytes(size - len(data)))
        else:
            _, at, written = entry
            if len(data) < at:
                data.extend(bytes(at - len(data)))
            data[at : at + len(written)] = written

    def flush(self) -> None:
        """Put all on the disk."""
        for entry in self.later:
            self.play(entry, self.durable)
        self.later.clear()

    def left(self, chance: random.Random, odds: float) -> bytearray:
        """Return what is there after a power cut: each later sector with these odds."""
        data = bytearray(self.durable)
        for entry in self.later:
            if entry[0] == "truncate":
                if chance.random() < odds:
                    self.play(entry, data)
                continue
            _, at, written = entry
            start = 0
            while start < len(written):
                end = min(len(written), start + SECTOR - (at + start) % SECTOR)
                if chance.random() < odds:
                    self.play(("write", at + start, written[start:end]), data)
                start = end
        return data


@dataclass
class Folder:
    """One directory: its entries as they are, as they are on the disk, and the changes between."""

    now: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)
    later: list["Change"] = field(default_factory=list)


@dataclass(eq=False)
class Change:
    """One change of entries: of one directory, or of two by a rename."""

    parts: tuple[tuple[Folder, str, int | None], ...]
    """Directory, name, and the inode that it comes to name (None: nothing)."""


class Platter:
    """The model of one directory tree; it follows the processes that work on it, one after the other."""

    def __init__(self, root: Path) -> None:
        """Take the tree as it is, all of it durable."""
        self.root = str(root)
        self._serial = itertools.count(1)
        self._take()

    def _take(self) -> None:
        """Take the tree as it is."""
        self.files: dict[int, Content] = {}
        self.folders: dict[int, Folder] = {}
        self._numbers: dict[int, int] = {}
        """By inode: a file system gives an inode again while what a power cut would bring back still has it."""
        self._top = self._read(self.root)

    def _new(self, inode: int) -> int:
        self._numbers[inode] = number = next(self._serial)
        return number

    def _read(self, path: str) -> int:
        ino = self._new(os.stat(path).st_ino)
        folder = self.folders[ino] = Folder()
        for entry in os.scandir(path):
            if entry.name.endswith("-shm"):
                continue
            if entry.is_dir(follow_symlinks=False):
                folder.now[entry.name] = self._read(entry.path)
            else:
                number = self._numbers.get(entry.inode(), 0)
                if not number:
                    number = self._new(entry.inode())
                    self.files[number] = Content(bytearray(Path(entry.path).read_bytes()), [], entry.stat().st_mtime)
                folder.now[entry.name] = number
        folder.durable = dict(folder.now)
        return ino

    # following

    def follow(self, record: Path) -> int:
        """Play what a process did; return how many operations that were."""
        count = 0
        with record.open("rb") as file:
            while True:
                try:
                    entry = pickle.load(file)
                except EOFError:
                    return count
                count += 1
                getattr(self, f"_{entry[0].replace(' ', '_')}")(*entry[1:])

    def _place(self, path: str) -> tuple[Folder, str]:
        folder, name = os.path.split(path)
        at = self.folders[self._top]
        for part in os.path.relpath(folder, self.root).split("/"):
            if part != ".":
                at = self.folders[at.now[part]]
        return at, name

    def _change(self, *parts: tuple[Folder, str, int | None]) -> None:
        change = Change(parts)
        for folder, name, ino in parts:
            if ino is None:
                folder.now.pop(name, None)
            else:
                folder.now[name] = ino
            if change not in folder.later[-1:]:
                folder.later.append(change)

    def _create(self, path: str, inode: int) -> None:
        ino = self._new(inode)
        self.files[ino] = Content(bytearray())
        self._change((*self._place(path), ino))

    def _mkdir(self, path: str, inode: int) -> None:
        ino = self._new(inode)
        self.folders[ino] = Folder()
        self._change((*self._place(path), ino))

    def _rename(self, old: str, new: str) -> None:
        source, target = self._place(old), self._place(new)
        ino = source[0].now[source[1]]
        if source != target:
            self._change((*source, None), (*target, ino))

    def _link(self, old: str, new: str) -> None:
        source = self._place(old)
        self._change((*self._place(new), source[0].now[source[1]]))

    def _nameless(self, inode: int) -> None:
        self.files[self._new(inode)] = Content(bytearray())

    def _name(self, inode: int, path: str) -> None:
        self._change((*self._place(path), self._numbers[inode]))

    def _unlink(self, path: str) -> None:
        self._change((*self._place(path), None))

    _rmdir = _unlink

    def _write(self, inode: int, at: int, data: bytes) -> None:
        self.files[self._numbers[inode]].later.append(("write", at, data))

    def _truncate(self, inode: int, size: int) -> None:
        self.files[self._numbers[inode]].later.append(("truncate", size))

    def _utime(self, inode: int, mtime: float) -> None:
        ino = self._numbers[inode]
        if ino in self.files:
            self.files[ino].mtime = mtime

    def _sync(self, inode: int) -> None:
        ino = self._numbers[inode]
        if ino in self.files:
            self.files[ino].flush()
        elif ino in self.folders:
            self._flush(self.folders[ino])

    def _sync_all(self) -> None:
        for content in self.files.values():
            content.flush()
        for folder in self.folders.values():
            folder.durable, folder.later = dict(folder.now), []

    def _flush(self, folder: Folder) -> None:
        """Put the directory's changes on the disk, and what a rename among them did elsewhere, with all before it."""
        changes, folder.later = folder.later, []
        for change in changes:
            self._happened(change)

    def _happened(self, change: Change) -> None:
        for folder, name, ino in change.parts:
            if change in folder.later:  # the other side of a rename: what came before it there is in the same journal
                while folder.later and folder.later[0] is not change:
                    self._happened(folder.later.pop(0))
                folder.later.pop(0)
            if ino is None:
                folder.durable.pop(name, None)
            else:
                folder.durable[name] = ino

    # the power goes

    def cut(self, chance: random.Random, odds: float | None = None, entries_odds: float | None = None) -> str:
        """
        Make the directory what it is after a power cut, and take that as it is from here on.

        Args:
            chance: Says what is left.
            odds: Of each sector that was not flushed; None: by chance.
            entries_odds: Of each change of a directory that was not flushed.

        Returns what was left of the later changes, for a message.

        """
        odds = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0)) if odds is None else odds
        entries_odds = chance.choice((0.0, 0.3, 0.8, 1.0)) if entries_odds is None else entries_odds
        for folder in list(self.folders.values()):
            while folder.later and chance.random() < entries_odds:
                self._happened(folder.later.pop(0))
        new = Path(f"{self.root}.new")
        shutil.rmtree(new, ignore_errors=True)
        written: dict[int, str] = {}
        self._write_out(self._top, str(new), chance, odds, written)
        shutil.rmtree(self.root)
        new.rename(self.root)
        self._take()
        return f"{odds:.0%} of unflushed sectors, {entries_odds:.0%} of unflushed entries"

    def _write_out(self, ino: int, path: str, chance: random.Random, odds: float, written: dict[int, str]) -> None:
        os.makedirs(path, 0o700, exist_ok=True)
        for name, number in self.folders[ino].durable.items():
            target = f"{path}/{name}"
            if number in self.folders:
                self._write_out(number, target, chance, odds, written)
            elif number in written:
                os.link(written[number], target)
            else:
                content = self.files[number]
                Path(target).write_bytes(content.left(chance, odds))
                if content.mtime is not None:
                    os.utime(target, (content.mtime, content.mtime))
                written[number] = target

    def agrees(self) -> list[str]:
        """Return where the tree as it is differs from the model: operations that were not on record."""
        found: list[str] = []
        self._compare(self._top, self.root, found)
        return found

    def _compare(self, ino: int, path: str, found: list[str]) -> None:
        folder = self.folders[ino]
        there = {entry.name: entry for entry in os.scandir(path) if _is_kept(entry)}
        found += [f"{path}/{name}" for name in there.keys() ^ folder.now.keys()]
        for name in there.keys() & folder.now.keys():
            number = folder.now[name]
            if there[name].is_dir(follow_symlinks=False):
                self._compare(number, there[name].path, found)
            else:
                data = bytearray(self.files[number].durable)
                for entry in self.files[number].later:
                    self.files[number].play(entry, data)
                if data != Path(there[name].path).read_bytes():
                    found.append(there[name].path)


def _is_kept(entry: "os.DirEntry[str]") -> bool:
    """Say whether a disk keeps it: not what processes share while they run, and no socket."""
    return not entry.name.endswith("-shm") and not stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
