"""Messages between device, edge and learner, as plain values: the logic uses these alone, whatever
the transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity

__all__ = [
    "Access",
    "Answer",
    "CacheSnapshot",
    "CacheUpdate",
    "CacheUpdateResult",
    "CachedOutput",
    "ControlPort",
    "Demand",
    "Description",
    "Digest",
    "EdgePort",
    "EdgeWork",
    "Eviction",
    "LentOutput",
    "NeighbourPort",
    "Neighbouring",
    "PlannedStep",
    "Quality",
    "QualitySample",
    "Request",
    "Reuse",
    "SlotPlan",
    "Targets",
]

Reuse = Literal["exact", "similar", "resumed", "shared", "computed", "local", "final"]
HITS: tuple[Reuse, ...] = ("exact", "similar", "final")  # served from the store


@dataclass(frozen=True, kw_only=True)
class Description:
    """What an edge serves. `step_s`, `decode_s`: seconds of one request alone on this edge;
    `tick_s`: seconds of a tick by its batch size, from 1 to the largest. `split_step` is where a
    fixed cut is, S where the edge makes whole pictures; `whole_prompt`, whether it is asked for the
    user's prompt in full instead of the core that users share."""

    edge: str
    pipeline: PipelineIdentity
    split_step: int
    scenario_seed: int
    step_s: float
    decode_s: float
    process_id: int
    tick_s: tuple[float, ...] = ()
    whole_prompt: bool = False


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Quality that a user wants of a picture that reuses an output: at least `floor` by `metric`
    (fidelity, psnr in dB, ssim) with a probability of at least `share`."""

    metric: str
    floor: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Request:
    """A device's request for the output of `prompt` (the edge prompt), at most at step `limit`: its
    reuse limit S*_r, from 1 to S. Where it is cut the edge decides.

    `pipeline` is the digest of what the device can continue; a `private_seed` makes the output the
    user's own. `rate_bps` is R_n, `step_s` the device's seconds a step (both as they are now, 0
    where the device does not say), `backlog_s` until its earlier requests are done.

    `kind` is the reuse class of the user's own prompt against the edge prompt
    (midstep.reuse.limits), `quality` what its user wants; None: no other prompt's output may serve.
    `negative` is the user's negative prompt, empty: none; it is part of the output's identity.
    """

    request_id: str
    prompt: str
    pipeline: str
    limit: int
    private_seed: int | None = None
    user: int = 0
    rate_bps: float = 0.0
    step_s: float = 0.0
    backlog_s: float = 0.0
    kind: str = ""
    quality: Quality | None = None
    negative: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An edge's answer and how it was made; edge_steps + saved_steps is the frame's step.

    `edge_steps` are the computed steps that are charged to this request: each to the one that first
    needed it. `reused_step` is the step of the held output that it began from, 0: from noise.
    `frame` is None exactly where `reuse` is local: the device makes the whole picture from the
    noise of `seed`. `plan_wait_s` passed before the queue, until the slot's plan was there.

    Where another prompt's output served, `donor_key` is its prompt_key, which the frame bears where
    it is handed over as it is, `likeness` the way in which the two prompts are alike
    (midstep.reuse.likeness) and `similarity` the cosine of their embeddings; `donor_prompt` is None
    where no device is to know another's prompt. `seed` is the trajectory's: the donor's.

    `check`: the edge asks for a QualitySample of this picture, when the device's host is idle.

    `from_edge` is the neighbour whose store had the held output, empty where it was this edge's own
    or there was none; it took `backhaul_s` of `edge_s`, and this request brought `backhaul_bytes`,
    0 where it waited for what another one brought.
    """

    frame: Frame | None
    reuse: Reuse
    similarity: float
    edge_steps: int
    saved_steps: int
    queue_s: float
    edge_s: float
    seed: int
    truncated: bool
    reused_step: int = 0
    plan_wait_s: float = 0.0
    donor_key: str = ""
    donor_prompt: str | None = None
    likeness: str = ""
    check: bool = False
    from_edge: str = ""
    backhaul_s: float = 0.0
    backhaul_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class QualitySample:
    """Whether a reused picture has the `quality` that its user asked for, as its device found in
    idle time: it made the picture again without reuse. `kind` is the likeness to the donor, or,
    where the prompt's own output served, the request's kind; `step` is where the donor's, or the
    shared, trajectory was left."""

    request_id: str
    kind: str
    step: int
    quality: Quality
    good: bool


@dataclass(frozen=True, kw_only=True)
class Access:
    """One request as the policy sees it, sent when its frame is ready: its prompt, its output's
    size and how it was served. `at_s` is in scenario seconds, `edge_s` is queue and edge time.

    `step` is where it was handed over, at most at its `limit` (0: not known); `edge_steps`,
    `reused_step` as in Answer; `rate_bps`, `step_s`, `backlog_s` as the device of `user` said.
    `prompt_key` is always the requested prompt's; `donor_key`, `likeness` as in Answer. `staged`:
    the store served it from a slower tier, or a neighbour, `from_edge`, did, and a policy may admit
    it from staging.
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


@dataclass(frozen=True, kw_only=True)
class Digest:
    """The names of a store's outputs, prompt_key and step; None: as in the state that the caller
    knows. `state` is the same as long as they are, and never 0."""

    state: int
    held: tuple[tuple[str, int], ...] | None

    @property
    def nbytes(self) -> int:
        """Bytes of it on a backhaul: keys in hexadecimal, a few for steps and lengths."""
        return 16 + sum(len(key) + 8 for key, _ in self.held or ())


@dataclass(frozen=True, kw_only=True)
class LentOutput:
    """An output of a neighbour's store, as it is."""

    frame: Frame
    truncated: bool


class EdgePort(Protocol):
    """An edge server as devices reach it, over whatever wire."""

    async def describe(self) -> Description:
        """Raises EdgeUnreachable, CredentialsError."""

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        """The output of request.prompt, within `timeout_s` wall seconds.

        Raises PromptError, QueueFull, PipelineMismatch, FrameError, TimeoutError, EdgeUnreachable,
        CredentialsError.
        """

    async def report(self, sample: QualitySample) -> None:
        """Tell of a picture whose answer asked for a check. Raises PromptError for a sample that
        cannot be, EdgeUnreachable, CredentialsError."""


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


class NeighbourPort(Protocol):
    """An edge server as its neighbours reach it. Calls raise EdgeUnreachable, PartDied,
    CacheCorrupted."""

    async def digest(self, known: int) -> Digest:
        """What the store holds; `known` is the state of the caller's last digest, 0: none."""

    async def lend(self, prompt_key: str, step: int) -> LentOutput | None:
        """The output of just that step; None where the store has it no more."""
