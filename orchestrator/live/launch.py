"""A launch of a scenario: what is of this start and not of the scenario, checked before anything is
started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from midstep.clock import Clock, VirtualClock, WallClock
from midstep.diffusion.pipelines import locate
from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from midstep.wire.certificates import load_credentials
from midstep.wire.security import Credentials
from midstep.workload.requests import open_workload, read_prompts
from orchestrator import policies
from orchestrator.live import checkpoint
from orchestrator.live.cell import Cluster
from orchestrator.live.setting import problem, setting
from orchestrator.records.recorder import checkpoint_file


@dataclass(frozen=True)
class Options:
    """What is of this launch, not of the scenario. `address`: the Ray to join; `strict`: an INVALID
    run is status 1; `resume`: the folder of a run whose learner's state this one goes on from;
    `credentials`: a folder of them, instead of fresh ones, so that devices by hand can join;
    `monitor`: a Prometheus and a Grafana beside the run."""

    out: str | None = None
    address: str | None = None
    strict: bool = False
    resume: str | None = None
    credentials: str | None = None
    monitor: bool = False


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a cluster needs to start a scenario's parts.

    `prompts` are those of the scenario's file; `states` what the edges' learners go on from, by
    edge; `address` the Ray to join, None to start one; `credentials` None makes fresh ones.
    """

    scenario: Scenario
    clock: Clock
    prompts: list[str] | None = None
    states: Mapping[str, bytes] = field(default_factory=dict)
    address: str | None = None
    credentials: Credentials | None = None


ClusterKind = Callable[[Launch], Cluster]


def check(scenario: Scenario, options: Options) -> Launch:
    """The launch of a scenario. Raises MidstepError, one line, for what is wrong from the start."""
    policies.check(scenario.policy.name, problem(scenario), "live")
    policies.make(scenario.policy)
    locate(scenario.model.path)
    prompts = read_prompts(scenario.workload.prompts) if scenario.workload.prompts else None
    open_workload(scenario, prompts)
    virtual = scenario.modes.clock == "virtual"
    if virtual and options.monitor:
        raise ScenarioError(
            "--monitor: in virtual time there is nothing to look at while it runs; leave it out"
        )
    return Launch(
        scenario=scenario,
        clock=VirtualClock() if virtual else WallClock(scenario.modes.time_scale),
        prompts=prompts,
        states=_states(scenario, Path(options.resume)) if options.resume else {},
        address=options.address,
        credentials=load_credentials(options.credentials) if options.credentials else None,
    )


def _states(scenario: Scenario, folder: Path) -> dict[str, bytes]:
    """What an earlier run's learners left, by edge. Raises ScenarioError."""
    names = [edge.name for edge in scenario.edges]
    return {
        name: checkpoint.of_run(folder, setting(scenario.at(name)), checkpoint_file(name, names))
        for name in names
    }
