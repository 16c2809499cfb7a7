"""Comparisons: `experiment`, which plays what it compares, and `compare`, of runs that exist."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from midstep.errors import OptionError
from orchestrator.commands.options import Commands

if TYPE_CHECKING:
    from orchestrator.evaluation.experiment.command import Setup
    from orchestrator.evaluation.experiment.plan import Plan
    from orchestrator.evaluation.experiment.pool import Executor, Outcome, Road, Task

__all__ = ["add_commands"]

LIVE_STOP_S = 90.0  # wall seconds: a live run that is interrupted awaits its requests in flight


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    experiment = commands.add_parser(
        "experiment", help="a scenario and what varies: every run, and one table of what differs"
    )
    experiment.add_argument(
        "file", metavar="FILE", help="the experiment's file, or a shipped one's name"
    )
    experiment.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="points side by side (default: one for each core; live: one)",
    )
    experiment.add_argument(
        "--address",
        metavar="auto|HOST:PORT",
        help="spread the points over this Ray cluster; live: what each run joins",
    )
    experiment.add_argument(
        "--out",
        metavar="DIR",
        help="the experiment's folder (default runs/<name>); points that are in it are not played "
        "again",
    )
    experiment.set_defaults(call=_experiment)
    compare = commands.add_parser("compare", help="runs that exist, request by request")
    compare.add_argument(
        "runs", metavar="RUN", nargs="+", help="runs' folders; the first is the baseline"
    )
    compare.add_argument("--baseline", metavar="RUN", help="what the others are compared with")
    compare.add_argument("--out", metavar="DIR", help="write compare.html and compare.csv there")
    compare.set_defaults(call=_compare)


def _experiment(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.experiment import plan as plans
    from orchestrator.evaluation.experiment.command import experiment

    for name in ("address", "out"):
        if getattr(args, name) == "":
            raise OptionError(f"--{name}: nothing is given (an unset variable?); leave it out")
    file = plans.find(args.file)
    plan = plans.read(file)
    return experiment(file, plan, args.out, _setup(plan, args))


def _setup(plan: Plan, args: argparse.Namespace) -> Setup:
    from midstep.machine import usable_cores
    from orchestrator.commands import roads
    from orchestrator.evaluation.experiment import pool, simulated
    from orchestrator.evaluation.experiment.command import Setup

    live = plan.road == "live"
    jobs = args.jobs
    if jobs is not None and (jobs < 1 or (live and jobs > 1)):
        raise OptionError(
            f"--jobs {jobs}: "
            + ("live runs would disturb one another; leave it out" if live else "at least 1")
        )
    if jobs is None:
        jobs = 1 if live else max(1, int(usable_cores()))
    road: Road = roads.Live(args.address) if live else getattr(roads, plan.road)
    executor = pool.processes(jobs, fresh=live, stop_s=LIVE_STOP_S if live else pool.STOP_S)
    if args.address is not None and not live:
        executor = _over_ray(args.address)
    return Setup(
        road=road,
        check=simulated.check if plan.road == "simulate" else roads.check,
        executor=executor,
        jobs=jobs,
        command=shlex.join(["midstep", *sys.argv[1:]]),
    )


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


def _compare(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.comparison.command import compare

    if args.out == "":
        raise OptionError("--out: nothing is given (an unset variable?); leave it out")
    baseline = None if args.baseline is None else Path(args.baseline)
    return compare([Path(run) for run in args.runs], baseline, args.out)
