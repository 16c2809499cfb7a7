"""The slot problem as a Gymnasium environment: its contract, its reward, its limits."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from midstep.errors import ScenarioError  # noqa: E402
from orchestrator.evaluation.environment import SlotEnv  # noqa: E402
from orchestrator.policies.greedy import Greedy  # noqa: E402

SMALL = ("items=20", "users=5", "requests_per_user=6", "capacity=6")


def small(**kwargs: object) -> SlotEnv:
    return SlotEnv("compact", (*SMALL, "latency_target_ms=1500"), **kwargs)  # type: ignore[arg-type]


def test_it_keeps_gymnasiums_contract() -> None:
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make("midstep/Slot-v0", settings=SMALL, slots=20, calibration_slots=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    observation, _ = env.reset(seed=1)
    assert observation in env.observation_space
    ends = []
    for _ in range(20):
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        assert observation in env.observation_space
        ends.append((terminated, truncated))
    assert ends == [(False, False)] * 19 + [(False, True)]


def test_a_seed_names_a_lane() -> None:
    def run(seed: int) -> list[tuple[bytes, float]]:
        env = small()
        dice = np.random.default_rng(0)
        env.reset(seed=seed)
        played = [env.step(dice.random(20, np.float32)) for _ in range(15)]
        return [(observation.tobytes(), reward) for observation, reward, *_ in played]

    assert run(3) == run(3)
    assert run(3) != run(4)


@pytest.mark.parametrize("more", [(), ("reusable_steps=9", "users=3")])
def test_exact_is_worth_one_and_nothing_nought(more: tuple[str, ...]) -> None:
    # Q grows: the ratio of (33) matters
    env = SlotEnv("compact", (*SMALL, "latency_target_ms=58", *more))
    env.reset(seed=1)
    exact = []
    queued = 0.0
    nothing = 0
    for slot in range(60):
        env.rollout._price()  # what the slot's choices cost, before the environment looks
        keep = Greedy().decide(env.rollout.view())[0] > 0
        _, reward, _, _, info = env.step((keep & (slot % 3 > 0)).astype(np.float32))
        if slot % 3 and keep.any():
            exact.append(reward)
        else:
            assert reward == pytest.approx(0.0, abs=1e-12)
            nothing += info["gap_to_exact"] == pytest.approx(1.0)
        # 0: there was nothing to win
        assert info["gap_to_exact"] in (
            0.0,
            pytest.approx(1 - reward),
        )
        queued = max(queued, info["queue_ms"])
    assert nothing > 10 and len(exact) > 20
    assert queued > 0
    assert min(exact) > 0.999
    assert np.median(exact) == pytest.approx(1.0, abs=1e-9)


def test_the_best_step_wins_over_the_last() -> None:
    def mean(fill_step: bool) -> float:
        slow = SlotEnv(
            "compact",
            (*SMALL, "latency_target_ms=70", "distance_m=[120, 900]"),
            fill_step=fill_step,
        )
        slow.reset(seed=2)
        return float(np.mean([slow.step(np.ones(20, np.float32))[1] for _ in range(40)]))

    assert mean(True) > mean(False) + 0.01


@pytest.mark.parametrize("fill_step", [True, False])
def test_capacity_is_never_exceeded_and_episodes_end(fill_step: bool) -> None:
    env = small(slots=30, fill_step=fill_step)
    dice = np.random.default_rng(1)
    env.reset(seed=5)
    held = []
    ends = []
    for _ in range(30):
        observation, _, terminated, truncated, info = env.step(dice.random(20, np.float32))
        assert env.observation_space.contains(observation)
        assert 0 <= info["hit_ratio"] <= 1 and info["response_ms"] > 0
        held.append(int((env.rollout.cached[0] > 0).sum()))
        ends.append(truncated)
        assert not terminated
    assert max(held) == 6
    assert ends == [False] * 29 + [True]
    env.reset(seed=5, options={"slots": 2})
    assert [env.step(np.zeros(20, np.float32))[3] for _ in range(2)] == [False, True]


def test_what_it_cannot_be_is_told() -> None:
    with pytest.raises(ScenarioError, match="reactive"):
        SlotEnv("full")
    with pytest.raises(ValueError, match="shape"):
        env = small()
        env.reset(seed=0)
        env.step(np.zeros(3, np.float32))


def test_the_core_does_without_gymnasium() -> None:
    """Nothing else imports it, and where it is missing the environment says so in one line."""
    code = (
        "import sys; sys.modules['gymnasium'] = None\n"
        "import orchestrator.evaluation.simulator.closed, orchestrator.policies, "
        "orchestrator.policies.drc.actor\n"
        "try:\n    import orchestrator.evaluation.environment\nexcept ImportError as error:\n    "
        "print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout
        == "orchestrator.evaluation.environment needs gymnasium: pip install 'gymnasium>=1,<2'\n"
    )
