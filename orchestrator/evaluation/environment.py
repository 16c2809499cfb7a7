"""The slot problem (33) of one lane as a Gymnasium environment, for learners that others wrote.

    import gymnasium, orchestrator.evaluation.environment
    settings = ["items=20", "users=5", "capacity=8"]
    env = gymnasium.make("midstep/Slot-v0", preset="compact", settings=settings)

The only module that imports gymnasium, which the package's extra `gym` brings;
examples/train_sb3.py trains on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    import gymnasium
except ModuleNotFoundError:
    raise ImportError(
        "orchestrator.evaluation.environment needs gymnasium: pip install 'gymnasium>=1,<2'"
    ) from None

from midstep.errors import ScenarioError
from orchestrator.decision import critic
from orchestrator.decision.slots import Choice, PricedSlots
from orchestrator.evaluation.simulator import accounts, presets
from orchestrator.evaluation.simulator.closed import Rollout
from orchestrator.evaluation.simulator.compare import calibrate
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.drc.actor import CHANNEL_SCALE, DEMAND_SCALE, DEMAND_TOP

__all__ = ["SlotEnv"]

TOP = (4.0, 1.0, DEMAND_TOP / DEMAND_SCALE, 20.0)  # bounds of channel, last decision, demand, queue
EPISODE_SLOTS = 200
TARGET_SLOTS = 200  # slots of `greedy` on lane 0 whose mean becomes Lbar where nobody gives it
WANTED = 0.5

Observation = NDArray[np.float32]


class SlotEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """One lane of the closed slotted model in `reactive` mode; a step is a slot, an episode `slots`
    of them.

    observation (U + 2 R + 1,), (35): log2(1 + SNR) / 16 of each user; the last decision j / S* and
    the demand min(count, 6) / 3 of each prompt; log1p(Q / Lbar). action (R,) in [0, 1]: how much
    each prompt is wanted. Requested prompts above 0.5 are kept in falling order up to the capacity:
    each at its best step in closed form or, with `fill_step` off, at the last reusable step.
    reward: the share of what keeping could win by (33), 1 - gap_to_exact: 1 for exact P2, 0 for
    keeping nothing and where nothing can be won, below 0 where keeping does harm.

    info: `gap_to_exact` (0 where nothing can be won), `queue_ms` after the slot, `response_ms`
    (15), the mean over prompts, `hit_ratio`. `reset(seed=n)` begins lane n; without a seed, lanes
    follow from the last seed. `options={"slots": n}` sets the length of the episode that begins.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so in the base class

    def __init__(
        self,
        preset: str | presets.Preset = "compact",
        settings: Sequence[str] = (),
        slots: int = EPISODE_SLOTS,
        fill_step: bool = True,
        latency_target_ms: float | None = None,
        calibration_slots: int = TARGET_SLOTS,
    ) -> None:
        """`settings` are KEY=VALUE for a preset that is named; Lbar, where neither the preset nor
        `latency_target_ms` gives it, is calibrated on lane 0. Raises ScenarioError for what there
        is not, ValueError for slots below 1."""
        self.preset = presets.find(preset, settings) if isinstance(preset, str) else preset
        if self.preset.timing != "reactive":
            raise ScenarioError(
                f"{self.preset.name} is {self.preset.timing}; the environment's slots are reactive"
            )
        if slots < 1:
            raise ValueError("an episode has one slot or more")
        self.slots = slots
        self.fill_step = fill_step
        if latency_target_ms is None:
            self.target_s = calibrate([(self.preset, 0)], calibration_slots)
        else:
            self.target_s = np.array([latency_target_ms / 1e3])
        users = self.preset.users
        items = self.preset.items
        top = np.repeat(np.array(TOP, np.float32), [users, items, items, 1])
        self._top = np.asarray(top)
        self.observation_space = gymnasium.spaces.Box(np.zeros_like(top), top, dtype=np.float32)
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (items,), np.float32)
        self._action = np.zeros(items)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        lane = int(self.np_random.integers(2**31)) if seed is None else seed
        self.world = World([(self.preset, lane)])
        self.rollout = Rollout("environment", self._choose, self.world, self.target_s)
        self._last = int((options or {}).get("slots", self.slots)) - 1
        self.world.advance()
        return self._observe(), {}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Serve the slot by `action`, and see the next one. Raises ValueError for an action of
        another shape."""
        self._action = np.asarray(action, np.float64)
        if self._action.shape != (self.preset.items,):
            raise ValueError(
                f"an action has the shape ({self.preset.items},), not {self._action.shape}"
            )
        self.rollout.sums[:] = 0
        self.rollout.slot(measure=True, gap=True)
        gap = float(self.rollout.last_gap[0])
        sums = self.rollout.sums[0]
        info = {
            "gap_to_exact": 0.0 if np.isnan(gap) else gap,
            "queue_ms": 1e3 * float(self.rollout.queue_s[0]),
            "response_ms": 1e3 * float(sums[accounts.AT["response_s"]]),
            "hit_ratio": float(sums[accounts.AT["hits"]] / max(1.0, sums[accounts.AT["requests"]])),
        }
        truncated = self.world.slot >= self._last
        self.world.advance()
        return self._observe(), 0.0 if np.isnan(gap) else 1.0 - gap, False, truncated, info

    def _observe(self) -> Observation:
        world = self.world
        rollout = self.rollout
        parts = (
            world.channel[0] / CHANNEL_SCALE,
            rollout.cached[0] / self.preset.reusable_steps,
            np.minimum(world.count[0], DEMAND_TOP) / DEMAND_SCALE,
            np.log1p(rollout.queue_s / np.maximum(self.target_s, 1e-9)),
        )
        return np.minimum(np.concatenate(parts).astype(np.float32), self._top)

    def _choose(self, slots: PricedSlots) -> Choice:
        choice = np.zeros_like(slots.cached)
        wanted = np.flatnonzero((slots.weight[0] > 0) & (self._action > WANTED))
        ranking = wanted[np.argsort(-self._action[wanted], kind="stable")][: self.preset.capacity]
        if self.fill_step:
            critic.fill_ranking(ranking, len(ranking), critic.lane(slots.prices, 0), choice[0])
        else:
            choice[0, ranking] = self.preset.reusable_steps
        return choice


gymnasium.register(id="midstep/Slot-v0", entry_point="orchestrator.evaluation.environment:SlotEnv")
