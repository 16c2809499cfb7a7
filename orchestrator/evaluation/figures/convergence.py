"""Fig. 5: the training loss over 3,000 slots, and beside it what the loss does not say: the gap to
exact P2.

The loss compares the network with decisions that it proposed itself, so it measures self-agreement:
as printed, the algorithm agrees with itself sooner than it decides well (docs/model.md).
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from orchestrator.evaluation.figures.values import Effort, Floats, Values
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.many import Progress, Workers, play_series
from orchestrator.policies.drc.policy import INTERVAL

__all__ = ["BIN", "POLICIES", "SLOTS", "binned", "play", "slots"]

POLICIES = ("drc", "drc-paper")
SLOTS = 3_000
BIN = 50  # slots whose losses and gaps are one point
GAP_SLOTS = 5  # simulator.closed.GAP_EVERY; that module compiles


def slots(effort: Effort) -> int:
    """How many the figure shows."""
    return max(BIN, min(SLOTS, effort.slots) // BIN * BIN)


def play(effort: Effort, workers: Workers, progress: Progress = None) -> Values:
    """The point at x is the mean over the BIN slots before x."""
    began = time.perf_counter()
    length = slots(effort)
    lanes = [(presets.find("compact"), seed) for seed in range(effort.seeds)]
    lane_series = play_series(lanes, POLICIES, length, workers, progress)
    values = Values(
        "fig5", effort.seeds, effort.slots, [float(x) for x in range(BIN, length + 1, BIN)]
    )
    columns = {
        name: {
            "loss": [binned(_losses(lane[name].loss, length), INTERVAL) for lane in lane_series],
            "gap_to_exact": [
                binned(np.array(lane[name].gap)[:, 0], GAP_SLOTS) for lane in lane_series
            ],
            "k": [binned(_losses(lane[name].k, length), INTERVAL) for lane in lane_series],
        }
        for name in POLICIES
    }
    for i in range(len(values.x)):
        values.points.append(
            {
                name: {m: [float(seed[i]) for seed in seeds] for m, seeds in c.items()}
                for name, c in columns.items()
            }
        )
    values.wall_s = time.perf_counter() - began
    return values


def binned(series: Floats, every: int) -> Floats:
    """Means over BIN slots of a series with a value each `every` slots, shape (slots // BIN,); nan
    where a bin has none."""
    rows = series.reshape(-1, BIN // every)
    with warnings.catch_warnings():
        # a bin before the first training step is empty
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(rows, axis=1))


def _losses(values: list[float], length: int) -> Floats:
    """Training begins once there is a batch to learn from: nan until then, one value each INTERVAL
    slots."""
    column = np.full(length // INTERVAL, np.nan)
    if values:
        column[-len(values) :] = values
    return column
