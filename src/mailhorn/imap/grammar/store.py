"""store-att-flags: what STORE does with which flags (RFC 9051 §6.4.6, §9)."""

import re

from ...model.flags import Flag
from ..commands import StoreMode
from .cursor import Cursor, Writer
from .flag import parse_flag, parse_flag_list, write_flag_list

_MODE = re.compile(rb"([+-]?FLAGS)(\.SILENT)?", re.IGNORECASE)
_MODES = {mode.value: mode for mode in StoreMode}


def parse_store_att_flags(cur: Cursor) -> tuple[StoreMode, bool, tuple[Flag, ...]]:
    """
    store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag)))

    RFC 9051 §9. Returns mode, silent and flags.
    """
    found = cur.need(_MODE, "FLAGS, +FLAGS or -FLAGS")
    mode, silent = _MODES[found[1].upper()], found[2] is not None
    cur.space()
    if cur.at(b"("):
        return mode, silent, parse_flag_list(cur)
    flags = [parse_flag(cur)]
    while cur.skip(b" "):
        flags.append(parse_flag(cur))
    return mode, silent, tuple(flags)


def write_store_att_flags(out: Writer, mode: StoreMode, silent: bool, flags: tuple[Flag, ...]) -> None:
    """Write mode and flags."""
    out.write(mode.value + (b".SILENT " if silent else b" "))
    write_flag_list(out, flags)
