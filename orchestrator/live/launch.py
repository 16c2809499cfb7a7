"""A launch of a scenario: the options of this start, checked before any part is started."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_node.cut import open_rule
from edge_node.similar import open_similar
from midstep.clock import Clock, VirtualClock, WallClock
from midstep.diffusion.factory import named_profile
from midstep.diffusion.pipelines import locate
from midstep.errors import OptionError, ScenarioError
from midstep.reuse.device_limits import open_device_limits
from midstep.scenario import Scenario
from midstep.wire.certificates import load_credentials
from midstep.wire.security import Credentials
from midstep.workload.arrivals import open_law
from midstep.workload.requests import open_workload, read_requests, with_requests
from midstep.workload.trace import Trace
from orchestrator import policies
from orchestrator.live import checkpoint
from orchestrator.live.cell import Cluster
from orchestrator.live.device_bounds import check_devices
from orchestrator.live.setting import (
    asks_whole_prompts,
    learner_setting,
    pipeline_revision,
    run_problem,
    run_split_step,
)
from orchestrator.records import summary
from orchestrator.records.run_files import checkpoint_file

__all__ = ["ClusterKind", "Launch", "Options", "check"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of this launch that are no part of the scenario. `address`: the Ray cluster to join;
    `strict`: an INVALID run has exit status 1; `resume`: the folder of a run whose learner's state
    this one continues; `credentials`: a folder of credentials to use instead of fresh ones, so that
    devices started by hand can join; `monitor`: start a Prometheus and a Grafana beside the run;
    `quiet`: print nothing; `report`: make report.html at the end, which `midstep report` makes at
    any time."""

    out: str | None = None
    address: str | None = None
    strict: bool = False
    resume: str | None = None
    credentials: str | None = None
    monitor: bool = False
    quiet: bool = False
    report: bool = True


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a cluster needs to start a scenario's parts.

    `requests` are those of the list of prompts or the trace that the scenario names; `notice` is
    what a user should know of the requests' reuse limits; `states` what the edges' learners go on
    from, by edge; `address` the Ray to join, None to start one; `credentials` None makes fresh
    ones; `folder` is the run's, once it has one.
    """

    scenario: Scenario
    clock: Clock
    requests: Trace | None = None
    notice: str | None = None
    states: Mapping[str, bytes] = field(default_factory=dict)
    address: str | None = None
    credentials: Credentials | None = None
    folder: Path | None = None


ClusterKind = Callable[[Launch], Cluster]


def check(scenario: Scenario, options: Options) -> Launch:
    """The launch of a scenario. Raises MidstepError, one line, for what is wrong from the start."""
    _check_options(scenario, options)
    check_devices(scenario, scenario.users)
    requests = read_requests(scenario)
    scenario = with_requests(scenario, requests)
    policies.check(scenario.policy.name, run_problem(scenario), "live")
    policies.make(scenario.policy)
    open_rule(scenario, run_split_step(scenario))
    limits = open_device_limits(scenario)
    open_similar(scenario)
    _check_thresholds(scenario)
    for event in scenario.timeline:
        event.check()
    locate(scenario.model.path)
    open_workload(scenario, requests)
    open_law(scenario, requests)
    if scenario.model.profile is not None and options.address is None:
        named_profile(scenario.model)  # on a cluster a file need not lie here
    virtual = scenario.modes.clock == "virtual"
    return Launch(
        scenario=scenario,
        clock=VirtualClock() if virtual else WallClock(scenario.modes.time_scale),
        requests=requests,
        notice=limits.notice if _reuses(scenario) else None,
        states={} if options.resume is None else _states(scenario, Path(options.resume)),
        address=options.address,
        credentials=None if options.credentials is None else load_credentials(options.credentials),
    )


def _reuses(scenario: Scenario) -> bool:
    """Whether any request follows an output that was made for another prompt, or for no
    variation."""
    if run_split_step(scenario) == scenario.model.steps:
        return False
    return not asks_whole_prompts(scenario) or scenario.workload.variation_share > 0


def _check_options(scenario: Scenario, options: Options) -> None:
    """Raise OptionError for an option that would be of no effect."""
    if scenario.modes.clock == "virtual" and options.monitor:
        raise OptionError(
            "--monitor: in virtual time there is nothing to look at while it runs; leave it out"
        )
    for name in ("address", "credentials", "resume", "out"):
        if getattr(options, name) == "":
            raise OptionError(f"--{name}: nothing is given (an unset variable?); leave it out")
    if scenario.modes.wire == "inprocess":
        for name in ("address", "credentials"):
            if getattr(options, name) is not None:
                raise OptionError(
                    f"--{name}: modes.wire is inprocess, so that nobody is joined or can join; "
                    f"leave it out, or set --wire grpc"
                )


def _check_thresholds(scenario: Scenario) -> None:
    """Raise ScenarioError for a threshold on what a run does not measure."""
    names = [*summary.metrics([], [], {})]
    compares = scenario.modes.denoiser == "real" and scenario.report.references > 0
    for name in scenario.thresholds:
        if name not in names:
            near = difflib.get_close_matches(name[:60], names, n=1)
            hint = f"did you mean {near[0]}? There is" if near else "there is"
            raise ScenarioError(
                f"thresholds.{name[:60]}: a run has no such metric; {hint} {', '.join(names)}"
            )
        if name == "psnr_db" and not compares:
            raise ScenarioError(
                "thresholds.psnr_db: this run compares no pictures; set modes.denoiser: real and "
                "report.references above 0"
            )


def _states(scenario: Scenario, folder: Path) -> dict[str, bytes]:
    """The states that an earlier run's learners left, by edge. Raises MidstepError."""
    names = [edge.name for edge in scenario.edges]
    revision = pipeline_revision(scenario)
    return {
        name: checkpoint.of_run(
            folder, learner_setting(scenario.at(name), revision), checkpoint_file(name, names)
        )
        for name in names
    }
