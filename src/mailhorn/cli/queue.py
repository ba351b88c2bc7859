"""`mailhorn queue`: what waits to be sent, and what to do about it.

It works on the queue's file, beside a running server or without one; the server is told at its control socket.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from ..config.find import serve_settings
from ..config.relaying import FILE, open_queue
from ..config.settings import Relay
from ..net.control import ControlError, ask
from ..relay.letter import RelayUnavailable
from ..relay.queue import Queue, Queued
from .failure import CommandFailed
from .loop import run
from .serve import CONTROL
from .table import ago, shown, table
from .when import local

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """
    Whose queue it is.

    Attributes:
        file: The queue.
        control: The socket of who empties it.
        relay: The settings.

    """

    file: Path
    control: Path
    relay: Relay


def list_all(config: Path | None, watcher: bool, as_json: bool) -> None:
    """Print what is in the queue, and how the smarthost is."""
    place = _place(config, watcher)
    rows = _on(place, lambda queue: queue.listing()) or []
    if as_json:
        for row in rows:
            print(json.dumps(_object(row)))
        return
    if rows:
        heads = ("letter", "came", "state", "from", "to", "why", "octets", "the last answer")
        print(table(heads, [_cells(row) for row in rows], right=(0, 6)), end="")
    letters = len({row.letter for row in rows})
    print(f"{letters} letter{'' if letters == 1 else 's'}.{_about(place)}")


def show(config: Path | None, watcher: bool, letter: int, message: bool, as_json: bool) -> None:
    """Print all about one letter, or the letter itself."""
    place = _place(config, watcher)

    async def look(queue: Queue) -> tuple[list[Queued], bytes | None]:
        return await queue.listing(letter), await queue.content(letter)

    rows, content = _on(place, look) or ([], None)
    if content is None or not rows:
        raise CommandFailed(f"there is no letter {letter} in the queue; see: mailhorn queue list")
    if message:
        sys.stdout.buffer.write(content)
        return
    if as_json:
        for row in rows:
            print(json.dumps(_object(row)))
        return
    first = rows[0]
    print(f"Letter   {letter}, {first.size:,} octets, {first.why} of {shown(first.account)}")
    print(f"Came     {local(first.submitted_at)}")
    print(f"From     {shown(first.sender, 320) or '<> (nobody: no report if it fails)'}")
    for row in rows:
        print(f"To       {shown(row.address, 320)}: {_state(row)}, {row.attempts} attempts")
        if row.said:
            print(f"         {shown(row.said, 500)}")
    print()
    for line in content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").splitlines():
        print(f"  {shown(line, 200)}")


def retry(config: Path | None, watcher: bool, letters: Sequence[int]) -> None:
    """Have letters sent now, all if none is named."""
    place = _place(config, watcher)
    changed = _on(place, lambda queue: queue.retry(letters or None)) or 0
    if letters and not changed:
        raise CommandFailed("none of these letters waits or has failed; see: mailhorn queue list")
    print(f"{changed} recipient{'' if changed == 1 else 's'} to be tried now.{_about(place, now=True)}")


def delete(config: Path | None, watcher: bool, letters: Sequence[int], yes: bool) -> None:
    """Delete letters; nobody is told."""
    place = _place(config, watcher)
    if not yes:
        click.confirm(f"Delete {len(letters)} of the letters? Nobody will be told", abort=True)
    gone = _on(place, lambda queue: queue.delete(letters)) or 0
    print(f"Deleted {gone}.")
    if gone < len(set(letters)):
        raise CommandFailed("the others are not there, or are being sent just now; see: mailhorn queue list")


def _place(config: Path | None, watcher: bool) -> Place:
    if watcher:
        from ..config.find import watch_settings
        from ..config.watching import control_path, queue_path

        watched, _ = watch_settings(config)
        return Place(queue_path(watched), control_path(watched), watched.relay)
    from ..config.wire import data_folder

    settings, _ = serve_settings(config)
    data = data_folder(settings)
    return Place(data / FILE, data / CONTROL, settings.relay)


def _on(place: Place, work: Callable[[Queue], Coroutine[Any, Any, T]]) -> T | None:
    """Do something to the queue; None if there never was one."""
    if not place.file.exists():
        return None

    async def go() -> T:
        queue = open_queue(place.relay, place.file)
        try:
            return await work(queue)
        except RelayUnavailable as error:
            raise CommandFailed(str(error)) from error
        finally:
            await queue.close()

    return run(go())


def _about(place: Place, now: bool = False) -> str:
    """Tell who empties the queue to look, and return how that is."""
    with contextlib.suppress(ControlError):
        told = ask(place.control, "queue", now=now)
        if told["trouble"] and not now:
            wait = ago(max(0.0, told["again"] - time.time()))
            return f" The smarthost cannot be used: {shown(told['trouble'], 300)}; again in {wait}."
        return f" The smarthost is {shown(told['smarthost'])}."
    if place.relay.host is None:
        return " No smarthost is set (relay.host)."
    return " Nobody sends them just now: it is not running."


def _object(row: Queued) -> dict[str, Any]:
    return {
        "letter": row.letter,
        "from": row.sender,
        "to": row.address,
        "state": row.state,
        "due": row.due if row.state == "due" else None,
        "attempts": row.attempts,
        "said": row.said,
        "why": row.why,
        "account": row.account,
        "came": row.submitted_at,
        "size": row.size,
    }


def _cells(row: Queued) -> tuple[str, ...]:
    return (
        str(row.letter),
        f"{ago(max(0.0, time.time() - row.submitted_at))} ago",
        _state(row),
        shown(row.sender, 40) or "<>",
        shown(row.address, 40),
        f"{row.why} ({shown(row.account, 20)})",
        f"{row.size:,}",
        shown(row.said, 60),
    )


def _state(row: Queued) -> str:
    if row.state != "due":
        return {"sending": "being sent", "done": "sent", "failed": "failed"}[row.state]
    wait = row.due - time.time()
    return f"in {ago(wait)}" if wait > 0 else "due"


__all__ = ["delete", "list_all", "retry", "show"]
