"""Train PPO of Stable-Baselines3 on the slot problem, beside `drc`, exact P2 and random choice.

    pip install '.[gym]' stable-baselines3     # in the repository
    python examples/train_sb3.py [--steps 60000]

PPO trains on lanes of its own for two to three minutes on one core, then plays lanes that are new
to it. Printed is each policy's gap to exact P2, 0 for exact and 1 for an empty cache, over the
slots after a warm-up. In the warm-up `drc`, which starts untrained in each lane, learns.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium
import numpy as np
import torch
from gymnasium.wrappers import RescaleAction
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from orchestrator import policies
from orchestrator.evaluation.environment import SlotEnv
from orchestrator.evaluation.simulator.closed import Rollout
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.kinds.price_planner import price_planner

SETTINGS = ("items=20", "users=5", "requests_per_user=6", "capacity=8")
LANES = (1_000_001, 1_000_002, 1_000_003, 1_000_004)  # training draws others
SLOTS = 600
WARMUP = 300
ENVIRONMENTS = 4

Act = Callable[[Any], Any]


def environment() -> Any:
    """Slot problem with actions in [-1, 1]; at 0, where Gaussian policies start, half is wanted."""
    return RescaleAction(
        gymnasium.make("midstep/Slot-v0", settings=SETTINGS, slots=SLOTS),
        np.float32(-1),
        np.float32(1),
    )


def train(steps: int) -> PPO:
    """Train PPO for `steps` slots; gamma is 0, as a reward is relative to exact P2 in its state."""
    world = DummyVecEnv([environment] * ENVIRONMENTS)
    model = PPO(
        "MlpPolicy",
        world,
        seed=0,
        device="cpu",
        gamma=0.0,
        gae_lambda=0.0,
        n_steps=256,
        batch_size=256,
        n_epochs=8,
        learning_rate=lambda left: 1e-3 * left,
        policy_kwargs={"net_arch": [128, 128], "log_std_init": -0.5},
    )
    return model.learn(steps)


def play(act: Act) -> float:
    """Mean gap of an agent that acts on observations."""
    gaps = []
    env = environment()
    for lane in LANES:
        observation, _ = env.reset(seed=lane)
        for slot in range(SLOTS):
            observation, _, _, _, info = env.step(act(observation))
            if slot >= WARMUP:
                gaps.append(info["gap_to_exact"])
    return float(np.mean(gaps))


def planner(name: str) -> float:
    """Mean gap of one of our own policies in the same lanes, with the same Lbar."""
    env = environment().unwrapped
    assert isinstance(env, SlotEnv)
    world = World([(env.preset, lane) for lane in LANES])
    learner = price_planner(policies.find(name)())
    assert learner is not None
    learner.open([world.problem(b) for b in range(world.size)], list(LANES))
    rollout = Rollout(name, learner.decide, world, np.repeat(env.target_s, world.size))
    gaps = []
    for slot in range(SLOTS):
        world.advance()
        rollout.slot(measure=False, gap=True)
        learner.learn()
        if slot >= WARMUP:
            gaps.append(np.nan_to_num(rollout.last_gap))
    return float(np.mean(gaps))


def main() -> None:
    """Print the gaps of random actions, exact P2, `drc` and PPO."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps", type=int, default=60_000, help="slots of training (default: %(default)s)"
    )
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    random = np.random.default_rng(0)

    def draw(observation: Any) -> Any:
        return random.uniform(-1, 1, 20).astype(np.float32)

    print(f"{', '.join(SETTINGS)}; slots {WARMUP}..{SLOTS} of {len(LANES)} lanes: gap to exact P2")
    print(f"  random action      {play(draw):8.3f}")
    for name in ("greedy", "drc"):
        print(f"  {name:18} {planner(name):8.3f}", flush=True)
    began = time.perf_counter()
    model = train(steps)
    training_s = time.perf_counter() - began

    def act(observation: Any) -> Any:
        return model.predict(observation, deterministic=True)[0]

    print(
        f"  PPO                {play(act):8.3f}   {steps} slots of training in {training_s:.0f} s"
    )


if __name__ == "__main__":
    main()
