"""Fig. 6, 8, 9 and 10: one setting of `compact` is swept, every policy meets the same requests."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from midstep.errors import OptionError
from orchestrator.evaluation.figures.values import Effort, Values
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.many import Progress, Workers, play_lanes
from orchestrator.evaluation.simulator.presets import Preset

__all__ = ["BESIDE", "PAPER", "SWEEPS", "Known", "Sweep", "only", "play", "remember"]

PAPER = ("ncldc", "dnn", "oo", "drc")  # what the paper compares
BESIDE = ("drc-paper", "drc-item", "greedy")  # Algorithm 1 as printed, our own learner, exact P2
G_ITEMS = 25  # "1 G": a quarter of the catalogue (docs/model.md)

Known = dict[tuple[Preset, int], dict[str, dict[str, float]]]  # lane -> policy -> metric


@dataclass(frozen=True)
class Sweep:
    """`setting` of the preset takes `values` times `unit`; `label` is the axis'."""

    figure: str
    setting: str
    values: tuple[float, ...]
    label: str
    unit: float = 1
    policies: tuple[str, ...] = (*PAPER, *BESIDE)

    def preset(self, value: float) -> Preset:
        """`compact` at this point."""
        scaled = value * self.unit
        at: Any = scaled if self.setting == "weight_v" else round(scaled)
        return presets.find("compact").model_copy(update={self.setting: at})


SWEEPS = {
    sweep.figure: sweep
    for sweep in (
        Sweep(
            "fig6",
            "weight_v",
            (1000, 1200, 1400, 1600, 1800, 2000),
            "V (ms)",
            1e-3,
            ("drc", "greedy"),
        ),
        Sweep("fig8", "users", (5, 10, 15, 20, 25), "users"),
        Sweep("fig9", "reusable_steps", (5, 6, 7, 8, 9), "reusable steps S*"),
        Sweep("fig10", "capacity", (1, 2, 3, 4, 5), "cache capacity (G; 25 outputs each)", G_ITEMS),
    )
}


def only(policies: Sequence[str] | None) -> dict[str, Sweep]:
    """The sweeps of these policies; a figure that has none of them is left out. None: all. Raises
    OptionError."""
    if policies is None:
        return SWEEPS
    swept = (*PAPER, *BESIDE)
    for name in policies:
        if name not in swept:
            raise OptionError(f"--policies: {name!r} is in no figure; there is {', '.join(swept)}")
    narrow = {
        name: replace(s, policies=tuple(p for p in s.policies if p in policies))
        for name, s in SWEEPS.items()
    }
    return {name: sweep for name, sweep in narrow.items() if sweep.policies}


def play(
    sweep: Sweep, effort: Effort, known: Known, workers: Workers, progress: Progress = None
) -> Values:
    """Every point and seed, side by side as lanes. What is `known` from another figure is not
    played again, and what is played becomes known: users 20, S* 6 and 3 G are one and the same
    point. The values are of the sweep's policies and of all others that are known at each of its
    points: those that an earlier command left stay."""
    began = time.perf_counter()
    lanes = [(sweep.preset(x), seed) for x in sweep.values for seed in range(effort.seeds)]
    new = [lane for lane in lanes if not set(sweep.policies) <= set(known.get(lane, ()))]
    if new:
        results = play_lanes(
            new, sweep.policies, effort.slots, effort.warmup, progress, workers=workers
        )
        for i, lane in enumerate(new):
            of_lane = known.setdefault(lane, {})
            for policy, metrics in results.items():
                of_lane[policy] = {metric: float(values[i]) for metric, values in metrics.items()}
    policies = [p for p in (*PAPER, *BESIDE) if all(p in known[lane] for lane in lanes)]
    values = Values(sweep.figure, effort.seeds, effort.slots, list(sweep.values))
    for x in sweep.values:
        seeds = [known[sweep.preset(x), seed] for seed in range(effort.seeds)]
        values.points.append(
            {
                p: {metric: [lane[p][metric] for lane in seeds] for metric in seeds[0][p]}
                for p in policies
            }
        )
    values.wall_s = time.perf_counter() - began
    return values


def remember(sweep: Sweep, values: Values, known: Known) -> None:
    """The lanes of a figure that an earlier command left."""
    for x, point in zip(values.x, values.points, strict=True):
        for seed in range(values.seeds):
            lane = known.setdefault((sweep.preset(x), seed), {})
            for policy, metrics in point.items():
                lane[policy] = {metric: column[seed] for metric, column in metrics.items()}
