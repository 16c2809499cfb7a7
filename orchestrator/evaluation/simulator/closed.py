"""The slotted model over a closed catalogue: policies that choose by price, all lanes of a
comparison side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.decision import exact
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.evaluation.simulator import accounts
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.world import World
from orchestrator.records.statistics import smallest_count

Floats = NDArray[np.float64]
Lane = tuple[Preset, int]
CALIBRATION_SLOTS = 2_000
TIGHTNESS = (
    0.993  # Lbar is this share of greedy's mean L_avg: looser, Q stays 0; tighter, it diverges
)
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
        accounts.price(
            world.base_s,
            world.count,
            self.cached,
            world.tolerated,
            world.edge_step_s,
            world.shared,
            world.split,
            self.wait_s,
            self.cost_s,
            self.hit,
            self.weight,
        )

    def _settle(self, choice: Choice, measure: bool) -> None:
        world = self.world
        accounts.settle(
            world.requests,
            world.count,
            world.transfer_s,
            world.step_s,
            world.steps,
            world.shared,
            world.split,
            world.edge_step_s,
            self.wait_s,
            self.cost_s,
            self.hit,
            choice,
            world.capacity,
            self.cached,
            self.last_use,
            world.slot,
            self.carry,
            self.guarded,
            self.target_s,
            self.queue_s,
            self.frozen,
            self.sums,
            self.histogram,
            measure,
        )

    def view(self) -> PricedSlots:
        """The slot as a policy sees it; not to be changed."""
        world = self.world
        return PricedSlots(
            self.weight,
            world.count.astype(float),
            self.cost_s,
            self.hit,
            world.channel,
            self.cached,
            self.queue_s,
            self.target_s,
            world.weight_v,
            world.capacity,
            world.reusable,
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
        best = np.zeros_like(choice)
        value = np.zeros(len(choice))
        world = self.world
        cost_s = self.cost_s if cost_s is None else cost_s
        hit = self.hit if hit is None else hit
        exact.solve_lanes(
            self.weight,
            cost_s,
            hit,
            world.capacity,
            self.queue_s,
            world.weight_v,
            self.target_s,
            best,
            value,
        )
        mine, nothing = (self._objective(c) for c in (choice, np.zeros_like(choice)))
        won = nothing - value
        self.last_gap = np.where(
            won > 1e-12, (mine - value) / np.where(won > 1e-12, won, 1.0), np.nan
        )
        if measure:
            self.sums[:, accounts.AT["objective"]] += mine
            self.sums[:, accounts.AT["exact"]] += value
            self.sums[:, accounts.AT["nothing"]] += nothing

    def _objective(self, choice: Choice) -> Floats:
        w = self.world
        return exact.objective_lanes(
            self.weight, self.cost_s, self.hit, choice, self.queue_s, w.weight_v, self.target_s
        )


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
