"""The roads that an experiment's points are played on, and what plays them. A road is called by
name in processes that import it anew, also on other machines: it imports what it needs when it is
called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from midstep.errors import EXIT_INTERRUPTED, EXIT_MISSED, OptionError, PartDied, ScenarioError
from midstep.json_text import parse_json
from midstep.scenario import Scenario

if TYPE_CHECKING:
    from orchestrator.evaluation.experiment.command import Setup
    from orchestrator.evaluation.experiment.plan import Plan
    from orchestrator.evaluation.experiment.pool import Executor, Outcome, Road, Task
    from orchestrator.evaluation.simulator.presets import Preset
    from orchestrator.live.launch import ClusterKind

__all__ = ["Live", "calibrated", "check", "cluster_of", "setup", "simulate", "virtual"]

LIVE_STOP_S = 90.0  # wall seconds: a live run that is interrupted awaits its requests in flight


def setup(plan: Plan, jobs: int | None, address: str | None, command: str) -> Setup:
    """How a plan is played: `jobs` points side by side (None: one for each core, live runs one at a
    time), or over the Ray at `address`, which a live run joins; `command` as it was typed. Raises
    OptionError."""
    from midstep.machine import usable_cores
    from orchestrator.evaluation.experiment import pool, simulated
    from orchestrator.evaluation.experiment.command import Setup

    live = plan.road == "live"
    if jobs is not None and (jobs < 1 or (live and jobs > 1)):
        why = "live runs would disturb one another; leave it out" if live else "at least 1"
        raise OptionError(f"--jobs {jobs}: {why}")
    if jobs is None:
        jobs = 1 if live else max(1, int(usable_cores()))
    roads: dict[str, Road] = {"virtual": virtual, "simulate": simulate, "live": Live(address)}
    executor = pool.processes(jobs, fresh=live, stop_s=LIVE_STOP_S if live else pool.STOP_S)
    over = None if live else address
    if over is not None:
        executor = _over_ray(over)
    return Setup(
        road=roads[plan.road],
        check=simulated.check if plan.road == "simulate" else check,
        executor=executor,
        jobs=jobs if over is None else None,
        command=command,
    )


def cluster_of(scenario: Scenario) -> ClusterKind:
    """Who starts the parts of a scenario: Ray, or this process alone."""
    if scenario.modes.wire == "grpc":
        from orchestrator.cluster.ray_cluster import RayCluster

        return RayCluster
    from orchestrator.live.inprocess import InProcess

    return InProcess


def calibrated(scenario: Scenario) -> Scenario:
    """The scenario with its Lbar: where the edge is coupled and policy.latency_target_s null, that
    of the closed model's own pass for this seed and setting. Raises ScenarioError where the closed
    model cannot play it."""
    lane = _to_calibrate(scenario)
    if lane is None:
        return scenario
    from orchestrator.evaluation.simulator.compare import calibrate

    preset, slots = lane
    target_s = float(calibrate([(preset, scenario.seed)], slots)[0])
    policy = scenario.policy.model_copy(update={"latency_target_s": target_s})
    return scenario.model_copy(update={"policy": policy})


def check(scenario: Scenario) -> None:
    """Raise MidstepError where a run of the scenario would be refused."""
    from orchestrator.live.launch import Options
    from orchestrator.live.launch import check as check_launch

    check_launch(scenario, Options())
    _to_calibrate(scenario)


def virtual(scenario: Scenario, folder: Path) -> None:
    """`midstep run --clock virtual`, without what it says and its report. Raises MidstepError."""
    Live(None)(scenario, folder)


class Live:
    """`midstep run`, without what it says and its report; `address` is the Ray to join."""

    def __init__(self, address: str | None) -> None:
        self.address = address

    def __call__(self, scenario: Scenario, folder: Path) -> None:
        """Run it. Raises MidstepError."""
        from orchestrator.live.launch import Options
        from orchestrator.live.run import run

        scenario = calibrated(scenario)
        address = self.address if scenario.modes.wire == "grpc" else None
        options = Options(out=str(folder), address=address, quiet=True, report=False)
        _ended(run(scenario, options, cluster_of(scenario)), folder)


def simulate(scenario: Scenario, folder: Path) -> None:
    """`midstep simulate`: the scenario's policy and seed alone. Raises MidstepError."""
    from orchestrator.evaluation.experiment.simulated import play

    play(scenario, folder)


def _to_calibrate(scenario: Scenario) -> tuple[Preset, int] | None:
    """The closed model's preset and slots by which Lbar is calibrated; None where it need not be.
    Raises ScenarioError."""
    if scenario.modes.edge != "coupled" or scenario.policy.latency_target_s is not None:
        return None
    from orchestrator.evaluation.simulator.scenario_preset import preset_of, slots_of

    try:
        return preset_of(scenario), slots_of(scenario)[0]
    except ScenarioError as error:
        raise ScenarioError(
            f"policy.latency_target_s: null is calibrated by the closed model, which cannot play "
            f"this scenario: set a number of seconds ({error})"
        ) from error


def _ended(status: int, folder: Path) -> None:
    """Raise PartDied where a run did not come to its end, with the status of an interruption where
    that ended it; a threshold that was missed is an end."""
    if status in (0, EXIT_MISSED):
        return
    try:
        events = parse_json((folder / "summary.json").read_bytes())["run"]["events"]
        reason = events[-1]["text"]
    except (OSError, ValueError, KeyError, IndexError):
        reason = "before its time began"
    error = PartDied(f"the run ended with status {status}: {reason}")
    if status == EXIT_INTERRUPTED:  # of the command that played it, too
        error.exit_status = status
    raise error


class _Elsewhere:
    """A point to be played in a folder that is named where it is played."""

    def __init__(self, road: Road, task: Task) -> None:
        self.road = road
        self.task = task

    def __call__(self, folder: Path) -> Outcome:
        from orchestrator.evaluation.experiment.pool import play

        return play(self.road, replace(self.task, folder=folder))


def _over_ray(address: str) -> Executor:
    def run(road: Road, tasks: Sequence[Task]) -> Iterator[Outcome]:
        from orchestrator.cluster.spread import spread
        from orchestrator.evaluation.experiment.pool import Outcome

        calls = [(_Elsewhere(road, task), task.folder) for task in tasks]
        for number, result in spread(calls, address):
            if isinstance(result, Exception):
                yield Outcome(id=tasks[number].id, wall_s=0.0, error=str(result))
            else:
                yield result

    return run
