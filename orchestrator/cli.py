"""The command `midstep`. Imports what a subcommand needs only when it is called: help must not load torch or Ray."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from midstep import __version__
from midstep import scenario as scenarios
from midstep.errors import MidstepError
from midstep.scenario import Scenario


def main(argv: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 a threshold or check was missed, 2 bad input, 3 a part died."""
    args = parser().parse_args(argv)
    try:
        status: int = args.call(args)
    except MidstepError as error:
        print(f"midstep: {error}", file=sys.stderr)
        return error.exit_status
    return status


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="midstep", description="A testbed for caching diffusion at mid-step.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a scenario: edge, devices and learner as processes")
    _scenario_arguments(run)
    run.add_argument("--users", type=int, metavar="N", help="number of devices in all")
    run.add_argument("--policy", metavar="P", help="what decides what is kept (see `midstep policies`)")
    run.add_argument("--duration", metavar="60s", help="how long users ask")
    run.add_argument("--model", metavar="NAME|PATH|HUB_ID", help="any diffusers text-to-image pipeline")
    run.add_argument("--prompts", metavar="FILE", help="prompts to ask for in order, one a line")
    run.add_argument("--seed", type=int, metavar="N")
    run.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where the edge computes")
    run.add_argument("--clock", choices=["wall", "virtual"])
    run.add_argument("--time-scale", type=float, metavar="X", help="scenario seconds in a wall second")
    run.add_argument("--denoiser", choices=["real", "paced"])
    run.add_argument("--wire", choices=["grpc", "inprocess"])
    run.add_argument("--address", metavar="auto|HOST:PORT", help="join this Ray cluster instead of starting one")
    run.add_argument("--strict", action="store_true", help="exit with 1 where the emulator missed its own bounds")
    run.add_argument("--out", metavar="DIR", help="the run's folder (default runs/<name>-<time>)")
    run.set_defaults(call=_run)

    calibrate = commands.add_parser("calibrate", help="measure a model's step times on this machine")
    _scenario_arguments(calibrate)
    calibrate.add_argument("--model", metavar="NAME|PATH|HUB_ID")
    calibrate.add_argument("--device", choices=["auto", "cpu", "cuda"])
    calibrate.add_argument("--batches", default="1,2,4,8,16", help="batch sizes to measure (default %(default)s)")
    calibrate.add_argument("--out", metavar="FILE", help="write the profile there (default: print it)")
    calibrate.set_defaults(call=_calibrate)

    validate = commands.add_parser("validate", help="check a scenario and print it resolved")
    _scenario_arguments(validate)
    validate.set_defaults(call=_validate)

    report = commands.add_parser("report", help="make a run's report again, also of one that broke off")
    report.add_argument("run", metavar="RUN", help="a run's folder")
    report.set_defaults(call=_report)

    commands.add_parser("policies", help="list the policies").set_defaults(call=_policies)
    commands.add_parser("scenarios", help="list the shipped scenarios").set_defaults(call=_scenarios)
    return top


def _scenario_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("scenario", nargs="?", help="a shipped scenario's name or a file (default: laptop)")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value: edges.0.capacity=1MB",
    )


_SETTINGS = {
    "policy": "policy.name", "duration": "duration_s", "model": "model.path", "prompts": "workload.prompts",
    "seed": "seed",
    "device": "model.device", "clock": "modes.clock", "time_scale": "modes.time_scale", "denoiser": "modes.denoiser",
    "wire": "modes.wire",
}  # fmt: skip


def _load(args: argparse.Namespace) -> Scenario:
    tree = scenarios.read(args.scenario)
    given = vars(args)
    for option, path in _SETTINGS.items():
        if given.get(option) is not None:
            scenarios.put(tree, path, given[option])
    if given.get("clock") == "virtual" and given.get("wire") is None:
        scenarios.put(tree, "modes.wire", "inprocess")
    if given.get("model") is not None and given.get("scenario") is None:
        scenarios.put(tree, "model.scheduler", "default")  # the laptop scenario's is the default model's
    paced = given.get("denoiser") == "paced" or given.get("clock") == "virtual"
    if paced and not (tree.get("model") or {}).get("profile"):
        scenarios.put(tree, "model.profile", "cpu")
    scenario = scenarios.parse(tree, args.set, args.scenario or "laptop")
    users = given.get("users")
    return scenario if users is None else scenario.with_users(users)


def _run(args: argparse.Namespace) -> int:
    from orchestrator.run import Options, run

    return run(_load(args), Options(args.out, args.address, args.strict))


def _calibrate(args: argparse.Namespace) -> int:
    from orchestrator.calibrate import calibrate

    batches = tuple(int(n) for n in args.batches.split(",") if n.strip().isdigit() and int(n) > 0)
    if not batches:
        raise MidstepError(f"--batches {args.batches}: give numbers above 0, such as 1,2,4,8")
    args.denoiser = args.clock = None
    return calibrate(_load(args), batches, Path(args.out) if args.out else None)


def _validate(args: argparse.Namespace) -> int:
    print(_load(args).dump(), end="")
    return 0


def _report(args: argparse.Namespace) -> int:
    from orchestrator.report import write

    print(write(Path(args.run)))
    return 0


def _policies(args: argparse.Namespace) -> int:
    from orchestrator import policies

    for name in policies.names():
        cls = policies.find(name)
        module = sys.modules[cls.__module__]
        print(f"{name:12} {(module.__doc__ or '').strip().splitlines()[0]}")
    return 0


def _scenarios(args: argparse.Namespace) -> int:
    for name in scenarios.shipped():
        first = (scenarios.SHIPPED / f"{name}.yaml").read_text().splitlines()[0]
        print(f"{name:12} {first.lstrip('# ')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
