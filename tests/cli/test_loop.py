"""Running a command's coroutine."""

import sys

from mailhorn.cli.loop import TURN, run


def test_threads_give_way_to_the_loop() -> None:
    """Within a millisecond, while it runs; who called finds all as it was."""

    async def asked() -> float:
        return sys.getswitchinterval()

    before = sys.getswitchinterval()
    assert abs(run(asked()) - TURN) < 1e-9
    assert sys.getswitchinterval() == before != TURN
