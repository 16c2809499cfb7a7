"""The planned cut: where the policy's last plan wants it."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation
from edge_node.cut.response import cheapest, others_step_s
from midstep.wire.messages import Targets

__all__ = ["Planned"]


class Planned(CutRule):
    """The plan's target; without one the cheapest cut at the plan's price of a step (lambda), or at
    what a step costs the others now where that is more. `considerate` until the first plan."""

    def __init__(self, split_step: int) -> None:
        super().__init__(split_step)
        self._targets: dict[str, int] = {}
        self._step_price_s = 0.0

    def follow(self, targets: Targets) -> None:
        self._targets = dict(targets.steps)
        self._step_price_s = targets.step_price_s

    def target(self, prompt_key: str) -> int:
        return self._targets.get(prompt_key, 0)

    def cut(self, situation: Situation) -> int:
        target = self.target(situation.prompt_key)
        if target:
            return target
        return cheapest(situation, max(self._step_price_s, others_step_s(situation)))
