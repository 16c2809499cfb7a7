"""The planned cut: where the policy's last plan wants it."""

from __future__ import annotations

from edge_node.cut.base import CutRule, Situation
from edge_node.cut.response import cheapest, edge_s, others_step_s, wait_s
from midstep.wire.messages_control import Targets

__all__ = ["LATECOMERS", "Planned"]

# what a step delays those in flight by counts so often: those who come before it is done wait too
LATECOMERS = 2.0
REQUESTS = 300.0  # e-folding of the means of devices
LONGEST_S = 60.0  # what counts of a wait or of work: a device may report anything


class Planned(CutRule):
    """The plan's target. Without one the cheapest cut, each step to be computed counting the plan's
    price (lambda), or what it costs the others at this edge now where that is more, and each second
    that is left to the device what it delays the same user's other requests by (`Crowding`).
    `considerate` until the first plan."""

    def __init__(self, split_step: int) -> None:
        super().__init__(split_step)
        self._crowding = Crowding()
        self._has_plan = False

    def follow(self, targets: Targets) -> None:
        super().follow(targets)
        self._has_plan = True

    def cut(self, situation: Situation) -> int:
        cut = self.targets.get(situation.prompt_key) or self._cheapest(situation)
        self._crowding.observe(situation, max(situation.held, min(cut, situation.limit)))
        return cut

    def _cheapest(self, situation: Situation) -> int:
        others_s = others_step_s(situation)
        if not self._has_plan:
            return cheapest(situation, others_s)
        price_s = max(self.step_price_s, LATECOMERS * others_s)
        return cheapest(situation, price_s, self._crowding.delay_s)


class Crowding:
    """What work left to a device costs its user's other requests, by Pollaczek and Khinchine's
    mean wait: with mean wait W and mean squared work E[r^2], r seconds more delay the others by
    2 W / E[r^2] (W r + r^2 / 2). Nothing where users wait for their pictures: W is then 0."""

    def __init__(self) -> None:
        self._count = 0
        self._wait_s = 0.0
        self._square_s2 = 0.0

    def delay_s(self, work_s: float) -> float:
        """The delay of the user's others by `work_s` on the device."""
        if self._square_s2 <= 0:
            return 0.0
        crowding = 2 * self._wait_s / self._square_s2
        return crowding * work_s * (self._wait_s + work_s / 2)

    def observe(self, situation: Situation, cut: int) -> None:
        """A request was cut: its wait for the device, and its work there."""
        here = situation
        work_s = (here.steps - cut) * here.step_s + here.decode_s
        ready_s = edge_s(here, cut, wait_s(here)) + here.link_s
        device_wait_s = min(LONGEST_S, max(0.0, here.backlog_s - ready_s))
        work_s = min(LONGEST_S, work_s)
        self._count += 1
        share = max(1 / self._count, 1 / REQUESTS)
        self._wait_s += share * (device_wait_s - self._wait_s)
        self._square_s2 += share * (work_s**2 - self._square_s2)
