"""Comparisons: `experiment`, which plays what it compares, `compare`, of runs that exist, and
`judge`, of pictures with their prompts."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from midstep.errors import OptionError
from orchestrator.commands.options import Commands

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    experiment = commands.add_parser(
        "experiment", help="a scenario and what varies: every run, and one table of what differs"
    )
    experiment.add_argument(
        "file", metavar="FILE", help="the experiment's file, or a shipped one's name"
    )
    experiment.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value for every point: channel.frame_bytes=250KB",
    )
    experiment.add_argument(
        "--baseline",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="compare with this instead of the file's baseline: policy.name=lru",
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
    judge = commands.add_parser(
        "judge", help="whether a run's pictures show what their prompts say, all of them"
    )
    judge.add_argument("run", metavar="RUN", help="a run's folder, with pictures in images/")
    judge.add_argument(
        "--against",
        metavar="RUN",
        help="a run of the same requests without reuse: the paired difference",
    )
    judge.set_defaults(call=_judge)


def _experiment(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.experiment import plan as plans
    from orchestrator.evaluation.experiment.command import experiment
    from orchestrator.roads import setup

    for name in ("address", "out"):
        if getattr(args, name) == "":
            raise OptionError(f"--{name}: nothing is given (an unset variable?); leave it out")
    file = plans.find(args.file)
    plan = plans.with_settings(plans.read(file), args.set, args.baseline)
    command = shlex.join(["midstep", *sys.argv[1:]])
    return experiment(file, plan, args.out, setup(plan, args.jobs, args.address, command))


def _compare(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.comparison.command import compare

    if args.out == "":
        raise OptionError("--out: nothing is given (an unset variable?); leave it out")
    baseline = None if args.baseline is None else Path(args.baseline)
    return compare([Path(run) for run in args.runs], baseline, args.out)


def _judge(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.judging.command import judge

    for name in ("run", "against"):
        if getattr(args, name) == "":
            raise OptionError(f"{name}: nothing is given (an unset variable?)")
    return judge(Path(args.run), None if args.against is None else Path(args.against))
