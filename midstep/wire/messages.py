"""Messages between device and edge, as plain values: the logic uses these alone, whatever the
transport. Those between edge and learner are in messages_control, those between edges in
messages_neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from midstep.wire.frame import Frame
from midstep.wire.identity import PipelineIdentity
from midstep.wire.start import Start

__all__ = [
    "Answer",
    "Description",
    "EdgePort",
    "Quality",
    "QualitySample",
    "Request",
    "Reuse",
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
    `negative` is the user's negative prompt, empty: none, `start` the picture to begin from, None:
    noise alone; both are part of the output's identity. With a start the limit is past its first
    step, and no other prompt's output may serve.
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
    start: Start | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An edge's answer and how it was made; edge_steps + saved_steps is the frame's step, less the
    first step of the request's start picture where it has one.

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
    idle time: it made the picture again without reuse. `kind` and `step` are those of
    midstep.reuse.classes.reuse_place: the likeness to the donor and its step, the request's kind
    and the cut where the prompt's own output served, both kinds and the cut where the edge went on
    from the donor's."""

    request_id: str
    kind: str
    step: int
    quality: Quality
    good: bool


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
