"""What reuse across prompts does to pictures: `reuse-curve`, `hard-negatives`,
`own-endings`."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from midstep.errors import OptionError
from midstep.scenario import Scenario
from midstep.wire.messages import Quality
from orchestrator.commands.options import (
    Commands,
    add_long_work,
    add_model,
    add_scenario,
    load_scenario,
    names,
)

if TYPE_CHECKING:
    from midstep.diffusion.denoise import Denoiser
    from orchestrator.evaluation.reuse_curve.measuring import Trip
    from orchestrator.evaluation.reuse_curve.points import Measured

__all__ = ["add_commands"]

RULES = "any,calibrated,nirvana,ramp,exact"


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    _add_reuse_curve(commands)
    _add_hard_negatives(commands)
    _add_own_endings(commands)


def _add_reuse_curve(commands: Commands) -> None:
    curve = commands.add_parser(
        "reuse-curve",
        help="saved steps against loss, for every rule that serves a prompt from another's output",
    )
    add_scenario(curve)
    add_model(curve)
    curve.add_argument(
        "--prompts",
        metavar="FILE",
        help="a list of prompts or a table, in the order of the requests (default: the catalogue, "
        "by the scenario's workload)",
    )
    curve.add_argument(
        "--rules", default=RULES, metavar="R,R", help="what to compare (default %(default)s)"
    )
    curve.add_argument(
        "--pairs",
        metavar="JOURNAL",
        help="what `midstep calibrate --reuse --likeness` leaves beside its table: the rule "
        "staircase is fitted to it",
    )
    curve.add_argument(
        "--capacity", default="25,100,250", metavar="N,N", help="outputs that fit (%(default)s)"
    )
    curve.add_argument(
        "--keep",
        default="frequent",
        metavar="frequent|recent",
        help="which prompts are kept, whatever the rule (default %(default)s)",
    )
    curve.add_argument(
        "--embeddings",
        default="auto,words",
        metavar="E,E",
        help="for rules that go by the cosine: auto, encoder, words, wordllama (%(default)s)",
    )
    curve.add_argument(
        "--ask",
        metavar="METRIC:FLOOR:SHARE,...",
        help="what users ask for, such as fidelity:1:0.98, each rule with its own parameters alone "
        "(default: fidelity in .95 of theirs, and four floors of SSIM in .9; at .8 with others)",
    )
    for name, default, text in (
        ("--requests", 2000, "that are counted"),
        ("--warm-up", 500, "before them, not counted"),
        ("--sample", 512, "of the counted, whose pictures are drawn; 0: decide only, draw nothing"),
    ):
        curve.add_argument(
            name, type=int, default=default, metavar="N", help=f"requests {text} (%(default)s)"
        )
    add_long_work(curve, "runs/reuse-curve", "tables, drawing and pictures")
    curve.set_defaults(call=_reuse_curve)


def _add_hard_negatives(commands: Commands) -> None:
    hard = commands.add_parser(
        "hard-negatives",
        help="prompts that differ in one attribute: whether each picture shows its own, by forced "
        "choice",
    )
    add_scenario(hard)
    add_model(hard)
    hard.add_argument(
        "--pairs", type=int, default=400, metavar="N", help="pairs an attribute (%(default)s)"
    )
    hard.add_argument(
        "--steps",
        default="",
        metavar="N,N",
        help="steps to draw beside the calibrated limit, such as 8,10,14",
    )
    add_long_work(hard, "runs/hard-negatives", "tables and pictures")
    hard.set_defaults(call=_hard_negatives)


def _add_own_endings(commands: Commands) -> None:
    own = commands.add_parser(
        "own-endings",
        help="how different two users' pictures of one output are, by the step of the hand-over",
    )
    add_scenario(own)
    add_model(own)
    own.add_argument(
        "--prompts",
        dest="cores",
        type=int,
        default=64,
        metavar="N",
        help="core prompts (%(default)s)",
    )
    own.add_argument(
        "--users", dest="sharers", type=int, default=5, metavar="N", help="of each (%(default)s)"
    )
    own.add_argument(
        "--steps",
        default="4,8,10,12,14,16,18,19",
        metavar="N,N",
        help="at which outputs are handed over (default %(default)s)",
    )
    add_long_work(own, "runs/own-endings", "tables and pictures")
    own.set_defaults(call=_own_endings)


def _reuse_curve(args: argparse.Namespace) -> int:
    capacities = names(args.capacity)
    if not all(n.isascii() and n.isdigit() and len(n) < 19 and int(n) > 0 for n in capacities):
        raise OptionError(f"--capacity {args.capacity}: give numbers above 0, such as 25,100")
    for name, least in (("requests", 1), ("warm_up", 0), ("sample", 0), ("hours", 0)):
        if not vars(args)[name] >= least:
            option = name.replace("_", "-")
            raise OptionError(f"--{option} {vars(args)[name]}: give {least} or more")
    wishes = {} if args.ask is None else {"qualities": _qualities(args.ask)}
    prompts = args.prompts
    args.prompts = None  # the scenario's own key wants as many users as the list has
    scenario = load_scenario(args)
    from orchestrator.evaluation.reuse_curve.command import ReuseCurve, reuse_curve

    wish = ReuseCurve(
        scenario=scenario,
        out=Path(args.out),
        rules=names(args.rules),
        capacities=[*map(int, capacities)],
        open_drawing=open_drawing,
        prompts=prompts,
        requests=args.requests,
        warm_up=args.warm_up,
        keep=args.keep,
        embeddings=names(args.embeddings),
        sample=args.sample,
        hours=args.hours,
        measured=None if args.pairs is None else _measured(Path(args.pairs), scenario),
        **wishes,
    )
    return reuse_curve(wish)


def _qualities(text: str) -> list[Quality]:
    """Qualities between commas, METRIC:FLOOR:SHARE each. Raises OptionError."""
    from midstep.reuse.table import METRICS

    qualities = []
    for one in names(text):
        metric, *numbers = one.split(":")
        try:
            floor, share = map(float, numbers)
        except ValueError:
            floor = share = math.nan
        most = math.inf if metric == "psnr" else 1.0
        if metric not in METRICS or not (0 < floor <= most and floor < math.inf and 0 < share < 1):
            raise OptionError(
                f"--ask {one[:60]}: write METRIC:FLOOR:SHARE, such as fidelity:1:0.98; a metric is "
                f"{', '.join(METRICS)}; psnr has dB, the others and a share are at most 1"
            )
        qualities.append(Quality(metric=metric, floor=floor, share=share))
    return qualities


def _hard_negatives(args: argparse.Namespace) -> int:
    for name, least in (("pairs", 1), ("hours", 0)):
        if not vars(args)[name] >= least:
            raise OptionError(f"--{name} {vars(args)[name]}: give {least} or more")
    steps = _steps(args.steps)
    scenario = load_scenario(args)
    from orchestrator.evaluation.hard_negatives.command import HardNegatives, hard_negatives

    wish = HardNegatives(
        scenario=scenario,
        out=Path(args.out),
        open_drawing=open_drawing,
        pairs=args.pairs,
        steps=steps,
        hours=args.hours,
    )
    return hard_negatives(wish)


def _measured(journal: Path, scenario: Scenario) -> Measured:
    """How what a calibration has drawn is read."""
    from orchestrator.doctor.calibrate_reuse.like_samples import samples_of

    return functools.partial(samples_of, journal, scenario)


def _own_endings(args: argparse.Namespace) -> int:
    for option, value, least in (("prompts", args.cores, 1), ("hours", args.hours, 0)):
        if not value >= least:
            raise OptionError(f"--{option} {value}: give {least} or more")
    steps = _steps(args.steps)
    scenario = load_scenario(args)
    from orchestrator.evaluation.own_endings.command import OwnEndings, own_endings

    wish = OwnEndings(
        scenario=scenario,
        out=Path(args.out),
        open_drawing=open_drawing,
        prompts=args.cores,
        users=args.sharers,
        steps=steps,
        hours=args.hours,
    )
    return own_endings(wish)


def _steps(text: str) -> list[int]:
    """Steps between commas. Raises OptionError."""
    steps = names(text) if text else []
    if not all(n.isascii() and n.isdigit() and len(n) < 5 for n in steps):
        raise OptionError(f"--steps {text[:60]}: give whole numbers, such as 8,10")
    return [*map(int, steps)]


def open_drawing(scenario: Scenario) -> tuple[Denoiser, Callable[[Iterable[Trip]], None]]:
    """The scenario's denoiser as a calibration lays it out, and its way to run trips together."""
    from midstep.diffusion.factory import open_denoiser
    from orchestrator.doctor.calibrate_reuse.command import lay_out
    from orchestrator.doctor.calibrate_reuse.drawing import Drawing, Job

    denoiser = open_denoiser(scenario, scenario.edge.threads)
    lay_out(denoiser)
    drawing = Drawing(denoiser)
    return denoiser, lambda trips: drawing.run(Job(*trip) for trip in trips)
