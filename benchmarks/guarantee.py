"""Whether the promised share of reused pictures keeps the floor that was asked for.

`python -m benchmarks.guarantee [--model M] [--device D] [--quality metric:floor:share,...]
[--reused 300] [--capacity 100] [--out DIR]`

Requests of the catalogue's workload, by prompts and noise that no table was measured on, meet a
cache of outputs that serve whom the model's table allows: those of a prompt's own, and other
prompts' (`calibrated`). Their pictures are drawn with reuse and without, until `--reused` of each
quality were; the table says how many are below the floor, with Wilson's 95 % interval, and after
how many of them the guard would have lowered a limit. Pictures lie in the folder: the same command
goes on. `--model` with the table of another model in its folder, and `--set reuse.foreign=true`,
shows what a wrong table does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from midstep.draws import CHECK, uniform
from midstep.errors import MidstepError, OptionError
from midstep.reuse.guard import FALSE_ALARMS, FALSE_ALARMS_OF_FOREIGN, Guard
from midstep.reuse.limits import open_limits
from midstep.reuse.proportions import wilson
from midstep.scenario import Scenario
from midstep.scenario_file import load
from midstep.wire.messages import Quality
from orchestrator.commands.rivals import open_drawing
from orchestrator.evaluation.reuse_curve.bench import Bench, ReuseCurve
from orchestrator.evaluation.reuse_curve.measuring import Measuring
from orchestrator.evaluation.reuse_curve.pair_journal import PairJournal, Place
from orchestrator.evaluation.reuse_curve.points import Point
from orchestrator.evaluation.reuse_curve.scores import Replayed, place_of, sample
from orchestrator.evaluation.reuse_curve.stream import Stream, catalogue_stream

QUALITIES = "fidelity:1:0.95,ssim:0.9:0.95,psnr:25:0.95"
TOGETHER = 64  # requests whose pictures are drawn before it is looked how many are reused
CHECK_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class Reuse:
    """A reused picture of a request: how it was served, and whether it kept the floor."""

    kind: str
    step: int
    good: bool


def qualities(text: str) -> list[Quality]:
    """Read `metric:floor:share,...`. Raises OptionError."""
    wishes = []
    for word in text.split(","):
        try:
            metric, floor, share = word.split(":")
            wishes.append(Quality(metric=metric, floor=float(floor), share=float(share)))
        except ValueError:
            raise OptionError(f"--quality {word[:60]}: give metric:floor:share") from None
    return wishes


def reused(
    replayed: Replayed, stream: Stream, journal: PairJournal, chosen: Sequence[int], kind_of: object
) -> Iterator[Reuse]:
    """Those of the chosen requests that were reused, in the stream's order. A picture that is wrong
    without reuse says nothing of it by fidelity."""
    requests = stream.requests[stream.warm_up :]
    quality = replayed.point.quality
    for n in sorted(chosen):
        served = replayed.rows[n]
        place = place_of(served, requests[n])
        if not place.step:
            continue
        values = journal.drawn[place].values
        if quality.metric == "fidelity":
            alone = journal.drawn[place._replace(step=0)].values
            if not alone["fidelity"]:
                continue
        kind = served.likeness or kind_of(requests[n])  # type: ignore[operator]
        yield Reuse(kind=kind, step=place.step, good=values[quality.metric] >= quality.floor)


def lowered_after(reuses: Sequence[Reuse], quality: Quality, foreign: bool) -> int | None:
    """Reused pictures after which the guard first lowers a limit; None: it does not."""
    guard = Guard(CHECK_SHARE, FALSE_ALARMS_OF_FOREIGN if foreign else FALSE_ALARMS)
    for number, one in enumerate(reuses):
        probability = guard.probability(one.kind, quality, one.step)
        if uniform(0, CHECK, number) < probability and guard.observe(
            one.kind, quality, one.step, one.good
        ):
            return number + 1
    return None


def measure(
    scenario: Scenario, wishes: Sequence[Quality], count: int, capacity: int, out: Path
) -> None:
    """Draw and print."""
    stream = catalogue_stream(scenario, 4000, 500)
    denoiser, run = open_drawing(scenario)
    wish = ReuseCurve(
        scenario=scenario,
        out=out,
        rules=["calibrated"],
        capacities=[capacity],
        open_drawing=open_drawing,
        embeddings=["auto"],
    )
    bench = Bench(wish, stream, denoiser)
    measuring = Measuring(denoiser, run, stream.noise, bench.judged, bench.journal)
    print(f"{scenario.model.path}: {capacity} outputs, {denoiser.identity.steps} steps")
    print("| quality | mean step | reused | below | share % | 95 % | lowered after |")
    print("|---|---|---|---|---|---|---|")
    for quality in wishes:
        reuse = scenario.reuse.model_copy(
            update={"metric": quality.metric, "floor": quality.floor, "share": quality.share}
        )
        limits = open_limits(scenario.model_copy(update={"reuse": reuse}), denoiser.identity)
        point = Point(rule="calibrated", embedding="auto", quality=quality)
        replayed = next(bench.replayed([point]))
        requests = stream.requests[stream.warm_up :]
        order = sample(stream.counted, stream.counted)
        chosen: list[int] = []
        pictures: list[Reuse] = []
        while len(pictures) < count and len(chosen) < len(order):
            more = order[len(chosen) : len(chosen) + TOGETHER]
            places: list[Place] = []
            for n in more:
                place = place_of(replayed.rows[n], requests[n])
                places += [place._replace(step=0), place] if place.step else []
            measuring.measure(places)
            chosen += more
            pictures = [*reused(replayed, stream, bench.journal, chosen, limits.kind)]
        print(row(quality, pictures, scenario.reuse.foreign), flush=True)


def row(quality: Quality, pictures: Sequence[Reuse], foreign: bool) -> str:
    """A line of the table."""
    below = sum(not one.good for one in pictures)
    low, high = wilson(below, len(pictures))
    mean = sum(one.step for one in pictures) / max(1, len(pictures))
    lowered = lowered_after(pictures, quality, foreign)
    return (
        f"| {quality.metric} {quality.floor:g}, share {quality.share:g} | {mean:.1f} | "
        f"{len(pictures)} | {below} | {100 * below / max(1, len(pictures)):.1f} | "
        f"{100 * low:.1f} to {100 * high:.1f} | {'-' if lowered is None else lowered} |"
    )


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a folder (default: the scenario's)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--quality", default=QUALITIES)
    parser.add_argument("--reused", type=int, default=300)
    parser.add_argument("--capacity", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("runs/guarantee"))
    args = parser.parse_args()
    changes = [*args.set, f"model.device={args.device}"]
    if args.model:
        changes.append(f"model.path={args.model}")
    try:
        measure(
            load("laptop", changes), qualities(args.quality), args.reused, args.capacity, args.out
        )
    except MidstepError as error:
        sys.exit(f"midstep: {error}")


if __name__ == "__main__":
    main()
