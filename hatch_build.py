"""The wheel's build hook: with MAILHORN_MYPYC=1 in the environment the hot modules go into it compiled.

Without it nothing happens: the wheel is plain Python and needs nothing to be built.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASKED = os.environ.get("MAILHORN_MYPYC", "") not in ("", "0")


class MypycHook(BuildHookInterface):
    """Puts what `mypyc_build.py` makes into the wheel."""

    def dependencies(self) -> list[str]:
        """Return what has to be there to compile: mypyc, and the types of what we import."""
        return ["mypy[mypyc]>=2.4,<3", *self.metadata.core.dependencies] if ASKED else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and add the outcome. An editable install stays plain: its sources are to be edited."""
        if not ASKED or version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        target = Path(self._folder.name)
        subprocess.run([sys.executable, Path(self.root, "mypyc_build.py"), target], check=True)
        for library in target.rglob(f"*{os.path.extsep}{'pyd' if os.name == 'nt' else 'so'}"):
            build_data["force_include"][str(library)] = str(library.relative_to(target))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        if ASKED and version != "editable":
            self._folder.cleanup()
