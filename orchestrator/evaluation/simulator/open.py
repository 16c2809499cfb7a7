"""The slotted model of open catalogues (`full`, `topics`): a shared edge, plans made ahead
(docs/model.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from midstep.errors import ScenarioError
from orchestrator.evaluation.simulator.lanes import Hits, open_lane
from orchestrator.evaluation.simulator.presets import Preset
from orchestrator.evaluation.simulator.requests import Ids
from orchestrator.evaluation.simulator.response import measure, misses_ms, weigh
from orchestrator.evaluation.simulator.topics import open_stream

__all__ = ["simulate"]

# the defaults: what is slow to forget needs the first thousand, the second is measured
SLOTS = 2_000
WARMUP = 1_000
# Lbar is TIGHTNESS times its mean L_avg: greedy has no meaning before the requests are seen
CALIBRATES = "informed"
TIGHTNESS = 0.993

Results = dict[str, dict[str, list[float]]]


def simulate(
    preset: Preset,
    policies: Sequence[str],
    seeds: Sequence[int],
    slots: int = SLOTS,
    warmup: int = WARMUP,
    progress: Callable[[float], None] | None = None,
) -> Results:
    """Run every policy on the same requests; per policy and metric one value a seed, over slots
    `warmup`..`slots`-1.

    `progress` is told the share that is done. Raises ScenarioError where a policy or the preset
    does not fit.
    """
    if preset.edge != "shared" or preset.timing != "proactive":
        raise ScenarioError(
            f"{preset.name}: open catalogues are simulated with edge shared and timing proactive"
        )
    if not 0 <= warmup < slots:
        raise ScenarioError(f"slots: {slots} must be more than the {warmup} that warm up")
    results: Results = {name: {} for name in policies}
    for n, seed in enumerate(seeds):
        requests, hits = _serve(
            preset, policies, seed, slots, progress, n / len(seeds), 1 / len(seeds)
        )
        served = {name: weigh(preset, seed, requests, hit, warmup) for name, hit in hits.items()}
        target_ms = preset.latency_target_ms or TIGHTNESS * misses_ms(served[CALIBRATES])
        for name in policies:
            for metric, value in measure(served[name], target_ms).items():
                results[name].setdefault(metric, []).append(value)
    return results


def _serve(
    preset: Preset,
    names: Sequence[str],
    seed: int,
    slots: int,
    progress: Callable[[float], None] | None,
    done: float,
    share: float,
) -> tuple[Ids, dict[str, Hits]]:
    """The requests (slots, n) of a seed, and which of them each policy had cached."""
    stream = open_stream(preset, seed)
    lanes = {
        name: open_lane(name, preset, stream, seed, [preset.capacity])
        for name in dict.fromkeys([*names, CALIBRATES])
    }
    requests = np.zeros((slots, stream.requests), np.int64)
    hits = {name: np.zeros((slots, stream.requests), np.bool_) for name in lanes}
    for slot in range(slots):
        requests[slot] = stream.advance()
        for name, lane in lanes.items():
            hits[name][slot] = lane.serve(requests[slot], slot)[0]
        if progress is not None:
            progress(done + share * (slot + 1) / slots)
    return requests, hits
