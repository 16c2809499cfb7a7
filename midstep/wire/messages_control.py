"""Messages between edge and learner, as plain values: what a policy sees, and what it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from midstep.wire.messages import HITS, Reuse

__all__ = [
    "Access",
    "CacheSnapshot",
    "CacheUpdate",
    "CacheUpdateResult",
    "CachedOutput",
    "ControlPort",
    "Demand",
    "EdgeWork",
    "Eviction",
    "Neighbouring",
    "PlannedStep",
    "SlotPlan",
    "Targets",
]


@dataclass(frozen=True, kw_only=True)
class Access:
    """One request as the policy sees it, sent when its frame is ready: its prompt, its output's
    size and how it was served. `at_s` is in scenario seconds, `edge_s` is queue and edge time.

    `step` is where it was handed over, at most at its `limit` (0: not known); `edge_steps`,
    `reused_step` as in Answer; `rate_bps`, `step_s`, `backlog_s` as the device of `user` said.
    `prompt_key` is always the requested prompt's; `donor_key`, `likeness` as in Answer. `staged`:
    the store served it from a slower tier, or a neighbour, `from_edge`, did, and a policy may admit
    it from staging; where there is a donor, the donor's output at `reused_step`, of which `nbytes`
    is then the size.
    """

    request_id: str
    prompt_key: str
    prompt: str
    step: int
    nbytes: int
    reuse: Reuse
    at_s: float
    edge_s: float
    user: int = 0
    limit: int = 0
    edge_steps: int = 0
    reused_step: int = 0
    rate_bps: float = 0.0
    step_s: float = 0.0
    backlog_s: float = 0.0
    donor_key: str = ""
    likeness: str = ""
    staged: bool = False
    from_edge: str = ""

    @property
    def hit(self) -> bool:
        """Whether the store served it, or a neighbour's."""
        return self.reuse in HITS


# an output's prompt_key and step; the key alone: every step of that prompt
Eviction = tuple[str, int] | str


@dataclass(frozen=True)
class Targets:
    """Where outputs are wanted: `steps`, (prompt_key, step), one a prompt, held or not. The edge
    cuts there, and where there is none at the cheapest step, each step to be computed counting
    `step_price_s` (lambda: the delay that it causes to everybody else) beside its own time."""

    steps: tuple[tuple[str, int], ...] = ()
    step_price_s: float = 0.0


@dataclass(frozen=True)
class CacheUpdate:
    """Changes to a store, as differences: evictions first, then admissions (prompt_key, step) from
    staging; and the plan's targets in place of the last plan's, None: as they are."""

    admit: tuple[tuple[str, int], ...] = ()
    evict: tuple[Eviction, ...] = ()
    targets: Targets | None = None

    def __bool__(self) -> bool:
        return bool(self.admit or self.evict or self.targets is not None)


@dataclass(frozen=True)
class CacheUpdateResult:
    """Result of an update; `refused` admissions were no longer in staging, or did not fit."""

    admitted: int = 0
    evicted: int = 0
    refused: int = 0

    def __add__(self, other: CacheUpdateResult) -> CacheUpdateResult:
        return CacheUpdateResult(
            self.admitted + other.admitted,
            self.evicted + other.evicted,
            self.refused + other.refused,
        )


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A request that waits for its slot's plan; the fields are those of Request, `prompt_key` is
    its output's."""

    request_id: str
    prompt_key: str
    prompt: str
    user: int
    limit: int
    rate_bps: float
    step_s: float


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """What becomes of a prompt's requests in a slot: at `step` 0 their devices make the whole
    picture. `from_store`: the held output at exactly that step serves; else it is computed, from
    noise."""

    prompt_key: str
    step: int
    from_store: bool = False


@dataclass(frozen=True, kw_only=True)
class SlotPlan:
    """The plan of a slot: a step of every prompt that is asked for in it; a prompt that is not
    named is made by the devices."""

    slot: int
    steps: tuple[PlannedStep, ...] = ()


@dataclass(frozen=True)
class CachedOutput:
    """One output in the edge's store or staging, as policies see it."""

    prompt_key: str
    prompt: str
    step: int
    nbytes: int


@dataclass(frozen=True, kw_only=True)
class EdgeWork:
    """What an edge has computed since it began, up to `at_s` (scenario seconds): `busy_s` in ticks,
    `ticks`, `steps` of all trajectories; and the jobs that wait and are in flight then."""

    at_s: float
    busy_s: float
    ticks: int
    steps: int
    queue: int
    in_flight: int


@dataclass(frozen=True)
class Neighbouring:
    """An output that a neighbour's store holds. `keeps`: where both hold it, the neighbour is the
    one to keep it, by a draw on the key: both edges say the same, so that never both let it go for
    the other's sake."""

    edge: str
    prompt_key: str
    step: int
    keeps: bool = False


@dataclass(frozen=True, kw_only=True)
class CacheSnapshot:
    """The outputs in store and staging, and their bytes; `capacity` is the store's. `work` is the
    edge's, None where there is no edge. `neighbours`: what the stores of its neighbours hold, as
    their last digests said, and `fetch_s` what one of those outputs takes to be here, seconds."""

    store: tuple[CachedOutput, ...]
    staging: tuple[CachedOutput, ...]
    capacity: int
    store_bytes: int
    staging_bytes: int
    work: EdgeWork | None = None
    neighbours: tuple[Neighbouring, ...] = ()
    fetch_s: float = 0.0


class ControlPort(Protocol):
    """An edge server as the learner reaches it."""

    def watch(self) -> AsyncIterator[Access]:
        """Accesses from now on, as they end. Raises EdgeUnreachable where the edge is gone."""

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Change the store. Raises CacheCorrupted where it does not add up any more."""

    async def snapshot(self) -> CacheSnapshot:
        """The outputs that the edge holds now."""

    async def gather(self, slot: int, expected: int, wait_s: float) -> tuple[Demand, ...]:
        """The requests that wait for the plan of a slot, in the order in which they came, once
        `expected` wait, or `wait_s` scenario seconds after the call, of a slot that is still to
        come after its start. Raises ScenarioError where the edge does not plan by slot
        (modes.edge)."""

    async def serve(self, plan: SlotPlan) -> None:
        """Serve all who wait for the plan of that slot, and who comes later in it, at once. Raises
        ScenarioError where the edge does not plan by slot (modes.edge)."""
