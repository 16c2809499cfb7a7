"""The planned cut: where the policy's last plan wants it."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation
from edge_node.cut.response import cheapest, others_step_s
from midstep.wire.messages import OTHERS

__all__ = ["Planned"]


class Planned(CutRule):
    """The plan's target, or for who finds nothing held its target for all others; else the cheapest
    cut at the plan's price of a step (lambda), or at what a step costs the others now where that is
    more. `considerate` until the first plan."""

    def cut(self, situation: Situation) -> int:
        target = self.targets.get(situation.prompt_key)
        if target is None and not situation.held:
            target = self.targets.get(OTHERS)
        if target:
            return target
        return cheapest(situation, max(self.step_price_s, others_step_s(situation)))
