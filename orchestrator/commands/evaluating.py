"""The evaluation without processes: `simulate`, `reproduce`, `replay`."""

from __future__ import annotations

import argparse
from pathlib import Path

from midstep import scenario_file
from midstep.errors import OptionError
from orchestrator.commands.options import Commands, names, policy_names
from orchestrator.live.scenario_options import has_no_profile

__all__ = ["add_commands"]

# what `midstep replay` compares where nothing is named
REPLAYED = "fifo,lru,lfu,sieve,s3-fifo,lfu-decay,clairvoyant"


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    _add_simulate(commands)
    _add_reproduce(commands)
    _add_replay(commands)


def _add_simulate(commands: Commands) -> None:
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


def _simulate(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.simulator import presets

    if args.preset in presets.PRESETS or not (
        args.preset in scenario_file.shipped() or Path(args.preset).is_file()
    ):
        preset = presets.find(args.preset, args.set)
    else:
        from orchestrator.evaluation.simulator.scenarios import default_policies, preset_of

        tree = scenario_file.read(args.preset)
        if has_no_profile(tree):
            scenario_file.put(tree, "model.profile", "cpu")
        scenario = scenario_file.parse(tree, args.set, args.preset)
        preset = preset_of(scenario)
        args.policies = args.policies or ",".join(default_policies(scenario, preset))
    compared = policy_names(args.policies or presets.COMPARED[preset.timing])
    from orchestrator.evaluation.simulator.command import simulate

    return simulate(preset, compared, args.seeds, args.slots, args.out)


def _reproduce(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.figures.command import effort, reproduce

    only = None if args.policies is None else [name.strip() for name in args.policies.split(",")]
    return reproduce(args.figures, effort(args.quick, args.seeds, args.slots), args.out, only)


def _replay(args: argparse.Namespace) -> int:
    from orchestrator.evaluation.replay import replay

    capacities = names(args.capacity)
    if not all(n.isascii() and n.isdigit() and int(n) > 0 for n in capacities):
        raise OptionError(f"--capacity {args.capacity}: give numbers above 0, such as 25,100")
    return replay(
        args.trace, [*map(int, capacities)], policy_names(args.policies), args.seed, args.out
    )
