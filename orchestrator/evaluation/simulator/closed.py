"""The slotted model over a closed catalogue: policies that choose by price, all lanes of a
comparison side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.decision import exact
from orchestrator.decision.choice_prices import Costs, price
from orchestrator.decision.slots import Choice, PricedSlots, SlotPrices
from orchestrator.evaluation.simulator import accounts
from orchestrator.evaluation.simulator.world import World
from orchestrator.records.statistics import smallest_count

__all__ = ["GAP_EVERY", "Rollout", "metrics"]

Floats = NDArray[np.float64]
GAP_EVERY = 5  # slots between two comparisons with exact P2


class Rollout:
    """One policy in every lane of a world: its cache, its queue, its sums."""

    def __init__(
        self,
        name: str,
        decide: Callable[[PricedSlots], Choice] | None,
        world: World,
        target_s: Floats,
    ) -> None:
        self.name = name
        self.decide = decide
        self.world = world
        self.target_s = target_s
        lanes, items, choices = world.base_s.shape
        self.cached = np.zeros((lanes, items), np.int8)
        self.last_use = np.full((lanes, items), -1, np.int64)
        self.queue_s = np.zeros(lanes)
        self.wait_s = np.zeros(lanes)
        self.cost_s = np.full((lanes, items, choices), np.inf)
        self.hit = np.zeros((lanes, items, choices), np.bool_)
        self.weight = np.zeros((lanes, items))
        self.sums = np.zeros((lanes, len(accounts.SUMS)))
        self.histogram = np.zeros((lanes, accounts.BINS), np.int64)
        self.carry = True
        self.guarded = False
        self.frozen = False
        self.last_gap = np.full(lanes, np.nan)

    def slot(self, measure: bool, gap: bool) -> Choice:
        """Decide and serve the world's present slot."""
        assert self.decide is not None
        self._price()
        choice = self.decide(self.view())
        if gap:
            self._compare(choice, measure)
        self._settle(choice, measure)
        return choice

    def _price(self) -> None:
        world = self.world
        price(world.base_s, world.tolerated, self._served(), self.cached, self._costs())

    def _settle(self, choice: Choice, measure: bool) -> None:
        accounts.settle(
            self._served(),
            self._costs(),
            choice,
            accounts.Cache(self.cached, self.last_use, self.world.capacity),
            accounts.Ledger(self.queue_s, self.target_s, self.sums, self.histogram),
            accounts.Rules(self.world.slot, self.carry, self.guarded, self.frozen, measure),
        )

    def _served(self) -> accounts.Served:
        world = self.world
        return accounts.Served(
            requests=world.requests,
            count=world.count,
            transfer_s=world.transfer_s,
            step_s=world.step_s,
            steps=world.steps,
            shared=world.shared,
            split=world.split,
            edge_step_s=world.edge_step_s,
            wait_s=self.wait_s,
        )

    def _costs(self) -> Costs:
        return Costs(self.cost_s, self.hit, self.weight)

    def view(self) -> PricedSlots:
        """The slot as a policy sees it; not to be changed."""
        world = self.world
        return PricedSlots(
            weight=self.weight,
            count=world.count.astype(float),
            cost_s=self.cost_s,
            hit=self.hit,
            channel=world.channel,
            cached=self.cached,
            queue_s=self.queue_s,
            target_s=self.target_s,
            weight_v=world.weight_v,
            capacity=world.capacity,
            reusable=world.reusable,
        )

    def _compare(
        self,
        choice: Choice,
        measure: bool,
        cost_s: Floats | None = None,
        hit: NDArray[np.bool_] | None = None,
    ) -> None:
        """The objective (33) of this choice, of exact P2 on the same state, and of keeping
        nothing."""
        world = self.world
        prices = SlotPrices(
            weight=self.weight,
            cost_s=self.cost_s,
            hit=self.hit,
            capacity=world.capacity,
            queue_s=self.queue_s,
            weight_v=world.weight_v,
            target_s=self.target_s,
        )
        best = np.zeros_like(choice)
        least = np.zeros(len(choice))
        available = prices._replace(
            cost_s=self.cost_s if cost_s is None else cost_s, hit=self.hit if hit is None else hit
        )
        exact.solve_lanes(available, best, least)
        value = exact.objective_lanes(prices, choice)
        nothing = exact.objective_lanes(prices, np.zeros_like(choice))
        gain = nothing - least
        self.last_gap = np.where(
            gain > 1e-12, (value - least) / np.where(gain > 1e-12, gain, 1.0), np.nan
        )
        if measure:
            self.sums[:, accounts.AT["objective"]] += value
            self.sums[:, accounts.AT["exact"]] += least
            self.sums[:, accounts.AT["nothing"]] += nothing


def metrics(rollout: Rollout) -> dict[str, Floats]:
    """One value a lane of each metric (`orchestrator.records.metrics`); nan where there is none."""
    sums = {name: rollout.sums[:, i] for name, i in accounts.AT.items()}
    slots = np.maximum(sums["slots"], 1)
    requests = np.maximum(sums["requests"], 1)
    won = sums["nothing"] - sums["exact"]
    gap = np.where(won > 0, (sums["objective"] - sums["exact"]) / np.where(won > 0, won, 1), np.nan)
    reference = "none" if rollout.world.shared.any() else "ncldc"
    quantiles = {
        f"p{q}_s": np.where(
            sums["requests"] >= smallest_count(q), _quantile(rollout.histogram, q / 100), np.nan
        )
        for q in (50, 95, 99)
    }
    return {
        "response_by_slot_ms": 1e3 * sums["response_s"] / slots,
        "response_per_request_ms": 1e3 * sums["request_s"] / requests,
        f"reduction_vs_{reference}": sums["reduction"] / slots,
        "hit_ratio": sums["hits"] / requests,
        "hit_ratio_in_slot": sums["hits_in_slot"] / requests,
        f"saved_vs_{reference}_ms": 1e3 * sums["saved_s"] / slots,
        f"saved_vs_{reference}_per_request_ms": 1e3 * sums["saved_s"] / requests,
        "gap_to_exact": gap,
        "queue_ms": 1e3 * sums["queue_s"] / slots,
        "queue_last_ms": 1e3 * rollout.queue_s,
        "latency_avg_ms": 1e3 * sums["average_s"] / slots,
        "system_cost_ms": 1e3 * sums["system_s"] / slots,
        "stored_per_slot": sums["store_s"] / slots,
        **quantiles,
        "largest_s": _quantile(rollout.histogram, 1.0),
    }


def _quantile(histogram: NDArray[np.int64], share: float) -> Floats:
    """Seconds (lanes,), the upper bound of the quantile's bin: at most 3 % too much. nan where that
    bin is the last one, which has no upper bound, and where nothing was counted."""
    total = np.cumsum(histogram, axis=1)
    at = (total >= share * total[:, -1:]).argmax(axis=1)
    bounded = (total[:, -1] > 0) & (at < histogram.shape[1] - 1)
    return np.where(bounded, accounts.FINEST_S * accounts.FACTOR ** (at + 1.0), np.nan)
