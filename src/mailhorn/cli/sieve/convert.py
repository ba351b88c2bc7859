"""`mailhorn sieve convert`: other programs' filters as Sieve."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from ...sieve.convert import Converted, ConvertError, from_gmail, from_procmail, from_thunderbird
from ..failure import CommandFailed
from ..table import shown
from .script import name_of, octets_of

KINDS: dict[str, Callable[[bytes], Converted]] = {
    "gmail": from_gmail,
    "thunderbird": from_thunderbird,
    "procmail": from_procmail,
}


def convert(kind: str, file: Path, output: Path | None, as_json: bool) -> None:
    """Print the Sieve of a filter file, and on standard error what could not be said. Raises CommandFailed."""
    content = octets_of(file)
    try:
        converted = KINDS[kind](content)
    except ConvertError as error:
        raise CommandFailed(f"{name_of(file)}: {error}") from error
    if output is not None:
        try:
            output.write_text(converted.script, "utf-8")
        except OSError as error:
            raise CommandFailed(f"{output}: cannot be written: {error.strerror}") from error
    if as_json:
        told = {
            "rules": converted.rules,
            "script": converted.script,
            "unsaid": [{"rule": one.rule, "what": one.what} for one in converted.unsaid],
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    if output is None:
        sys.stdout.write(converted.script)
    for one in converted.unsaid:
        print(f"{shown(one.rule, 80)}: {shown(one.what, 300)}", file=sys.stderr)
    rules = f"{converted.rules} rule" + ("" if converted.rules == 1 else "s")
    left = f"; {len(converted.unsaid)} things could not be said as they were" if converted.unsaid else ""
    print(f"mailhorn: {rules} of {name_of(file)} converted{left}", file=sys.stderr)
