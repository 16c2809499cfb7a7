"""The command `midstep`. Imports what a subcommand needs only when it is called: help must not load
torch or Ray."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from midstep import __version__, units
from midstep import scenario_file as scenarios
from midstep.errors import MidstepError
from midstep.scenario import Scenario

_REPLAYED = (
    "fifo,lru,lfu,sieve,s3-fifo,lfu-decay,clairvoyant"  # what `midstep replay` compares unless told
)


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
    top = argparse.ArgumentParser(
        prog="midstep", description="A testbed for caching diffusion at mid-step."
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a scenario: edge, devices and learner as processes")
    _scenario_arguments(run)
    run.add_argument("--users", type=int, metavar="N", help="number of devices in all")
    run.add_argument(
        "--policy",
        metavar="P|FILE.py",
        help="what decides what is kept (see `midstep policies`)",
    )
    run.add_argument("--duration", metavar="60s", help="how long users ask")
    run.add_argument(
        "--model", metavar="NAME|PATH|HUB_ID", help="any diffusers text-to-image pipeline"
    )
    run.add_argument("--prompts", metavar="FILE", help="prompts to ask for in order, one a line")
    run.add_argument("--seed", type=int, metavar="N")
    run.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where the edge computes")
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
        "--strict", action="store_true", help="exit with 1 where the emulator missed its own bounds"
    )
    run.add_argument("--out", metavar="DIR", help="the run's folder (default runs/<name>-<time>)")
    run.set_defaults(call=_run)

    calibrate = commands.add_parser(
        "calibrate", help="measure a model's step times on this machine"
    )
    _scenario_arguments(calibrate)
    calibrate.add_argument("--model", metavar="NAME|PATH|HUB_ID")
    calibrate.add_argument("--device", choices=["auto", "cpu", "cuda"])
    calibrate.add_argument(
        "--batches", default="1,2,4,8,16", help="batch sizes to measure (default %(default)s)"
    )
    calibrate.add_argument(
        "--out", metavar="FILE", help="write the profile there (default: print it)"
    )
    calibrate.set_defaults(call=_calibrate)

    validate = commands.add_parser("validate", help="check a scenario and print it resolved")
    _scenario_arguments(validate)
    validate.set_defaults(call=_validate)

    simulate = commands.add_parser(
        "simulate", help="the slotted model of the paper: a preset under several policies"
    )
    simulate.add_argument(
        "preset",
        nargs="?",
        metavar="PRESET|SCENARIO",
        default="compact",
        help="literal, compact, full, topics, or a scenario (default %(default)s)",
    )
    simulate.add_argument(
        "--policies",
        metavar="P,P|FILE.py",
        help="what to compare (default: what suits the preset)",
    )
    simulate.add_argument(
        "--seeds",
        type=int,
        default=3,
        metavar="N",
        help="how many (default %(default)s; the paper: 12)",
    )
    simulate.add_argument(
        "--slots",
        type=int,
        default=2000,
        metavar="N",
        help="how many (default %(default)s; the paper: 10000)",
    )
    simulate.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value: capacity=30",
    )
    simulate.add_argument(
        "--out",
        metavar="DIR",
        help="where summary.json goes (default runs/simulate-<preset>-<time>)",
    )
    simulate.set_defaults(call=_simulate)

    reproduce = commands.add_parser(
        "reproduce", help="the paper's figures, and its claims beside our numbers"
    )
    reproduce.add_argument(
        "figures", nargs="*", metavar="FIGURE", help="fig5 .. fig10, or all (the default)"
    )
    reproduce.add_argument(
        "--quick", action="store_true", help="3 seeds and 1,500 slots: about three minutes in all"
    )
    reproduce.add_argument(
        "--seeds", type=int, metavar="N", help="how many (default: the paper's 12)"
    )
    reproduce.add_argument(
        "--slots", type=int, metavar="N", help="how many (default: the paper's 10000)"
    )
    reproduce.add_argument(
        "--policies", metavar="P,P", help="what fig6 and fig8 .. fig10 compare (default: all seven)"
    )
    reproduce.add_argument(
        "--out", metavar="DIR", help="where figures and claims go (default runs/reproduce-<time>)"
    )
    reproduce.set_defaults(call=_reproduce)

    replay = commands.add_parser(
        "replay", help="play a list of keys against the policies, as caches are compared"
    )
    replay.add_argument(
        "trace", metavar="TRACE", help="a file with one key a line, in the order of the requests"
    )
    replay.add_argument(
        "--capacity",
        required=True,
        metavar="N,N",
        help="how many outputs fit; several are compared",
    )
    replay.add_argument(
        "--policies",
        default=_REPLAYED,
        metavar="P,P|FILE.py",
        help="what to compare (default %(default)s)",
    )
    replay.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="for policies that draw (default %(default)s)",
    )
    replay.add_argument(
        "--out", metavar="DIR", help="where summary.json goes (default runs/replay-<trace>-<time>)"
    )
    replay.set_defaults(call=_replay)

    scale = commands.add_parser("scale", help="let a live run have more users, or fewer")
    scale.add_argument("run", metavar="RUN", help="a live run's folder")
    scale.add_argument(
        "--users", type=int, required=True, metavar="N", help="how many it should have"
    )
    scale.add_argument("--edge", metavar="NAME", help="of this edge (default: of the whole run)")
    scale.set_defaults(call=_scale)

    top_ = commands.add_parser(
        "top", help="watch a run's figures in the terminal, while it goes and after it"
    )
    top_.add_argument(
        "run", nargs="?", metavar="RUN", help="a run's folder (default: the newest in runs/)"
    )
    top_.add_argument(
        "--once", action="store_true", help="show them once, as where the output is no terminal"
    )
    top_.add_argument(
        "--interval", default="1s", metavar="1s", help="between two looks (default %(default)s)"
    )
    top_.set_defaults(call=_top)

    report = commands.add_parser(
        "report", help="make a run's report again, also of one that broke off"
    )
    report.add_argument("run", metavar="RUN", help="a run's folder")
    report.set_defaults(call=_report)

    certs = commands.add_parser(
        "certs", help="make a test CA, an edge's certificate and a token, for two machines"
    )
    certs.add_argument("folder", metavar="DIR", help="a new folder; DIR/device is what devices get")
    certs.add_argument(
        "--days", type=int, default=365, metavar="N", help="they are valid (default %(default)s)"
    )
    certs.set_defaults(call=_certs)

    doctor = commands.add_parser(
        "doctor", help="what works on this machine, what does not, what to do"
    )
    _scenario_arguments(doctor)
    doctor.add_argument("--users", type=int, metavar="N", help="number of devices in all")
    doctor.add_argument("--model", metavar="NAME|PATH|HUB_ID")
    doctor.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where the edge computes")
    doctor.add_argument("--denoiser", choices=["real", "paced"])
    doctor.add_argument(
        "--address", metavar="auto|HOST:PORT", help="the Ray cluster that the run would join"
    )
    doctor.add_argument(
        "--deep", action="store_true", help="load the model and start Ray as well: half a minute"
    )
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(call=_doctor)

    commands.add_parser("policies", help="list the policies").set_defaults(call=_policies)
    commands.add_parser("scenarios", help="list the shipped scenarios").set_defaults(
        call=_scenarios
    )
    return top


def _scenario_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "scenario", nargs="?", help="a shipped scenario's name or a file (default: laptop)"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value: edges.0.capacity=1MB",
    )


_SETTINGS = {
    "policy": "policy.name",
    "duration": "duration_s",
    "model": "model.path",
    "prompts": "workload.prompts",
    "seed": "seed",
    "device": "model.device",
    "clock": "modes.clock",
    "time_scale": "modes.time_scale",
    "denoiser": "modes.denoiser",
    "wire": "modes.wire",
}


def _load(args: argparse.Namespace) -> Scenario:
    tree = scenarios.read(args.scenario)
    options = vars(args)
    for option, path in _SETTINGS.items():
        if options.get(option) is not None:
            scenarios.put(tree, path, options[option])
    if options.get("clock") == "virtual" and options.get("wire") is None:
        scenarios.put(tree, "modes.wire", "inprocess")
    if options.get("model") is not None and options.get("scenario") is None:
        # the laptop scenario's is the default model's
        scenarios.put(tree, "model.scheduler", "default")
    if (
        options.get("prompts") is not None
        and options.get("policy") is None
        and options.get("scenario") is None
    ):
        # the laptop scenario's wants a catalogue that ends
        scenarios.put(tree, "policy.name", "drc-item")
    paced = options.get("denoiser") == "paced" or options.get("clock") == "virtual"
    if paced and _has_no_profile(tree):
        scenarios.put(tree, "model.profile", "cpu")
    scenario = _with_policy(scenarios.parse(tree, args.set, args.scenario or "laptop"))
    users = options.get("users")
    return scenario if users is None else scenario.with_users(users)


def _with_policy(scenario: Scenario) -> Scenario:
    """The scenario with the text of its policy's file in it, where the policy is a file's."""
    if ".py" not in scenario.policy.name:  # the registry need not be imported
        return scenario
    from orchestrator import policies

    return scenario.model_copy(update={"policy": policies.resolved(scenario.policy)})


def _policy_names(names: str) -> list[str]:
    """The policies of a list, each once; those of files are registered. Raises OptionError."""
    from orchestrator import policies

    every = [name.strip() for name in names.split(",")]
    return [*dict.fromkeys(policies.registered(name, "--policies") for name in every)]


def _has_no_profile(tree: dict[str, Any]) -> bool:
    model = tree.get("model") or {}
    # what else it may be, validation says
    return isinstance(model, dict) and not model.get("profile")


def _run(args: argparse.Namespace) -> int:
    from orchestrator.live.inprocess import InProcess
    from orchestrator.live.launch import ClusterKind, Options
    from orchestrator.live.run import run

    scenario = _load(args)
    cluster: ClusterKind = InProcess
    if scenario.modes.wire == "grpc":
        from orchestrator.cluster.ray_cluster import RayCluster

        cluster = RayCluster
    options = Options(
        args.out, args.address, args.strict, args.resume, args.credentials, args.monitor
    )
    return run(scenario, options, cluster)


def _calibrate(args: argparse.Namespace) -> int:
    from orchestrator.doctor.calibrate import calibrate

    batches = tuple(int(n) for n in args.batches.split(",") if n.strip().isdigit() and int(n) > 0)
    if not batches:
        raise MidstepError(f"--batches {args.batches}: give numbers above 0, such as 1,2,4,8")
    args.denoiser = args.clock = None
    return calibrate(_load(args), batches, Path(args.out) if args.out else None)


def _validate(args: argparse.Namespace) -> int:
    print(_load(args).dump(), end="")
    return 0


def _simulate(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.simulator import presets

    if args.preset in presets.PRESETS or not (
        args.preset in scenarios.shipped() or Path(args.preset).is_file()
    ):
        preset = presets.find(args.preset, args.set)
    else:
        from orchestrator.evaluation.simulator.scenarios import preset_of

        tree = scenarios.read(args.preset)
        if _has_no_profile(tree):
            scenarios.put(tree, "model.profile", "cpu")
        preset = preset_of(scenarios.parse(tree, args.set, args.preset))
    names = args.policies or presets.COMPARED[preset.timing]
    from orchestrator.evaluation.simulator.command import simulate

    return simulate(preset, _policy_names(names), args.seeds, args.slots, args.out)


def _reproduce(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.figures.command import effort, reproduce

    only = None if args.policies is None else [name.strip() for name in args.policies.split(",")]
    return reproduce(args.figures, effort(args.quick, args.seeds, args.slots), args.out, only)


def _replay(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.replay import replay

    capacities = [n.strip() for n in args.capacity.split(",")]
    if not all(n.isascii() and n.isdigit() and int(n) > 0 for n in capacities):
        raise MidstepError(f"--capacity {args.capacity}: give numbers above 0, such as 25,100")
    return replay(
        args.trace,
        [*dict.fromkeys(map(int, capacities))],
        _policy_names(args.policies),
        args.seed,
        args.out,
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
        raise MidstepError(f"--interval {error}") from error
    return top(Path(args.run) if args.run else newest_run(), max(0.1, interval_s), args.once)


def _doctor(args: argparse.Namespace) -> int:
    from orchestrator.doctor import Asked, doctor

    return doctor(Asked(_load(args), args.address, args.deep), args.json)


def _report(args: argparse.Namespace) -> int:
    from orchestrator.records.report import write

    print(write(Path(args.run)))
    return 0


def _certs(args: argparse.Namespace) -> int:
    from orchestrator.doctor.certs import certs

    return certs(Path(args.folder), args.days)


def _policies(args: argparse.Namespace) -> int:
    from orchestrator.policies.registry.listing import listing

    print("\n".join(listing()))
    return 0


def _scenarios(args: argparse.Namespace) -> int:
    for name in scenarios.shipped():
        first = (scenarios.SHIPPED / f"{name}.yaml").read_text().splitlines()[0]
        print(f"{name:12} {first.lstrip('# ')}")
    from orchestrator.evaluation.simulator import presets

    print("\npresets of `midstep simulate`:")
    for name, about in presets.ABOUT.items():
        print(f"{name:12} {about}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
