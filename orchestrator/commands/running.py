"""`midstep run`, and what is done with a run: `scale`, `top`, `report`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from midstep import units
from midstep.errors import OptionError
from orchestrator.commands.options import (
    Commands,
    add_model,
    add_scenario,
    load_replay,
    load_scenario,
)

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    _add_run(commands)
    _add_scale(commands)
    _add_top(commands)
    report = commands.add_parser(
        "report", help="make a run's report again, also of one that broke off"
    )
    report.add_argument("run", metavar="RUN", help="a run's folder")
    report.add_argument(
        "--perfetto", action="store_true", help="write trace.json as well, from what was recorded"
    )
    report.set_defaults(call=_report)


def _add_run(commands: Commands) -> None:
    run = commands.add_parser("run", help="run a scenario: edge, devices and learner as processes")
    add_scenario(run)
    run.add_argument("--users", type=int, metavar="N", help="number of devices in all")
    run.add_argument(
        "--policy", metavar="P|FILE.py", help="what decides what is kept (see `midstep policies`)"
    )
    run.add_argument(
        "--cut",
        metavar="RULE",
        help="where the edge hands over: fixed, limit, planned, fastest, considerate, auto",
    )
    run.add_argument("--duration", metavar="60s", help="how long users ask")
    add_model(run)
    run.add_argument("--prompts", metavar="FILE", help="prompts to ask for in order, one a line")
    run.add_argument(
        "--replay",
        metavar="RUN|FILE",
        help="meet a run's requests again, or those of a table of time, user, prompt",
    )
    run.add_argument("--seed", type=int, metavar="N")
    run.add_argument("--clock", choices=["wall", "virtual"])
    run.add_argument(
        "--time-scale", type=float, metavar="X", help="scenario seconds in a wall second"
    )
    run.add_argument("--denoiser", choices=["real", "paced"])
    run.add_argument("--wire", choices=["grpc", "inprocess"])
    run.add_argument(
        "--address", metavar="auto|HOST:PORT", help="join this Ray cluster instead of starting one"
    )
    run.add_argument(
        "--credentials", metavar="DIR", help="of `midstep certs`, so that devices by hand can join"
    )
    run.add_argument(
        "--resume", metavar="RUN", help="go on with the learner's state of this run's folder"
    )
    run.add_argument(
        "--monitor",
        action="store_true",
        help="a Prometheus and a Grafana beside the run, on loopback",
    )
    run.add_argument(
        "--perfetto",
        action="store_true",
        default=None,
        help="record the edges' ticks, and write trace.json for ui.perfetto.dev",
    )
    run.add_argument(
        "--strict", action="store_true", help="exit with 1 where the emulator missed its own bounds"
    )
    run.add_argument("--out", metavar="DIR", help="the run's folder (default runs/<name>-<time>)")
    run.set_defaults(call=_run)


def _add_scale(commands: Commands) -> None:
    scale = commands.add_parser("scale", help="let a live run have more users, or fewer")
    scale.add_argument("run", metavar="RUN", help="a live run's folder")
    scale.add_argument(
        "--users", type=int, required=True, metavar="N", help="how many it should have"
    )
    scale.add_argument("--edge", metavar="NAME", help="of this edge (default: of the whole run)")
    scale.set_defaults(call=_scale)


def _add_top(commands: Commands) -> None:
    top = commands.add_parser(
        "top", help="watch a run's figures in the terminal, while it goes and after it"
    )
    top.add_argument(
        "run", nargs="?", metavar="RUN", help="a run's folder (default: the newest in runs/)"
    )
    top.add_argument(
        "--once", action="store_true", help="show them once, as where the output is no terminal"
    )
    top.add_argument(
        "--interval", default="1s", metavar="1s", help="between two looks (default %(default)s)"
    )
    top.set_defaults(call=_top)


def _run(args: argparse.Namespace) -> int:
    from orchestrator.live.launch import Options
    from orchestrator.live.run import run
    from orchestrator.roads import calibrated, cluster_of

    _say_what_is_left()
    read = load_scenario(args) if args.replay is None else load_replay(args)
    scenario = calibrated(read)
    if scenario is not read:
        print(
            f"midstep: Lbar {1e3 * (scenario.policy.latency_target_s or 0):.2f} ms, by the closed "
            f"model for this seed and setting"
        )
    options = Options(
        out=args.out,
        address=args.address,
        strict=args.strict,
        resume=args.resume,
        credentials=args.credentials,
        monitor=args.monitor,
    )
    return run(scenario, options, cluster_of(scenario))


def _say_what_is_left() -> None:
    """A line for each killed run that has left processes on this machine."""
    from orchestrator.cluster.leavings import leavings

    for one in leavings():
        print(
            f"midstep: {one}: still here; `midstep doctor --end` ends what is left",
            file=sys.stderr,
        )


def _scale(args: argparse.Namespace) -> int:
    from orchestrator.live.run_service import scale

    print(f"{scale(Path(args.run), args.users, args.edge)} users")
    return 0


def _top(args: argparse.Namespace) -> int:
    from orchestrator.watch.top import newest_run, top

    try:
        interval_s = units.seconds(args.interval)
    except ValueError as error:
        raise OptionError(f"--interval {error}") from error
    return top(Path(args.run) if args.run else newest_run(), max(0.1, interval_s), args.once)


def _report(args: argparse.Namespace) -> int:
    from orchestrator.live.broken_off import complete
    from orchestrator.records import perfetto, report

    folder = Path(args.run)
    _say_what_is_left()
    complete(folder)
    print(report.write(folder))
    if args.perfetto:
        print(perfetto.write(folder))
    return 0
