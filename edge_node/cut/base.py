"""The interface of a cut rule, and what it knows when a request comes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from midstep.wire.messages_control import Targets

__all__ = ["CutRule", "Situation"]


@dataclass(slots=True, kw_only=True)
class Situation:
    """What an edge knows when it cuts a request. Times are seconds of the scenario.

    `limit` is the request's reuse limit, `steps` S. `held` is the furthest held step within the
    limit, 0: none. `in_flight_step` is how far a trajectory is that the request would join, None:
    there is none, and `until` how far it goes anyhow.

    `queue` jobs wait, `batch` are in flight of at most `max_batch`; `tick_s[b]` is a tick's time
    with b of them, `job_steps` the mean length of a job here. `link_s` is what the frame takes
    over the device's link at the rate that it reports, `step_s` a step on the device, `decode_s`
    its decoding, `backlog_s` its earlier work.
    """

    prompt_key: str
    limit: int
    steps: int
    held: int
    in_flight_step: int | None
    until: int
    queue: int
    batch: int
    max_batch: int
    tick_s: Sequence[float]
    job_steps: float
    link_s: float
    step_s: float
    decode_s: float
    backlog_s: float


class CutRule(ABC):
    """Chooses the step m at which each request is handed over. `split_step` is the scenario's;
    `targets` by prompt_key and `step_price_s` are the last plan's, where the policy plans steps."""

    def __init__(self, split_step: int) -> None:
        self.split_step = split_step
        self.targets: dict[str, int] = {}
        self.step_price_s = 0.0

    @abstractmethod
    def cut(self, situation: Situation) -> int:
        """The step wanted for this request. The edge keeps it within 1..limit, and hands over a
        held output that is further, within the limit, as it is."""

    def follow(self, targets: Targets) -> None:
        """Go by a plan's targets from now on. They are frozen where a trajectory passes them, under
        every rule."""
        self.targets = dict(targets.steps)
        price_s = targets.step_price_s
        self.step_price_s = price_s if math.isfinite(price_s) and price_s > 0 else 0.0
