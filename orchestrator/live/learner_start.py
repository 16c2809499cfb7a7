"""The one start of a learner, for its own process and for a run in one."""

from __future__ import annotations

from midstep.scenario import Scenario
from midstep.wire.messages_control import ControlPort
from orchestrator import policies
from orchestrator.live.learner import Learner
from orchestrator.live.setting import run_coupled, run_policy, run_problem

__all__ = ["open_learner"]


async def open_learner(
    scenario: Scenario, control: ControlPort, frame_bytes: int, state: bytes | None, *, beside: bool
) -> Learner:
    """A learner that follows the scenario's edge through `control`, from a state on where there is
    one.

    `frame_bytes` is what the store counts for one output; `beside` lets training run in a thread.
    Raises ScenarioError, PolicyFailed, EdgeUnreachable.
    """
    learner = _learner(scenario, control, frame_bytes, beside)
    await learner.open(state)
    learner.start()
    return learner


def _learner(scenario: Scenario, control: ControlPort, frame_bytes: int, beside: bool) -> Learner:
    policy = scenario.policy
    problem = run_problem(scenario, frame_bytes)
    if problem.edge == "coupled":
        from orchestrator.live.reactive_learner import ReactiveLearner

        return ReactiveLearner(
            lambda: run_policy(scenario),
            problem,
            scenario.seed,
            control,
            coupled=run_coupled(scenario, frame_bytes),
            target_s=policy.latency_target_s,
            beside=beside,
            edge=scenario.edge.name,
        )
    return Learner(
        lambda: policies.make(policy),
        problem,
        scenario.seed,
        control,
        by_slot=policy.admission == "slot",
        target_s=policy.latency_target_s,
        beside=beside,
        edge=scenario.edge.name,
    )
