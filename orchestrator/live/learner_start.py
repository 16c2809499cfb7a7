"""The one start of a learner, for its own process and for a run in one."""

from __future__ import annotations

from midstep.scenario import Scenario
from midstep.wire.messages import ControlPort
from orchestrator import policies
from orchestrator.live.learner import Learner
from orchestrator.live.setting import run_problem

__all__ = ["open_learner"]


async def open_learner(
    scenario: Scenario, control: ControlPort, frame_bytes: int, state: bytes | None, *, beside: bool
) -> Learner:
    """A learner that follows the scenario's edge through `control`, from a state on where there is
    one.

    `frame_bytes` is what the store counts for one output; `beside` lets training run in a thread.
    Raises ScenarioError, PolicyFailed, EdgeUnreachable.
    """
    policy = scenario.policy
    learner = Learner(
        lambda: policies.make(policy),
        run_problem(scenario, frame_bytes),
        scenario.seed,
        control,
        by_slot=policy.admission == "slot",
        target_s=policy.latency_target_s,
        beside=beside,
        edge=scenario.edge.name,
    )
    await learner.open(state)
    learner.start()
    return learner
