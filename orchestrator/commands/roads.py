"""The roads that an experiment's points are played on. A road is called by name in processes that
import it anew, also on other machines."""

from __future__ import annotations

import json
from pathlib import Path

from midstep.errors import EXIT_MISSED, PartDied
from midstep.scenario import Scenario

__all__ = ["Live", "check", "simulate", "virtual"]


def check(scenario: Scenario) -> None:
    """Raise MidstepError where a run of the scenario would be refused."""
    from orchestrator.live.launch import Options
    from orchestrator.live.launch import check as check_launch

    check_launch(scenario, Options())


def virtual(scenario: Scenario, folder: Path) -> None:
    """`midstep run --clock virtual`, without what it says and its report. Raises MidstepError."""
    from orchestrator.live.inprocess import InProcess
    from orchestrator.live.launch import Options
    from orchestrator.live.run import run

    _ended(run(scenario, Options(out=str(folder), quiet=True, report=False), InProcess), folder)


class Live:
    """`midstep run`, without what it says and its report; `address` is the Ray to join."""

    def __init__(self, address: str | None) -> None:
        self.address = address

    def __call__(self, scenario: Scenario, folder: Path) -> None:
        """Run it. Raises MidstepError."""
        from orchestrator.live.inprocess import InProcess
        from orchestrator.live.launch import ClusterKind, Options
        from orchestrator.live.run import run

        cluster: ClusterKind = InProcess
        address = None
        if scenario.modes.wire == "grpc":
            from orchestrator.cluster.ray_cluster import RayCluster

            cluster = RayCluster
            address = self.address
        options = Options(out=str(folder), address=address, quiet=True, report=False)
        _ended(run(scenario, options, cluster), folder)


def simulate(scenario: Scenario, folder: Path) -> None:
    """`midstep simulate`: the scenario's policy and seed alone. Raises MidstepError."""
    from orchestrator.evaluation.experiment.simulated import play

    play(scenario, folder)


def _ended(status: int, folder: Path) -> None:
    """Raise PartDied where a run did not come to its end; a threshold that was missed is one."""
    if status in (0, EXIT_MISSED):
        return
    try:
        events = json.loads((folder / "summary.json").read_bytes())["run"]["events"]
        reason = events[-1]["text"]
    except (OSError, ValueError, KeyError, IndexError):
        reason = "before its time began"
    raise PartDied(f"the run ended with status {status}: {reason}")
