"""Checks of reused pictures: which of them a device is to make again without reuse, what they say,
and how far outputs may be reused after that."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from math import isfinite

from midstep.draws import CHECK, uniform
from midstep.errors import PromptError
from midstep.reuse.classes import CLASSES, joined, reuse_place
from midstep.reuse.guard import Guard
from midstep.reuse.limits import CORE, KINDS
from midstep.reuse.table import METRICS
from midstep.reuse.ward import MOST
from midstep.telemetry.writers import GuardMetrics
from midstep.wire.messages import Answer, Quality, QualitySample, Request

__all__ = ["Checks"]

NAME_LIMIT = 200  # characters of a request's id in a message


class Checks:
    """An edge's side of the checks, around a guard. Requests that name no quality are neither
    checked nor limited by it."""

    def __init__(self, guard: Guard, steps: int, seed: int, metrics: GuardMetrics) -> None:
        self.guard = guard
        self._steps = steps
        self._seed = seed
        self._metrics = metrics
        self._notices: list[str] = []

    def notices(self) -> list[str]:
        """What a user should know of limits that were lowered since the last call, a line each."""
        notices = self._notices
        self._notices = []
        return notices

    def capped(self, request: Request) -> Request:
        """The request, at most at the step that its kind was lowered to; step 1 always serves."""
        if request.quality is None or request.kind == CORE:
            return request
        limit = max(1, self.guard.limit(request.kind, request.quality, request.limit))
        return request if limit == request.limit else replace(request, limit=limit)

    def donor_limit(self, likeness: str, quality: Quality, limit: int) -> int:
        """The last step at which a donor of that likeness may serve, 0: none, where `limit` was
        measured."""
        return self.guard.limit(likeness, quality, limit)

    def resumed_limit(self, request: Request, likeness: str) -> int:
        """The last step at which a request may be handed over what the edge went on with from a
        donor of that likeness; where the donor's own step is not before it, that one."""
        if request.quality is None or request.kind in ("", CORE):
            return request.limit
        kind = joined(likeness, request.kind)
        return self.guard.limit(kind, request.quality, request.limit)

    def marked(self, request: Request, answer: Answer) -> Answer:
        """The answer, with a request for a check where its picture is drawn for one."""
        quality = request.quality
        if quality is None or answer.frame is None:
            return answer
        place = reuse_place(answer.likeness, answer.reused_step, request.kind, answer.frame.step)
        if place is None:
            return answer
        kind, step = place
        probability = self.guard.probability(kind, quality, step)
        draw = uniform(self._seed, CHECK, zlib.crc32(request.request_id.encode()))
        return replace(answer, check=True) if draw < probability else answer

    def report(self, sample: QualitySample) -> None:
        """Count what a device found. Raises PromptError for a sample that cannot be."""
        quality = sample.quality
        if (
            not 1 <= sample.step <= self._steps
            or sample.kind not in CLASSES
            or quality.metric not in METRICS
            or not isfinite(quality.floor)
            or not 0 < quality.share < 1
        ):
            raise PromptError(
                f"the sample of {sample.request_id[:NAME_LIMIT]} cannot be: it has a kind, a step "
                f"from 1 to {self._steps}, and a quality of {', '.join(METRICS)}"
            )
        before = self.guard.unwatched
        lowered = self.guard.observe(sample.kind, quality, sample.step, sample.good)
        if self.guard.unwatched > before == 0:
            self._notices.append(
                f"users ask for more than {MOST} qualities: limits of {quality.metric} "
                f"{quality.floor:g} with a share of {quality.share:g}, and of others that come "
                f"after, are not watched, and stay the table's"
            )
        self._metrics.checked(sample.kind, sample.good)
        if lowered:
            self._metrics.lowered()
            ceilings = [f"{kind}: step {step}" for kind, step in self._ceilings(quality)]
            self._notices.append(
                f"too many checked pictures are below {quality.metric} {quality.floor:g}, so that "
                f"outputs are reused at most at these steps ({'; '.join(ceilings)})"
            )
        for kind, ceiling in self._ceilings(quality):
            self._metrics.ceiling(kind, quality.metric, ceiling)

    def _ceilings(self, quality: Quality) -> Iterator[tuple[str, int]]:
        """The classes that were lowered, and the last step at which each is served now."""
        for kind, ceiling in self.guard.ceilings(quality):
            yield kind, max(1, ceiling) if kind in KINDS else ceiling
