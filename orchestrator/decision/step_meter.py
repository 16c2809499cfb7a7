"""What a planner of steps measures: the limits of each prompt's requests, the times that a step
costs on both sides, and how much of the edge's time there is.

Everything is counted from the accesses and from the edge's own account of its work; nothing is
assumed but the profile of the edge's ticks until the edge has ticked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import Access, EdgeWork
from orchestrator.decision.edge_price import EdgePrice
from orchestrator.decision.step_prices import StepTerms
from orchestrator.decision.step_times import StepTimes

__all__ = ["StepMeter"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

LIMIT_SLOTS = 300.0  # e-folding of the counts of limits
SHRINK = 20.0  # requests of everybody's that are added to a prompt's own
MEAN_REQUESTS = 300.0  # e-folding of mean times, requests
FIRST_STEP_S = 0.1  # a step on a device before the first has said what its steps take
LARGEST = 1e6  # what a count may have grown to before all are scaled down


class StepMeter:
    """Counts over prompts, which are numbers from 0 on. `steps` is S."""

    def __init__(self, steps: int, times: StepTimes, coupled: bool = False) -> None:
        self.steps = steps
        self.times = times
        self.edge = EdgePrice(times.tick_s)
        self._coupled = coupled
        users = len(times.bandwidth_hz)
        self._bandwidth_hz = np.array(times.bandwidth_hz, np.float64)
        self.channel = np.zeros(users)  # log2(1 + SNR) of each user, as last heard
        self.speed = np.zeros(users)  # steps a second, as last heard
        # requests by prompt and limit (column l - 1), in units that grow instead of fading
        self._limits = np.zeros((0, steps), np.float32)
        self._every = np.zeros(steps)
        self._unit = 1.0
        self._slots = 0  # observed so far
        self._per_slot = 0.0
        self._means = {"link_s": 0.0, "step_s": FIRST_STEP_S, "wait_s": 0.0, "work_s2": 0.0}
        self._count = 0.0  # requests behind the means, at most MEAN_REQUESTS

    def observe(self, ids: Ids, accesses: Sequence[Access], work: EdgeWork | None) -> None:
        """A slot's accesses, of prompts `ids` (n,), -1: one that has no number; and the edge's
        account at its end."""
        self._slots += 1
        fade = float(np.exp(-1 / LIMIT_SLOTS))
        self._per_slot = fade * self._per_slot + (1 - fade) * len(accesses)
        self._unit *= np.exp(1 / LIMIT_SLOTS)
        if self._unit > LARGEST:
            self._limits /= self._unit
            self._every /= self._unit
            self._unit = 1.0
        limits = np.array([a.limit or self.steps for a in accesses], np.int64)
        np.clip(limits, 1, self.steps, out=limits)
        np.add.at(self._every, limits - 1, self._unit)
        known = ids >= 0
        self._grow(int(ids.max(initial=-1)) + 1)
        np.add.at(self._limits, (ids[known], limits[known] - 1), self._unit)
        step_s = np.array([a.step_s for a in accesses], np.float64)
        rate_bps = np.array([a.rate_bps for a in accesses], np.float64)
        link_s = self._link_s(accesses, rate_bps)
        self._average("link_s", link_s[link_s > 0])
        self._average("step_s", step_s[step_s > 0])
        backlog_s = np.array([a.backlog_s - a.edge_s for a in accesses], np.float64)
        self._average("wait_s", np.maximum(0.0, backlog_s - link_s))
        left = self.steps - np.array([a.step for a in accesses], np.int64)
        work_s = (left + self.times.decode_steps) * step_s
        self._average("work_s2", work_s[step_s > 0] ** 2)
        self._count = min(MEAN_REQUESTS, self._count + len(accesses))
        self._hear_users(np.array([a.user for a in accesses], np.int64), rate_bps, step_s)
        self.edge.observe(accesses, work)
        self.edge.settle(self.terms(), self.steps)

    def limits(self, ids: Ids) -> NDArray[np.float32]:
        """(n, S): the share of a prompt's requests with limit l in column l - 1, each row shrunk
        towards all requests'."""
        self._grow(int(ids.max(initial=-1)) + 1)
        total = self._every.sum()
        every = self._every / total if total else np.eye(1, self.steps, self.steps - 1)[0]
        share = self._limits.take(ids, axis=0)
        share /= np.float32(self._unit)
        share += (SHRINK * every).astype(np.float32)
        share /= share.sum(axis=1, keepdims=True)
        return share

    def terms(self) -> StepTerms:
        """The terms of the prices, as they are now."""
        means = self._means
        square_s2 = means["work_s2"]
        return StepTerms(
            link_s=means["link_s"],
            wait_s=self.edge.wait_s,
            tick_s=self.edge.tick_s,
            step_s=means["step_s"],
            decode_s=self.times.decode_steps * means["step_s"],
            price_s=self.edge.price_s,
            device_wait_s=means["wait_s"],
            crowding=2 * means["wait_s"] / square_s2 if square_s2 > 0 else 0.0,
            coupled=self._coupled,
        )

    @property
    def requests_per_slot(self) -> float:
        """Requests a slot, lately."""
        return self._per_slot / LIMIT_SLOTS * self.sum_weight(LIMIT_SLOTS)

    def sum_weight(self, efold_slots: float) -> float:
        """By what a running mean over `efold_slots` is multiplied to be a count over as many: more
        where it began from 0 a short while ago."""
        return float(efold_slots / -np.expm1(-max(1, self._slots) / efold_slots))

    def state_dict(self) -> dict[str, Any]:
        return {
            "limits": self._limits.copy(),
            "every": self._every.copy(),
            "unit": self._unit,
            "slots": self._slots,
            "per_slot": self._per_slot,
            "means": dict(self._means),
            "count": self._count,
            "channel": self.channel.copy(),
            "speed": self.speed.copy(),
            "edge": self.edge.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._limits = np.array(state["limits"], np.float32)
        self._every = np.array(state["every"])
        self._unit = float(state["unit"])
        self._slots = int(state["slots"])
        self._per_slot = float(state["per_slot"])
        self._means = dict(state["means"])
        self._count = float(state["count"])
        self.channel = np.array(state["channel"])
        self.speed = np.array(state["speed"])
        self.edge.load_state_dict(state["edge"])

    def _link_s(self, accesses: Sequence[Access], rate_bps: Floats) -> Floats:
        """T of each request, 0 where its device does not say its rate."""
        bits: float | Floats = self.times.air_bits
        if not bits:
            bits = 8.0 * np.array([a.nbytes for a in accesses], np.float64)
        return np.divide(bits, rate_bps, out=np.zeros(len(rate_bps)), where=rate_bps > 0)

    def _average(self, name: str, values: Floats) -> None:
        """Move a running mean: the mean of all at first, then of the last MEAN_REQUESTS or so."""
        if not values.size:
            return
        before = min(self._count, MEAN_REQUESTS)
        share = len(values) / (before + len(values))
        self._means[name] += share * (float(values.mean()) - self._means[name])

    def _hear_users(self, users: Ids, rate_bps: Floats, step_s: Floats) -> None:
        """Note what devices say of their links and speeds, the last of each user. A user who came
        by scale has no place."""
        placed = (users >= 0) & (users < len(self.channel))
        users = users[placed]
        rate_bps = rate_bps[placed]
        step_s = step_s[placed]
        bandwidth_hz = self._bandwidth_hz[users]
        heard = (rate_bps > 0) & (bandwidth_hz > 0)
        self.channel[users[heard]] = rate_bps[heard] / bandwidth_hz[heard]
        timed = step_s > 0
        self.speed[users[timed]] = 1 / step_s[timed]

    def _grow(self, rows: int) -> None:
        if rows > len(self._limits):
            new = np.zeros((max(1024, 1 << (rows - 1).bit_length()), self.steps), np.float32)
            new[: len(self._limits)] = self._limits
            self._limits = new
