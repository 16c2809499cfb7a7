"""The evaluation: `simulate`, `reproduce`, `replay`, `validate`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from midstep import scenario_file
from midstep.errors import OptionError, ScenarioError
from midstep.scenario import Scenario
from orchestrator.commands.options import (
    Commands,
    add_scenario,
    load_scenario,
    names,
    policy_names,
)

__all__ = ["add_commands"]

SLOTS = 2000  # of a preset
# what `midstep replay` compares where nothing is named
REPLAYED = "fifo,lru,lfu,sieve,s3-fifo,lfu-decay,clairvoyant"


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    _add_simulate(commands)
    _add_reproduce(commands)
    _add_replay(commands)
    _add_validate(commands)


def _add_simulate(commands: Commands) -> None:
    simulate = commands.add_parser(
        "simulate",
        help="a scenario by events, or the paper's slotted model, under several policies",
    )
    simulate.add_argument(
        "preset",
        nargs="?",
        metavar="PRESET|SCENARIO",
        default="compact",
        help="literal, compact, full, topics, or a scenario (default %(default)s)",
    )
    simulate.add_argument(
        "--policies", metavar="P,P|FILE.py", help="what to compare (default: what suits the preset)"
    )
    simulate.add_argument(
        "--seeds",
        type=int,
        default=3,
        metavar="N",
        help="how many (default %(default)s; the paper: 12)",
    )
    simulate.add_argument(
        "--users", type=int, metavar="N", help="of a scenario: number of devices in all"
    )
    simulate.add_argument(
        "--slots",
        type=int,
        metavar="N",
        help=f"of a preset: how many (default {SLOTS}; the paper: 10000)",
    )
    simulate.add_argument(
        "--duration", metavar="TIME", help="of a scenario: such as 120s (default: its own)"
    )
    simulate.add_argument(
        "--rows",
        action="store_true",
        help="of a scenario: keep requests and slots of every seed, as a run's folder each",
    )
    simulate.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value: capacity=30, of a scenario edges.0.capacity=1MB",
    )
    simulate.add_argument(
        "--out",
        metavar="DIR",
        help="where summary.json goes (default runs/simulate-<preset>-<time>)",
    )
    simulate.set_defaults(call=_simulate)


def _add_reproduce(commands: Commands) -> None:
    reproduce = commands.add_parser(
        "reproduce", help="the paper's figures, and its claims beside our numbers"
    )
    reproduce.add_argument(
        "figures", nargs="*", metavar="FIGURE", help="fig5 .. fig10, or all (the default)"
    )
    reproduce.add_argument(
        "--quick", action="store_true", help="3 seeds and 1,500 slots: about three minutes in all"
    )
    road = reproduce.add_mutually_exclusive_group()
    road.add_argument(
        "--engine",
        action="store_true",
        help="fig8 .. fig10 on the engine's own code, in virtual time, beside the simulator's",
    )
    road.add_argument(
        "--live",
        action="store_true",
        help="the point that fig8 .. fig10 share, and response against users, between processes",
    )
    road.add_argument(
        "--real",
        action="store_true",
        help="that point with the shipped model's step times, reuse limits and pictures",
    )
    reproduce.add_argument(
        "--seeds", type=int, metavar="N", help="how many (default: the paper's 12; --engine: 3)"
    )
    reproduce.add_argument(
        "--slots",
        type=int,
        metavar="N",
        help="how many (default: the paper's 10000; fewer with --engine)",
    )
    reproduce.add_argument(
        "--policies",
        metavar="P,P",
        help="what fig6 and fig8 .. fig10 compare (default: all seven; --engine: the paper's four)",
    )
    reproduce.add_argument(
        "--out",
        metavar="DIR",
        help="where figures and claims go (default runs/reproduce-<time>; --engine: "
        "runs/reproduce-engine)",
    )
    reproduce.set_defaults(call=_reproduce)


def _add_replay(commands: Commands) -> None:
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
        default=REPLAYED,
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


def _use_one_thread() -> None:
    """One thread in each process, unless the environment says otherwise: a learner's small
    matrices are quicker so, and beside other work fourteen times. Before numpy and torch are
    imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _add_validate(commands: Commands) -> None:
    validate = commands.add_parser(
        "validate", help="simulator, virtual time and live runs of one scenario, side by side"
    )
    add_scenario(validate)
    validate.add_argument("--users", type=int, metavar="N", help="number of devices in all")
    validate.add_argument("--policy", metavar="P|FILE.py", help="what decides what is kept")
    validate.add_argument("--seed", type=int, metavar="N", help="decides every draw")
    validate.add_argument("--duration", metavar="40s", help="of every run")
    validate.add_argument(
        "--loads",
        metavar="0.5,0.8,0.95",
        help="shares of what the edge can compute, each an operating point, and a cache that "
        "thrashes (default: the scenario as it is)",
    )
    validate.add_argument(
        "--repeat",
        type=int,
        default=3,
        metavar="N",
        help="live runs a point; 0: none (default %(default)s)",
    )
    validate.add_argument(
        "--address", metavar="auto|HOST:PORT", help="join this Ray cluster (default: start one)"
    )
    validate.add_argument("--strict", action="store_true", help="status 1 where a bound is missed")
    validate.add_argument(
        "--out", metavar="DIR", help="where it goes (default runs/validate-<scenario>-<time>)"
    )
    validate.set_defaults(call=_validate)


def _simulate(args: argparse.Namespace) -> int:
    _use_one_thread()
    from orchestrator.evaluation.simulator import presets

    if args.preset not in presets.PRESETS and (
        args.preset in scenario_file.shipped() or Path(args.preset).is_file()
    ):
        return _simulate_scenario(args)
    if args.users is not None:
        raise OptionError(f"--users {args.users}: is of scenarios; --set users=N is a preset's")
    for option, value in (("--duration", args.duration), ("--rows", args.rows)):
        if value:
            raise OptionError(f"{option}: is of scenarios; a preset has --slots and seeds.csv")
    preset = presets.find(args.preset, args.set)
    compared = policy_names(args.policies or presets.COMPARED[preset.timing])
    from orchestrator.evaluation.simulator.command import simulate

    slots = SLOTS if args.slots is None else args.slots
    return simulate(preset, compared, args.seeds, slots, args.out)


def _simulate_scenario(args: argparse.Namespace) -> int:
    if args.slots is not None:
        raise OptionError(f"--slots {args.slots}: a scenario has a duration: --duration 120s")
    from orchestrator.evaluation.simulator.scenarios import simulate_scenario

    options = argparse.Namespace(
        scenario=args.preset,
        set=args.set,
        duration=args.duration,
        users=args.users,
        denoiser="paced",
    )
    scenario = load_scenario(options)  # with step times, as whatever is paced
    if scenario.modes.edge == "coupled":
        return _simulate_coupled(scenario, args)
    compared = policy_names(args.policies) if args.policies else []
    return simulate_scenario(scenario, compared, args.seeds, args.out, args.rows)


def _simulate_coupled(scenario: Scenario, args: argparse.Namespace) -> int:
    """Play a coupled scenario in the closed model."""
    if args.rows:
        raise OptionError(
            "--rows: the closed model keeps no requests; `midstep run` in virtual time does"
        )
    if scenario.policy.params:
        raise ScenarioError(
            "policy.params: the closed model plays policies with their own defaults; leave it out"
        )
    from orchestrator.evaluation.simulator.command import simulate
    from orchestrator.evaluation.simulator.presets import COMPARED
    from orchestrator.evaluation.simulator.scenario_preset import preset_of, slots_of

    preset = preset_of(scenario)
    slots, warmup = slots_of(scenario)
    compared = policy_names(args.policies or f"{scenario.policy.name},{COMPARED[preset.timing]}")
    return simulate(preset, compared, args.seeds, slots, args.out, scenario.seed, warmup)


def _reproduce(args: argparse.Namespace) -> int:
    _use_one_thread()
    if args.engine or args.live or args.real:
        return _reproduce_engine(args)
    from orchestrator.evaluation.figures.command import effort, reproduce

    only = None if args.policies is None else names(args.policies)
    return reproduce(args.figures, effort(args.quick, args.seeds, args.slots), args.out, only)


def _reproduce_engine(args: argparse.Namespace) -> int:
    from orchestrator import roads
    from orchestrator.evaluation.figures.engine import command, live, real
    from orchestrator.evaluation.figures.values import Effort

    base = command.EFFORT
    play = command.reproduce
    if args.live:
        base = live.EFFORT
        play = live.reproduce
    elif args.real:
        base = real.EFFORT
        play = real.reproduce
    if args.quick:
        base = command.QUICK
    effort = Effort(
        seeds=base.seeds if args.seeds is None else args.seeds,
        slots=base.slots if args.slots is None else args.slots,
        quick=args.quick,
    )
    options = command.Options(
        figures=args.figures,
        policies=None if args.policies is None else names(args.policies),
        effort=effort,
        out=args.out,
        setups=roads.setup,
        command=shlex.join(["midstep", *sys.argv[1:]]),
    )
    return play(options)


def _replay(args: argparse.Namespace) -> int:
    _use_one_thread()
    from orchestrator.evaluation.replay import replay

    capacities = names(args.capacity)
    if not all(n.isascii() and n.isdigit() and len(n) < 19 and int(n) > 0 for n in capacities):
        raise OptionError(f"--capacity {args.capacity}: give numbers above 0, such as 25,100")
    return replay(
        args.trace, [*map(int, capacities)], policy_names(args.policies), args.seed, args.out
    )


def _validate(args: argparse.Namespace) -> int:
    args.denoiser = "paced"  # every road waits, or counts, the profile's times
    scenario = load_scenario(args)
    from orchestrator import roads
    from orchestrator.evaluation.validation.command import Validation, validate
    from orchestrator.evaluation.validation.loads import parse_loads
    from orchestrator.evaluation.validation.roads import Roads

    options = Validation(
        loads=parse_loads(args.loads),
        repetitions=args.repeat,
        out=args.out,
        strict=args.strict,
        command=shlex.join(["midstep", *sys.argv[1:]]),
    )
    three = Roads(
        simulate=roads.simulate, virtual_time=roads.virtual, on_the_wall=roads.Live(args.address)
    )
    return validate(scenario, options, three)
