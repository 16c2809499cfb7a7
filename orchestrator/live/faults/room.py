"""What every room of the injector knows of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from midstep.clock import Clock
from midstep.scenario import Scenario
from orchestrator.live.cell import Parts
from orchestrator.live.scaling import Scaler

__all__ = ["Room", "World"]


@dataclass(frozen=True, kw_only=True)
class World:
    """A live run as events find it. `epoch_s` is the Unix time of its start, which a part that is
    started again needs; `renew_targets` is called when a part has been added; `announce` gets what
    a user should know beside what the event itself says."""

    scenario: Scenario
    parts: Parts
    clock: Clock
    scaler: Scaler
    epoch_s: float
    announce: Callable[[str], None]
    renew_targets: Callable[[], None]


class Room:
    """Base class of the injector's rooms. One with a state of its own extends `__init__`, and
    passes `world` on."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def close(self) -> None:
        """End what events have begun and is still going on: the run has ended. One that has such
        extends it."""
