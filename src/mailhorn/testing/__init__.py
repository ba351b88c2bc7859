"""For people who test mail clients: a scripted hostile IMAP server, a proxy that breaks connections, a jumping clock.

Everything runs on plain asyncio with real sockets; nothing of the client under test is replaced. See docs/testing.md.
"""

from .clock import Budget, Spinning, VirtualLoop
from .proxy import Corrupt, Cut, Delay, Duplicate, FaultProxy, Insert, Plan, Reset, Stall, Swallow, Trickle
from .server import Command, HostileServer, Peer, PeerGone, Scenario, Unexpected

__all__ = [
    "Budget",
    "Command",
    "Corrupt",
    "Cut",
    "Delay",
    "Duplicate",
    "FaultProxy",
    "HostileServer",
    "Insert",
    "Peer",
    "PeerGone",
    "Plan",
    "Reset",
    "Scenario",
    "Spinning",
    "Stall",
    "Swallow",
    "Trickle",
    "Unexpected",
    "VirtualLoop",
]
