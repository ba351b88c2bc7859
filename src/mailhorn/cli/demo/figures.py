"""What the demo measured of each message, and what it comes to. Pure."""

import json
import math
from dataclasses import dataclass, field

STAGES = ("accepted", "durable", "pushed", "filed")
"""What happens to a message, counted from the moment its last octet was given to the sender's socket: the server has
read it all; it would survive a power cut; the idle client was told; the watcher's rule has moved it, and the client
that idles on its new place was told."""


@dataclass(slots=True)
class Passage:
    """One message. The milliseconds of each stage it reached."""

    number: int
    milliseconds: dict[str, float] = field(default_factory=dict)

    def reach(self, stage: str, seconds: float) -> None:
        """Note that it reached a stage."""
        self.milliseconds[stage] = seconds * 1000

    @property
    def lost(self) -> bool:
        """Whether it was not pushed or not filed."""
        return "pushed" not in self.milliseconds or "filed" not in self.milliseconds


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share (0 to 1) of the values do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(slots=True)
class Figures:
    """All messages of one run."""

    passages: list[Passage] = field(default_factory=list)

    def reached(self, stage: str) -> list[float]:
        """Return the milliseconds of all that reached the stage."""
        return [passage.milliseconds[stage] for passage in self.passages if stage in passage.milliseconds]

    @property
    def lost(self) -> int:
        """Return how many were not pushed or not filed."""
        return sum(passage.lost for passage in self.passages)

    def quantile(self, stage: str, share: float) -> float | None:
        """Return a percentile of a stage in milliseconds, None if nothing reached it."""
        values = self.reached(stage)
        return round(percentile(values, share), 3) if values else None

    def summary(self) -> str:
        """Return the run as one line of JSON; stages in milliseconds."""
        return json.dumps(
            {
                "n": len(self.passages),
                "pushed": len(self.reached("pushed")),
                "filed": len(self.reached("filed")),
                "lost": self.lost,
                **{
                    f"{stage}_ms": {"p50": self.quantile(stage, 0.5), "p99": self.quantile(stage, 0.99)}
                    for stage in STAGES
                },
            }
        )
