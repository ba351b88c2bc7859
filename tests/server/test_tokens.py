"""Who a token lets in, and for how long that is taken for granted."""

from typing import Any

from mailhorn.server.tokens import REMEMBERED_FOR, Tokens


class Said:
    """An authorization server's answer, and how often it was asked; a clock beside it."""

    def __init__(self) -> None:
        self.active = True
        self.asked = 0
        self.now = 1_000_000.0

    async def ask(self, token: str) -> dict[str, Any]:
        self.asked += 1
        return {"active": self.active, "username": "ann"}

    def tokens(self) -> Tokens:
        return Tokens(self.ask, lambda: None, clock=lambda: self.now)


async def test_a_good_answer_is_remembered_for_a_minute() -> None:
    """A client that logs in again and again costs one question; one that was cut off is in for a minute more."""
    said = Said()
    tokens = said.tokens()
    assert await tokens.owner("t") == "ann"
    said.active = False
    said.now += REMEMBERED_FOR - 1
    assert await tokens.owner("t") == "ann"
    assert said.asked == 1
    said.now += 1
    assert await tokens.owner("t") == ""


async def test_a_clock_that_is_set_back() -> None:
    """A minute does not become a year because the clock was ahead."""
    said = Said()
    tokens = said.tokens()
    assert await tokens.owner("t") == "ann"
    said.active = False
    said.now -= 366 * 86400
    assert await tokens.owner("t") == ""
