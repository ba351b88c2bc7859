"""The command line: `./dev fuzz TARGET [SECONDS]`, and `./dev fuzz TARGET --input LITERAL` for one input again."""

import argparse
import ast
import shlex
import sys
import time
import traceback
from collections.abc import Sequence

from .engine import Finding, Fuzzer
from .targets import TARGETS


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, and return the exit status: 1 if something was found."""
    parser = argparse.ArgumentParser("./dev fuzz", description="Any bytes, and what is promised of them.")
    parser.add_argument("target", choices=[*TARGETS, "all"], help="what to feed; all: one after the other")
    parser.add_argument("seconds", nargs="?", type=float, default=60.0, help="for how long, of processor time; 60")
    parser.add_argument("--seed", type=int, help="of the random changes; the time of day if not given")
    parser.add_argument("--input", metavar="LITERAL", help="run only this input, as it was printed")
    options = parser.parse_args(arguments)
    names = list(TARGETS) if options.target == "all" else [options.target]
    if options.input is not None:
        data = ast.literal_eval(options.input)
        for name in names:
            TARGETS[name].run(data)
        return 0
    seed = int(time.time()) if options.seed is None else options.seed
    status = 0
    for name in names:
        fuzzer = Fuzzer(TARGETS[name], seed)
        finding = fuzzer.run(options.seconds)
        print(f"{name}: {fuzzer.runs} inputs, {len(fuzzer.corpus)} of interest, {len(fuzzer.seen)} arcs, seed {seed}")
        if finding is not None:
            status = 1
            print(told(name, finding))
    return status


def told(name: str, finding: Finding) -> str:
    """Return a finding with all it takes to see it again."""
    lines = []
    if finding.problem is not None:
        lines += traceback.format_exception(finding.problem)
    lines += [f"{name}: {finding.reason}", "", repr(finding.data), ""]
    lines.append(f"again: ./dev fuzz {name} --input {shlex.quote(repr(finding.data))}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
