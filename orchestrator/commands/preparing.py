"""Commands before a run: `scenario show`, `calibrate`, `doctor`, `certs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from midstep.errors import OptionError
from orchestrator.commands.options import Commands, add_model, add_scenario, load_scenario

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    _add_scenario_show(commands)
    _add_calibrate(commands)
    _add_doctor(commands)
    certs = commands.add_parser(
        "certs", help="make a test CA, an edge's certificate and a token, for two machines"
    )
    certs.add_argument("folder", metavar="DIR", help="a new folder; DIR/device is what devices get")
    certs.add_argument(
        "--days", type=int, default=365, metavar="N", help="they are valid (default %(default)s)"
    )
    certs.set_defaults(call=_certs)


def _add_scenario_show(commands: Commands) -> None:
    scenario = commands.add_parser("scenario", help="look at a scenario: `midstep scenario show`")
    actions = scenario.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="check a scenario and print it, every value resolved")
    add_scenario(show)
    show.add_argument(
        "--comments", action="store_true", help="with unit and meaning behind each value"
    )
    show.set_defaults(call=_show)


def _add_calibrate(commands: Commands) -> None:
    calibrate = commands.add_parser(
        "calibrate", help="measure a model's step times, or how far its outputs may be reused"
    )
    add_scenario(calibrate)
    add_model(calibrate)
    calibrate.add_argument(
        "--batches", default="1,2,4,8,16", help="batch sizes to measure (default %(default)s)"
    )
    calibrate.add_argument(
        "--out",
        metavar="FILE",
        help="write the profile there (default: print it); with --reuse the table, or its folder "
        "(default: reuse.json)",
    )
    calibrate.add_argument(
        "--force", action="store_true", help="leave a profile also where the machine was busy"
    )
    calibrate.add_argument(
        "--reuse",
        action="store_true",
        help="measure up to which step an output serves other prompts (docs/reuse.md); stopped and "
        "called again, it goes on",
    )
    calibrate.add_argument(
        "--prompts",
        dest="pairs",
        metavar="FILE",
        help="with --reuse: a table with the columns core and prompt, for a model without a "
        "catalogue",
    )
    calibrate.add_argument(
        "--likeness",
        action="store_true",
        help="with --reuse: measure other prompts' outputs alone, and add them to the table that "
        "lies at --out",
    )
    calibrate.add_argument(
        "--steps",
        type=_steps,
        metavar="LIST",
        help="with --reuse: steps to draw, such as 5,8-14 (default: all); one that is left out "
        "counts as the next",
    )
    calibrate.add_argument(
        "--least",
        type=_above_zero,
        metavar="N",
        help="with --reuse: pairs of each class and step at least, also where fewer decide it by "
        "the scenario's metric: for users who ask for another (default: as many as decide)",
    )
    calibrate.add_argument(
        "--most",
        type=_above_zero,
        metavar="N",
        help="with --reuse: pairs of a class and step at most (default 1200)",
    )
    calibrate.add_argument(
        "--hours",
        type=_hours,
        metavar="H",
        help="with --reuse: stop after so long (default 2); the same command goes on",
    )
    calibrate.set_defaults(call=_calibrate)


def _add_doctor(commands: Commands) -> None:
    doctor = commands.add_parser(
        "doctor", help="what works on this machine, what does not, what to do"
    )
    add_scenario(doctor)
    doctor.add_argument("--users", type=int, metavar="N", help="number of devices in all")
    add_model(doctor)
    doctor.add_argument("--denoiser", choices=["real", "paced"])
    doctor.add_argument(
        "--address", metavar="auto|HOST:PORT", help="the Ray cluster that the run would join"
    )
    doctor.add_argument(
        "--deep", action="store_true", help="load the model and start Ray as well: half a minute"
    )
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.add_argument(
        "--end", action="store_true", help="end what killed runs have left here, and nothing else"
    )
    doctor.set_defaults(call=_doctor)


def _show(args: argparse.Namespace) -> int:
    from midstep.scenario_comments import commented

    scenario = load_scenario(args)
    print(commented(scenario) if args.comments else scenario.dump(), end="")
    return 0


def _calibrate(args: argparse.Namespace) -> int:
    from orchestrator.doctor.calibrate import batch_sizes, calibrate

    if args.reuse:
        return _calibrate_reuse(args)
    options = {
        "prompts": args.pairs,
        "steps": args.steps,
        "least": args.least,
        "most": args.most,
        "hours": args.hours,
    }
    for name, value in options.items():
        if value is not None:
            raise OptionError(f"--{name} belongs to --reuse; step times have no use for it")
    if args.likeness:
        raise OptionError("--likeness belongs to --reuse; step times have no use for it")
    batches = batch_sizes(args.batches)
    out = Path(args.out) if args.out else None
    return calibrate(load_scenario(args), batches, out, args.force)


def _calibrate_reuse(args: argparse.Namespace) -> int:
    from orchestrator.doctor.calibrate_reuse.cells import MOST
    from orchestrator.doctor.calibrate_reuse.command import (
        HOURS,
        ReuseCalibration,
        calibrate_reuse,
    )

    wish = ReuseCalibration(
        scenario=load_scenario(args),
        out=Path(args.out or "reuse.json"),
        prompts=args.pairs,
        likeness=args.likeness,
        steps=args.steps,
        least=args.least or 0,
        most=args.most or MOST,
        hours=HOURS if args.hours is None else args.hours,
    )
    return calibrate_reuse(wish)


def _above_zero(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text[:20]} is no whole number above 0")
    return int(text)


def _steps(text: str) -> tuple[int, ...]:
    """Steps between commas, and ranges of them. Raises ArgumentTypeError."""
    steps: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        ends = [first, last] if dash else [first]
        if not all(end.isascii() and end.isdecimal() and len(end) < 5 for end in ends):
            raise argparse.ArgumentTypeError(f"{part[:20]} is no step, and no range such as 8-14")
        steps.extend(range(int(ends[0]), int(ends[-1]) + 1))
    return tuple(steps)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours < 10_000:
        raise argparse.ArgumentTypeError(f"{text[:20]} is no number of hours, such as 1.5")
    return hours


def _doctor(args: argparse.Namespace) -> int:
    if args.end:
        from orchestrator.doctor.leftovers import end_leftovers

        return end_leftovers()
    from orchestrator.doctor import PlannedRun, doctor

    return doctor(PlannedRun(load_scenario(args), args.address, args.deep), args.json)


def _certs(args: argparse.Namespace) -> int:
    from orchestrator.doctor.certs import certs

    return certs(Path(args.folder), args.days)
