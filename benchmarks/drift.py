"""Compare a learned score with counting rules, where popularity drifts and prompts have parts.

    python -m benchmarks.drift [--quick] [--only drift,parts,prompts,speed] [--prompts FILE]

Figures are shares of requests that were cached at their slot's start, in percent, means over the
seeds; rules are tuned for each setting on seeds of their own. The whole takes an hour on one core,
--quick some minutes. `prompts` replays a file with one prompt a line; it is left out without one.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from orchestrator import policies
from orchestrator.evaluation import replay
from orchestrator.evaluation.simulator.lanes import RuleLane, ScoreLane, distinct, problem
from orchestrator.evaluation.simulator.presets import Preset, find
from orchestrator.evaluation.simulator.topics import open_stream
from orchestrator.policies import Policy
from orchestrator.policies.kinds.score_planner import ScorePlanner
from orchestrator.policies.lfu_decay import LfuDecay
from orchestrator.policies.parts_ratio import PartsRatio

Floats = NDArray[np.float64]
Makers = Mapping[str, Callable[[], Policy]]

CAPACITIES = (2_000, 6_000, 10_000)
DRIFTS = (0, 20, 200)
EFOLDS = (10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 1000, 3000, np.inf)
ROWS = (25, 100, 250)  # capacities on a list of prompts


class Size:
    """Seeds and slots of a comparison; the first `warmup` slots are not measured."""

    def __init__(self, quick: bool) -> None:
        self.seeds = (1,) if quick else (1, 2, 3)
        self.tuning = (21,)
        self.slots = 400 if quick else 2_000
        self.warmup = self.slots // 2


def hits(preset: Preset, seed: int, makers: Makers, size: Size) -> dict[str, Floats]:
    """Share of requests that hit in the measured slots, of each policy by capacity (3,).

    All policies are played in one pass over a stream.
    """
    stream = open_stream(preset, seed)
    lanes: dict[str, list[ScoreLane] | list[RuleLane]] = {}
    for name, make in makers.items():
        replicas = [make() for _ in CAPACITIES]
        for policy, capacity in zip(replicas, CAPACITIES, strict=True):
            policy.reset(problem(preset, stream, capacity), seed)
        first = replicas[0]
        if isinstance(first, ScorePlanner):
            lanes[name] = [ScoreLane(first, stream, CAPACITIES)]
        else:
            lanes[name] = [
                RuleLane(policy, stream, problem(preset, stream, capacity))
                for policy, capacity in zip(replicas, CAPACITIES, strict=True)
            ]
    total = {name: np.zeros(len(CAPACITIES)) for name in makers}
    for slot in range(size.slots):
        items = stream.advance()
        for name, of_policy in lanes.items():
            share = np.concatenate([lane.serve(items, slot).mean(1) for lane in of_policy])
            total[name] += share if slot >= size.warmup else 0
    return {name: value / (size.slots - size.warmup) for name, value in total.items()}


def mean_hits(
    preset: Preset, seeds: tuple[int, ...], makers: Makers, size: Size
) -> dict[str, Floats]:
    """Mean of `hits` over seeds."""
    by_seed = [hits(preset, seed, makers, size) for seed in seeds]
    return {name: np.mean([shares[name] for shares in by_seed], axis=0) for name in makers}


def named(*names: str) -> dict[str, Callable[[], Policy]]:
    """Makers of registered policies."""
    return {name: policies.find(name) for name in names}


def decays() -> dict[str, Callable[[], Policy]]:
    """Makers of `lfu-decay` at every e-folding time, named by it."""
    return {f"{efold:g}": lambda efold=efold: LfuDecay(efold) for efold in EFOLDS}  # type: ignore[misc]


def row(name: str, value: Floats, note: str = "") -> None:
    """Print shares (3,) as percentages."""
    shares = "".join(f"{100 * share:9.2f}" for share in value)
    print(f"  {name:24s}{shares}  {note}", flush=True)


def tuned(preset: Preset, size: Size) -> tuple[list[str], dict[str, Floats]]:
    """Choose the best e-folding time at each capacity, on seeds that are not reported.

    Returns the choice and the shares of all times on those seeds.
    """
    shares = mean_hits(preset, size.tuning, decays(), size)
    return [max(shares, key=lambda name: shares[name][c]) for c in range(len(CAPACITIES))], shares


def drift(size: Size) -> None:
    """Print the comparison under drift: three rates of drift, three capacities."""
    print(f"\nfull: 100,000 prompts, 1,000 requests a slot, seeds {size.seeds}; hits in %")
    presets = {swaps: find("full", [f"drift_swaps_per_slot={swaps}"]) for swaps in DRIFTS}
    choice = {}
    tuning = {}
    for swaps, preset in presets.items():
        choice[swaps], tuning[swaps] = tuned(preset, size)
    single = max(tuning[0], key=lambda name: np.mean([tuning[swaps][name] for swaps in DRIFTS]))
    gains = []
    gains_over_single = []
    ways = {}
    for swaps, preset in presets.items():
        rules = {name: decays()[name] for name in {*choice[swaps], single}}
        result = mean_hits(
            preset, size.seeds, {**named("drc-item", "bayes", "informed"), **rules}, size
        )
        # One seed, since these are slow and far behind.
        result |= mean_hits(preset, size.seeds[:1], named("lru", "s3-fifo"), size)
        rule = np.array([result[name][c] for c, name in enumerate(choice[swaps])])
        print(f"\n  {swaps} swaps a slot, capacity" + "".join(f"{c:9d}" for c in CAPACITIES))
        for name in ("lru", "s3-fifo"):
            row(name, result[name])
        row("lfu-decay, one for all", result[single], f"e-folding {single}")
        row("lfu-decay, tuned", rule, f"e-folding {', '.join(choice[swaps])}")
        for name in ("drc-item", "bayes", "informed"):
            row(name, result[name])
        row("drc-item - tuned", result["drc-item"] - rule)
        gains.append(result["drc-item"] - rule)
        gains_over_single.append(result["drc-item"] - result[single])
        ways[swaps] = gains[-1] / (result["bayes"] - rule)
    print(f"\n  drc-item above the tuned rules: mean of nine {100 * np.mean(gains):.3f} points")
    print(f"  in the setting where it is least: {100 * np.min(gains):.3f} points")
    print(
        f"  above the best single decay ({single}): {100 * np.mean(gains_over_single):.3f} points"
    )
    for swaps in DRIFTS[1:]:
        row(f"way to bayes, {swaps} swaps", ways[swaps], "% of the way from the tuned rule")


def parts(size: Size) -> None:
    """Print the comparison on prompts of parts, with and without a factor of their own."""
    grid = {
        f"{efold:g}, {shrink:g}": (efold, shrink)
        for efold in (1.0, 2.0, 4.0)
        for shrink in (0.25, 0.5, 1, 2, 8)
    }
    ratios = {name: lambda at=at: PartsRatio(*at) for name, at in grid.items()}
    for sigma in (1, 0):
        preset = find("topics", [f"topics.sigma={sigma}"])
        choice, _ = tuned(preset, size)
        tuning = mean_hits(preset, size.tuning[:1], ratios, size)
        ratio = max(tuning, key=lambda name: float(tuning[name].mean()))
        makers = {
            **named("drc-item", "parts-ratio", "informed"),
            **{name: decays()[name] for name in choice},
        }
        result = mean_hits(preset, size.seeds, {**makers, "tuned": ratios[ratio]}, size)
        rule = np.array([result[name][c] for c, name in enumerate(choice)])
        print(
            f"\n  topics, sigma {sigma}, capacity"
            + "".join(f"{c:9d}" for c in CAPACITIES)
            + f"  seeds {size.seeds}"
        )
        row("lfu-decay, tuned", rule, f"e-folding {', '.join(choice)}")
        row("parts-ratio", result["parts-ratio"])
        row("parts-ratio, tuned", result["tuned"], f"e-folding, shrink {ratio}")
        row("drc-item", result["drc-item"])
        row("informed", result["informed"])
        row(
            "way to informed",
            (result["drc-item"] - rule) / (result["informed"] - rule),
            "drc-item, % of the way",
        )
        row("drc-item - parts-ratio", result["drc-item"] - result["tuned"])


def prompts(path: Path) -> None:
    """Print the hits of exact repeats in the second half of a file of real prompts."""
    trace = replay.read_trace(str(path))
    half = len(trace.keys) // 2
    print(
        f"\n{trace.name}: {len(trace.keys)} rows, {trace.distinct} distinct; hits in rows "
        f"{half}.., capacity {ROWS}"
    )

    def play(make: Callable[[], Policy], capacity: int) -> tuple[int, int]:
        policy = make()
        policy.reset(replay.problem(trace, capacity), 0)
        cache = replay.open_cache(policy, capacity, trace.distinct)
        return cache.ask(trace.keys[:half]), cache.ask(trace.keys[half:])

    for name in ("lru", "fifo", "lfu", "sieve", "s3-fifo", "gdsf", "drc-item", "clairvoyant"):
        print(
            f"  {name:24s}" + "".join(f"{play(policies.find(name), c)[1]:9d}" for c in ROWS),
            flush=True,
        )
    line = ""
    chosen = []
    for capacity in ROWS:
        halves = {name: play(make, capacity) for name, make in decays().items()}
        best = max(halves, key=lambda name: halves[name][0])
        line += f"{halves[best][1]:9d}"
        chosen.append(best)
    print(f"  {'lfu-decay, tuned':24s}{line}  e-folding {', '.join(chosen)}, on the first half")


def speed() -> None:
    """Print the CPU time of one decision and of one slot's training, 100,000 prompts."""
    print("\ndrc-item, CPU ms a slot with 10,000 held: counting, scoring, training (median; least)")
    for name in ("full", "topics"):
        preset = find(name)
        stream = open_stream(preset, 5)
        policy = policies.find("drc-item")()
        policy.reset(problem(preset, stream, 10_000), 5)
        assert isinstance(policy, ScorePlanner)
        lane = ScoreLane(policy, stream, [10_000])
        times_ms = []
        for slot in range(120):
            items = stream.advance()
            if slot < 80:
                lane.serve(items, slot)
                continue
            ids, counts = distinct(items)
            lane.meet(ids)
            marks = [time.thread_time()]
            policy.observe(ids, counts, slot)
            marks.append(time.thread_time())
            policy.scores(np.unique(np.concatenate([lane.held[0], ids])), slot)
            marks.append(time.thread_time())
            policy.learn()
            marks.append(time.thread_time())
            times_ms.append(np.diff(marks) * 1e3)
        shown = ", ".join(
            f"{m:.1f} ({low:.1f})"
            for m, low in zip(np.median(times_ms, 0), np.min(times_ms, 0), strict=True)
        )
        print(f"  {name:8s} {shown}")


def main() -> None:
    """Run the comparisons that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="drift,parts,prompts,speed")
    parser.add_argument("--prompts", type=Path)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    size = Size(options.quick)
    comparisons = options.only.split(",")
    if "speed" in comparisons:
        speed()
    if "prompts" in comparisons and options.prompts:
        prompts(options.prompts)
    if "parts" in comparisons:
        parts(size)
    if "drift" in comparisons:
        drift(size)


if __name__ == "__main__":
    main()
