"""The interface of a cut rule, and what it knows when a request comes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from midstep.wire.messages import Targets

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
    """Chooses the step m at which each request is handed over. `split_step` is the scenario's."""

    def __init__(self, split_step: int) -> None:
        self.split_step = split_step

    @abstractmethod
    def cut(self, situation: Situation) -> int:
        """The step wanted for this request. The edge keeps it within 1..limit, and hands over a
        held output that is further, within the limit, as it is."""

    def follow(self, targets: Targets) -> None:
        """A plan's targets are in force from now on."""

    def target(self, prompt_key: str) -> int:
        """The step at which the plan wants this prompt's output, 0: none. It is frozen where a
        trajectory passes it."""
        return 0
