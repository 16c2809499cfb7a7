"""Cut rules: the step at which the edge hands a request over to the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from midstep.wire.messages import Request

__all__ = ["CUT_RULES", "CutRule", "FixedStep"]


class CutRule(Protocol):
    """Chooses the cut of each request that the store cannot answer."""

    def cut(self, request: Request) -> int:
        """The step at which this request is handed over, from 1 to `request.steps`."""


class FixedStep:
    """Cuts every request at the same step, or at `request.steps` where that is earlier."""

    def __init__(self, step: int) -> None:
        self.step = step

    def cut(self, request: Request) -> int:
        return min(self.step, request.steps)


CUT_RULES: dict[str, Callable[[int], CutRule]] = {
    "fixed": FixedStep,
}
