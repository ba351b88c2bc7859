"""The hot modules as C: which they are, and how mypyc compiles them; for `./dev` and for the wheel's build hook.

Rule 1: the sources are the specification. They are copied to a folder of their own and compiled there, so that no
compiled module ever lies beside a source that somebody edits. Rule 2: what is compiled behaves as what is not; the
same tests run over both. Rule 3: the wheel holds the sources too, and without a compiler nothing is missing but speed.

Usage: python mypyc_build.py TARGET
"""

import hashlib
import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "src"

COMPILED = (
    "model/*.py",
    "imap/*.py",
    "imap/grammar/**/*.py",
    "mime/*.py",
    "net/eager.py",
    "push/*.py",
    "sasl/*.py",
    "server/delivery.py",
    "server/digest.py",
    "server/smtp/session.py",
    "server/timeline.py",
    "smtp/*.py",
)
"""What is compiled, below src/mailhorn, but for packages' `__init__.py` and the exceptions: the protocols, and the way
of a message. Not the store, where SQLite does the work, not `server/imap`, whose tests look into it, and not `sieve`,
whose questions are generic dataclasses: derived from one another they cannot be native classes."""

INTERPRETED = {
    "imap/view.py": "its objects are held weakly, which a native class does not allow",
    "mime/packed.py": "its coders read the annotations of a class, which mypyc simplifies",
}
"""Exceptions, with their reasons; and every module with a struct, see STRUCT."""

STRUCT = re.compile(r"\bmsgspec\.Struct\b|\bimport .*\bStruct\b")
"""A struct of msgspec is C already, and would lose its options (`frozen`, `array_like`) if it was compiled again."""

OPTIMIZE = "2"
"""gcc's level. 3 takes as long again and gains nothing that could be measured."""


def modules() -> list[str]:
    """Return the paths to compile, relative to the source folder, sorted."""
    package = SOURCE / "mailhorn"
    found = {path for pattern in COMPILED for path in package.glob(pattern) if path.name != "__init__.py"}
    excepted = {package / name for name in INTERPRETED}
    if missing := excepted - found:
        raise SystemExit(f"mypyc_build: exceptions that are no candidates: {sorted(map(str, missing))}")
    structs = {path for path in found if STRUCT.search(path.read_text("utf-8"))}
    return [str(path.relative_to(SOURCE)) for path in sorted(found - excepted - structs)]


def fingerprint(paths: list[str]) -> str:
    """Return what changes whenever the outcome may: sources, list, compiler, Python."""
    from mypy.version import __version__

    digest = hashlib.sha256(f"{sys.version} {__version__} {sysconfig.get_platform()} {paths}".encode())
    for path in [Path(__file__), *sorted(SOURCE.rglob("*.py"))]:
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build(target: Path) -> None:
    """
    Make `target` a folder to import mailhorn from: the sources, and beside them what was compiled.

    Nothing is done if that is what it holds already.

    Raises:
        SystemExit: It does not compile, or there is nothing to compile with.

    """
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        raise SystemExit(
            f"mypyc_build: there is no {header}: install Python's headers (Debian: apt install python3-dev)"
        )
    paths = modules()
    wanted = fingerprint(paths)
    stamp = target / "stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(SOURCE / "mailhorn", target / "mailhorn", ignore=shutil.ignore_patterns("__pycache__"))
    os.chdir(target)

    # Only here: `setuptools` must be imported before `distutils`, and both take note of the folder.
    from mypyc.build import mypycify
    from setuptools import setup

    options = ["--strict", "--config-file=", "--cache-dir=c/mypy"]
    setup(
        name="mailhorn",
        packages=[],
        ext_modules=mypycify(
            [*options, *paths], opt_level=OPTIMIZE, debug_level="0", target_dir="c", group_name="mailhorn"
        ),
        script_args=["--quiet", "build_ext", "--inplace", "--build-temp", "c"],
    )
    shutil.rmtree("c")
    shutil.rmtree("build", ignore_errors=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    build(Path(sys.argv[1]).resolve())
