"""`mailhorn watch log`: what was done to which message, and by which rule."""

import json
import sys
from pathlib import Path

from ...config.find import watch_settings
from ...config.watching import journal_path
from ...watch.history import Wanted, entries
from ..table import shown, table
from ..when import local
from .told import as_object, done, rules


def log(config: Path | None, wanted: Wanted, as_json: bool) -> None:
    """Print what was done, the latest last."""
    settings, _ = watch_settings(config)
    found = entries(journal_path(settings), wanted)
    if as_json:
        for entry in found:
            print(json.dumps(as_object(entry), ensure_ascii=False))
        return
    if not found:
        print("Nothing was done.", file=sys.stderr)
        return
    rows = [
        (
            local(max([entry.recorded_at, *(doing.changed_at for doing in entry.doings)])),
            entry.place.account,
            f"{shown(entry.place.mailbox, 30)}/{entry.uid}",
            shown("; ".join(filter(None, (done(entry.doings), entry.trouble))) or "nothing", 70),
            shown(rules(doing.step for doing in entry.doings), 30),
            shown(entry.sender, 30),
            shown(entry.subject or entry.message_id, 60),
        )
        for entry in found
    ]
    print(table(("when", "account", "message", "what", "rule", "from", "subject"), rows), end="")
