"""The scripts of each account, as files: what ManageSieve changes, and where delivery finds them (decision 33).

    DIRECTORY/LOGIN/NAME.sieve     each script
    DIRECTORY/LOGIN.sieve          a link to the active one; what `scripts.Scripts` reads

Rule 1: when a verb returns, what it did survives a power cut. Rule 2: at every moment each script, and the active one,
is the old one or the new one, whole. Rule 3: what stands in the folder is what there is, whoever put it there. Rule 4:
no name leaves its folder. All verbs may take as long as the disk does: call them in threads, any number at a time.
"""

import contextlib
import os
import re
import secrets
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from ..managesieve.names import BadName, valid_name
from ..store.names import MAX_NAME_ON_DISK, login_dir

SUFFIX = ".sieve"
LONG_NAME = ".name"
"""Ends the file that has the name of a script whose own file cannot: it stands beside it."""
ADOPTED = "main"
"""The name of a script that an administrator had put where the link belongs; `main-2` if that is another script."""
PROBLEM = ".problem"
"""Ends the file that says of a script what is wrong with it (`scripts.problem_file`)."""
LOCKS = 64
"""Accounts that can be changed at once; those that share a lock wait for each other's disk."""
LARGEST = 1_000_000
"""Octets of a file that is read: more is no script."""

_PLAIN = re.compile(rb"[^A-Za-z0-9@_+=,()' .-]|^[. ]| $")
_ENCODED = re.compile(rb"%([0-9a-f]{2})")


class ScriptProblem(Exception):
    """What was asked for cannot be done; the text says why, for people."""


class NoSuchScript(ScriptProblem):
    """There is no script of that name."""


class ScriptExists(ScriptProblem):
    """There is one of that name already."""


class ScriptActive(ScriptProblem):
    """It is the active one, of which this cannot be done."""


class TooManyScripts(ScriptProblem):
    """The account has as many as it may have."""


class TooLarge(ScriptProblem):
    """It has more octets than a script may have."""


@dataclass(frozen=True, slots=True)
class ScriptLimits:
    """
    How much an account may keep.

    Attributes:
        scripts: How many scripts. Who lists them sees them all, in one answer.
        size: Octets of each, at most `LARGEST`.

    """

    scripts: int = 100
    size: int = 256 * 1024


class ScriptBook:
    """The scripts of all accounts. Verbs raise OSError if the disk refuses."""

    def __init__(self, directory: Path, limits: ScriptLimits | None = None) -> None:
        """
        Keep them there.

        Args:
            directory: It need not exist.
            limits: How much an account may keep.

        """
        self.limits = limits or ScriptLimits()
        self._directory = directory
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    # what there is

    def names(self, login: str) -> list[tuple[str, bool]]:
        """Return the name of each script, and whether it is the active one."""
        with self._lock(login):
            active = self._active(login)
            return [(name, name == active) for name in sorted(self._files(login))]

    def read(self, login: str, name: str) -> bytes:
        """Return a script. Raises NoSuchScript, TooLarge."""
        with self._lock(login):
            self._adopt(login)
            return _read(self._file(login, name))

    def room(self, login: str, name: str, size: int) -> None:
        """Return if a script of so many octets may be put under that name. Raises TooLarge, TooManyScripts."""
        with self._lock(login):
            self._adopt(login)
            self._room(login, name, size)

    # what changes it

    def put(self, login: str, name: str, script: bytes) -> None:
        """Keep a script, in the place of the one of that name. Raises TooLarge, TooManyScripts."""
        with self._lock(login):
            self._adopt(login)
            self._room(login, name, len(script))
            self._put(login, name, script)

    def activate(self, login: str, name: str) -> None:
        """Make a script the active one; "" is none. Raises NoSuchScript."""
        with self._lock(login):
            self._adopt(login)
            link = self.link(login)
            if name:
                self._point(link, self._file(login, name))
            else:
                with contextlib.suppress(FileNotFoundError):
                    link.unlink()
                    _flush(self._directory)

    def delete(self, login: str, name: str) -> None:
        """Delete a script. Raises NoSuchScript, ScriptActive."""
        with self._lock(login):
            active = self._active(login)
            file = self._file(login, name)
            if name == active:
                raise ScriptActive("The active script cannot be deleted: activate another one, or none, first")
            self._remove(file)

    def rename(self, login: str, old: str, new: str) -> None:
        """Give a script another name; the active one stays active. Raises NoSuchScript, ScriptExists."""
        with self._lock(login):
            active = self._active(login)
            file = self._file(login, old)
            if new in self._files(login):
                raise ScriptExists(f"There is a script called {new} already")
            made = self._put(login, new, _read(file))
            if old == active:
                self._point(self.link(login), made)
            self._remove(file)

    def forget(self, login: str) -> None:
        """Remove all scripts of an account that is to be removed: whoever has its login next is somebody else."""
        with self._lock(login):
            link, folder = self.link(login), _folder(self._directory, login)
            for path in (link, link.with_suffix(PROBLEM), folder):
                if path.is_symlink() or path.is_file():
                    path.unlink()
                elif path.is_dir():
                    from shutil import rmtree

                    rmtree(path)
            if self._directory.is_dir():
                _flush(self._directory)

    # where

    def link(self, login: str) -> Path:
        """Return where delivery finds the active script."""
        return self._directory / (login_dir(login) + SUFFIX)

    def _lock(self, login: str) -> threading.Lock:
        return self._locks[crc32(login.encode("utf-8", "surrogatepass")) % LOCKS]

    def _files(self, login: str) -> dict[str, Path]:
        return _files(_folder(self._directory, login))

    def _file(self, login: str, name: str) -> Path:
        file = self._files(login).get(name)
        if file is None:
            raise NoSuchScript(f"There is no script called {name}")
        return file

    def _active(self, login: str) -> str | None:
        """Return the name of the active script, None if there is none, or it is no script of this account."""
        self._adopt(login)
        try:
            target = self._directory / os.readlink(self.link(login))
        except OSError:
            return None
        return next((name for name, file in self._files(login).items() if file == target), None)

    def _room(self, login: str, name: str, size: int) -> None:
        limits = self.limits
        if size > limits.size:
            raise TooLarge(f"A script has at most {limits.size} octets here, this one has {size}")
        files = self._files(login)
        if name not in files and len(files) >= limits.scripts:
            raise TooManyScripts(f"There are at most {limits.scripts} scripts here: delete one first")

    # how

    def _adopt(self, login: str) -> None:
        """Make a script of a file that stands where the link belongs."""
        link = self.link(login)
        if link.is_symlink() or not link.is_file():
            return
        script = link.read_bytes()  # of any size: it is an administrator's
        files = self._files(login)
        number, name = 1, ADOPTED
        while name in files and files[name].read_bytes() != script:
            number += 1
            name = f"{ADOPTED}-{number}"
        self._point(link, files[name] if name in files else self._put(login, name, script))

    def _put(self, login: str, name: str, script: bytes) -> Path:
        folder = _folder(self._directory, login)
        if not folder.is_dir():
            folder.mkdir(parents=True, mode=0o700)
            _flush(self._directory)
            _flush(self._directory.parent)
        file = self._files(login).get(name)
        if file is None:
            file = folder / (_encoded(name) + SUFFIX)
            if file.name.startswith("~"):
                _write(file.with_suffix(LONG_NAME), name.encode())
                _flush(folder)
        _write(file, script)
        _flush(folder)
        return file

    def _point(self, link: Path, file: Path) -> None:
        """Have the link lead to the file."""
        made = link.with_name(f".{secrets.token_hex(8)}")
        os.symlink(file.relative_to(self._directory), made)
        os.replace(made, link)
        _flush(self._directory)

    def _remove(self, file: Path) -> None:
        file.unlink()
        if file.name.startswith("~"):
            with contextlib.suppress(FileNotFoundError):
                file.with_suffix(LONG_NAME).unlink()
        _flush(file.parent)


def script_file(directory: Path, login: str, name: str) -> Path | None:
    """Return where a login's script of that name is, or would be; None if no script can be called that."""
    folder = _folder(directory, login)
    try:
        name = valid_name(name)
    except BadName:
        return None
    return _files(folder).get(name, folder / (_encoded(name) + SUFFIX))


def _folder(directory: Path, login: str) -> Path:
    """Return the folder of an account's scripts, which need not exist. Raises store.names.InvalidName."""
    name = login_dir(login)
    return directory / (name.removesuffix(SUFFIX) + "%2esieve" if name.endswith(SUFFIX) else name)


def _files(folder: Path) -> dict[str, Path]:
    """Return the file of each script in a folder."""
    found: dict[str, Path] = {}
    try:
        entries = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return found
    for entry in sorted(entries):
        name = _name_of(folder, entry)
        if name is not None and (folder / entry).is_file():
            found[name] = folder / entry
    return found


def _encoded(name: str) -> str:
    """Return how the file of a script begins: its name, percent-encoded where it is not plain; short in any case."""
    encoded = _PLAIN.sub(lambda found: b"%%%02x" % found[0][0], name.encode())
    if len(encoded) <= MAX_NAME_ON_DISK:
        return encoded.decode()
    return "~" + sha256(name.encode()).hexdigest()


def _name_of(folder: Path, entry: str) -> str | None:
    """Return the name of the script in a file, None if it is no script."""
    stem = entry.removesuffix(SUFFIX)
    if stem == entry or entry.startswith("."):
        return None
    try:
        if stem.startswith("~"):
            raw = (folder / (stem + LONG_NAME)).read_bytes()
        else:
            raw = _ENCODED.sub(lambda found: bytes((int(found[1], 16),)), os.fsencode(stem))
        return valid_name(raw.decode("utf-8"))
    except (OSError, UnicodeDecodeError, BadName):
        return None


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        script = opened.read(LARGEST + 1)
    if len(script) > LARGEST:
        raise TooLarge(f"It has more than {LARGEST} octets")
    return script


def _write(file: Path, content: bytes) -> None:
    """Write a file that is whole whenever it is there; the folder is not flushed yet."""
    made = file.with_name(f".{secrets.token_hex(8)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        os.replace(made, file)
    except BaseException:
        with contextlib.suppress(OSError):
            made.unlink()
        raise


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


__all__ = [
    "NoSuchScript",
    "ScriptActive",
    "ScriptBook",
    "ScriptExists",
    "ScriptLimits",
    "ScriptProblem",
    "TooLarge",
    "TooManyScripts",
    "script_file",
]
