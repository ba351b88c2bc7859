"""`mailhorn watch`: runs the filter daemon until it is told to stop."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from ...config.example import example
from ...config.find import places, watch_settings
from ...config.settings import WatchSettings
from ...config.watching import Posting, build_watcher, control_path, hooks_of, posting_of
from ...net.systemd import told
from ...watch.hooks import Hooks
from ...watch.supervisor import Watcher
from ..asked import asked
from ..failure import WRONG, CommandFailed
from ..logs import set_up
from ..loop import on_stop_signal, run
from ..reload import Reloading
from .answers import answers
from .spin import guarded


def print_example() -> None:
    """Print the annotated watch.toml."""
    print(example(WatchSettings), end="")


def watch(config: Path | None) -> None:
    """Run the watcher until SIGINT or SIGTERM. Raises what `failure.explain` tells."""
    settings, path = watch_settings(config)
    if not settings.account:
        place = path or places("watch", os.environ)[0]
        raise CommandFailed(
            f"{place}: {'no [[account]] in it' if path else 'no such file'}, so there is nothing to watch; "
            "begin with: mailhorn watch --print-config",
            WRONG,
        )
    set_up(settings.log)
    run(_watch(settings, config, path))


async def _watch(settings: WatchSettings, config: Path | None, path: Path | None) -> None:
    watcher = build_watcher(settings)
    hooks = hooks_of(settings)
    posting = posting_of(settings)

    def news() -> None:
        hooks.news()
        if posting is not None:
            posting.post.news()

    watcher.on_journal = news
    on_stop_signal(watcher.stop)
    print("Watching " + ", ".join(f"{account.name} ({account.host})" for account in settings.account), flush=True)
    with Reloading(watcher, hooks, settings, config, path):
        await watcher.run(_beside(watcher, hooks, posting, control_path(settings)))


@contextlib.asynccontextmanager
async def _beside(watcher: Watcher, hooks: Hooks, posting: Posting | None, path: Path) -> AsyncIterator[None]:
    """Run hooks, send mail and answer the other commands meanwhile, tell systemd, and see that nothing spins."""
    sessions = f"watching {len(watcher.watches)} sessions"
    questions = answers(watcher) | ({} if posting is None else posting.answers)
    async with hooks, posting or contextlib.nullcontext(), asked(path, questions):
        with told(sessions, lambda: watcher.alive), guarded(watcher):
            yield
