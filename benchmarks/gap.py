"""How far the learners are from exact P2: the gap, the response time below ncldc, and what each
part of DRC is worth.

python -m benchmarks.gap [--slots 10000] [--seeds 3]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from midstep.wire.tuning import bind_threads
from orchestrator import policies
from orchestrator.evaluation.simulator import presets
from orchestrator.evaluation.simulator.closed import GAP_EVERY, Rollout, metrics
from orchestrator.evaluation.simulator.compare import calibrate
from orchestrator.evaluation.simulator.world import World
from orchestrator.policies.base import Policy
from orchestrator.policies.drc.policy import Drc
from orchestrator.policies.kinds.price_planner import price_planner
from orchestrator.records.statistics import over_seeds

LARGE = ("items=1000", "capacity=250", "requests_per_user=50")
SETTINGS: tuple[tuple[str, str, Sequence[str], str], ...] = (
    ("literal", "literal", (), "greedy,oo,dnn,drc-paper,drc,drc-item"),
    ("compact, 3 G (C = 75)", "compact", (), "greedy,oo,dnn,drc-paper,drc,drc-item"),
    ("compact, C = 30", "compact", ("capacity=30",), "greedy,oo,dnn,drc-paper,drc,drc-item"),
    ("R = 1,000, C = 250, 50 a user", "compact", LARGE, "greedy,drc,drc-item"),
)


class NoNoise(Drc):
    """Only the network's own ranking."""

    rankings = 0


class NoDemand(Drc):
    """The network starts from nothing."""

    from_demand = False


class Untrained(Drc):
    """Never trained: the demand's ranking and the critic alone."""

    def learn(self) -> None:
        return None


class Blind(Untrained):
    """Neither trained nor started from the demand: the critic, and noise."""

    from_demand = False


ABLATIONS = {
    "drc": Drc,
    "without noisy rankings": NoNoise,
    "without the demand's start": NoDemand,
    "never trained": Untrained,
    "neither": Blind,
}


def main() -> None:
    """Print two tables."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--slots", type=int, default=10_000)
    arguments.add_argument("--seeds", type=int, default=3)
    options = arguments.parse_args()
    bind_threads(1)
    print(
        f"{options.seeds} seeds, {options.slots} slots, the first fifth not measured; "
        "gap: (policy - exact)/(ncldc - exact)"
    )
    for title, preset, settings, names in SETTINGS:
        for name in names.split(","):
            tell(title, preset, settings, policies.find(name), options.slots, options.seeds)
    print("\nwhat DRC's parts are worth, compact, C = 30:")
    for label, cls in ABLATIONS.items():
        tell(label, "compact", ("capacity=30",), cls, options.slots, options.seeds)


def tell(
    title: str, preset: str, settings: Sequence[str], cls: type[Policy], slots: int, seeds: int
) -> None:
    """One line: a policy in a setting."""
    world = World([(presets.find(preset, settings), seed) for seed in range(seeds)])
    planner = price_planner(cls())
    assert planner is not None
    planner.open([world.problem(b) for b in range(seeds)], list(range(seeds)))
    rollout = Rollout(cls.name, planner.decide, world, calibrate(world.lanes, slots))
    rollout.guarded = planner.guarded
    for slot in range(slots):
        world.advance()
        rollout.slot(slot >= slots // 5, slot % GAP_EVERY == 0)
        planner.learn()
    values = metrics(rollout)
    gap = over_seeds(values["gap_to_exact"])
    below = over_seeds(values["reduction_vs_ncldc"])
    queue = float(np.mean(values["queue_ms"]))
    print(
        f"{title:32} {cls.name:10} gap {100 * (gap['mean'] or 0):6.2f} % ± "
        f"{100 * (gap['ci95'] or 0):.2f}   "
        f"below ncldc {100 * (below['mean'] or 0):5.2f} %   Q {queue:8.0f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
