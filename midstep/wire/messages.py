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
    "Description",
    "EdgePort",
    "Request",
    "Reuse",
]

Reuse = Literal["exact", "similar", "shared", "computed", "local", "final"]
HITS: tuple[Reuse, ...] = ("exact", "similar", "final")  # served from the store


@dataclass(frozen=True, kw_only=True)
class Description:
    """What an edge serves. `step_s`, `decode_s`: seconds of one request alone on this edge."""

    edge: str
    pipeline: PipelineIdentity
    split_step: int
    scenario_seed: int
    step_s: float
    decode_s: float
    process_id: int


@dataclass(frozen=True, kw_only=True)
class Request:
    """A device's request for the output of `prompt` (the edge prompt), computed to `steps` where
    the edge has none.

    `pipeline` is the digest of what the device can continue; a `private_seed` makes the output the
    user's own.
    """

    request_id: str
    prompt: str
    pipeline: str
    steps: int
    private_seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An edge's answer and how it was made; edge_steps + saved_steps is the frame's step."""

    frame: Frame
    reuse: Reuse
    similarity: float
    edge_steps: int
    saved_steps: int
    queue_s: float
    edge_s: float
    seed: int
    truncated: bool


@dataclass(frozen=True, kw_only=True)
class Access:
    """One request as the policy sees it, sent when its frame is ready: its prompt, its output's
    size and how it was served. `at_s` is in scenario seconds, `edge_s` is queue and edge time."""

    request_id: str
    prompt_key: str
    prompt: str
    step: int
    nbytes: int
    reuse: Reuse
    at_s: float
    edge_s: float

    @property
    def hit(self) -> bool:
        """Whether the store served it."""
        return self.reuse in HITS


@dataclass(frozen=True)
class CacheUpdate:
    """Changes to a store, as differences: evictions first, then admissions (prompt_key, step) from
    staging."""

    admit: tuple[tuple[str, int], ...] = ()
    evict: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.admit or self.evict)


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


@dataclass(frozen=True)
class CachedOutput:
    """One output in the edge's store or staging, as policies see it."""

    prompt_key: str
    prompt: str
    step: int
    nbytes: int


@dataclass(frozen=True, kw_only=True)
class CacheSnapshot:
    """The outputs in store and staging, and their bytes; `capacity` is the store's."""

    store: tuple[CachedOutput, ...]
    staging: tuple[CachedOutput, ...]
    capacity: int
    store_bytes: int
    staging_bytes: int


class EdgePort(Protocol):
    """An edge server as devices reach it, over whatever wire."""

    async def describe(self) -> Description:
        """Raises EdgeUnreachable, CredentialsError."""

    async def obtain(self, request: Request, timeout_s: float) -> Answer:
        """The output of request.prompt, within `timeout_s` wall seconds.

        Raises PromptError, QueueFull, PipelineMismatch, FrameError, TimeoutError, EdgeUnreachable,
        CredentialsError.
        """


class ControlPort(Protocol):
    """An edge server as the learner reaches it."""

    def watch(self) -> AsyncIterator[Access]:
        """Accesses from now on, as they end. Raises EdgeUnreachable where the edge is gone."""

    async def apply(self, update: CacheUpdate) -> CacheUpdateResult:
        """Change the store. Raises CacheCorrupted where it does not add up any more."""

    async def snapshot(self) -> CacheSnapshot:
        """The outputs that the edge holds now."""
