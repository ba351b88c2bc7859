"""A report on mail that could not be sent is delivered as any mail, if its reader is one of ours."""

from pathlib import Path

import pytest
from tests.kit.mail import Receiving, receiving

from mailhorn.relay.letter import RelayUnavailable
from mailhorn.server.reports import Reports
from mailhorn.store.abc import StoreFull

REPORT = b"Subject: Undelivered mail returned to sender\r\n\r\nSorry\r\n"


def reports(server: Receiving) -> Reports:
    return Reports(server.store, server.context.accounts, server.delivery, "mx.test")


async def test_one_of_ours(tmp_path: Path) -> None:
    """It is in the mailbox when that is said, with the null path on top."""
    async with receiving(tmp_path) as server:
        assert await reports(server).deliver("Ann+lists@example.org", REPORT)
        (message,) = await server.messages("ann")
        assert message.startswith(b"Return-Path: <>\r\nReceived: by mx.test id ")
        assert b" for <Ann+lists@example.org>;" in message and message.endswith(REPORT)


async def test_rules_file_it(tmp_path: Path) -> None:
    """As all other mail."""
    (tmp_path / "sieve").mkdir()
    rule = (
        'require ["fileinto", "mailbox"]; if header :contains "subject" "undelivered" { fileinto :create "Reports"; }'
    )
    (tmp_path / "sieve" / "ann.sieve").write_text(rule)
    async with receiving(tmp_path) as server:
        assert await reports(server).deliver("ann@example.org", REPORT)
        assert len(await server.messages("ann", "Reports")) == 1


@pytest.mark.parametrize("address", ["somebody@example.net", "no address", "@", '"a b"@example.com'])
async def test_somebody_else(tmp_path: Path, address: str) -> None:
    """It is to be sent."""
    async with receiving(tmp_path) as server:
        assert not await reports(server).deliver(address, REPORT)


async def test_nobody(tmp_path: Path) -> None:
    """Of a domain of ours, but gone: nobody is told, and nothing goes round in circles."""
    async with receiving(tmp_path) as server:
        assert await reports(server).deliver("gone@example.org", REPORT)
        assert not await server.messages("ann")


async def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again, and nothing stays staged."""
    async with receiving(tmp_path) as server:

        async def refuse(*_: object) -> None:
            raise StoreFull("no room")

        monkeypatch.setattr(server.store, "append", refuse)
        monkeypatch.setattr(server.store, "append_soon", lambda *_: False)
        with pytest.raises(RelayUnavailable, match="452"):
            await reports(server).deliver("ann@example.org", REPORT)
