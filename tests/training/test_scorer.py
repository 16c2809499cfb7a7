"""The recipe of drc-item's shipped weights, on next to nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.evaluation.simulator.presets import Preset, find
from orchestrator.evaluation.simulator.requests import Drifting
from orchestrator.policies.drc_item import scorer
from training.scorer import collect, loss, train
from training.streams import Sessions, generate

FEW = find("full", ["items=2", "users=1", "requests_per_user=20"])


def sessions(tail: float, seed: int = 1, preset: Preset = FEW) -> Sessions:
    return Sessions(preset, seed, new=0.5, life=5.0, tail=tail, slots=300)


def test_what_it_trains_forecasts_streams_that_it_has_not_seen_and_is_kept(tmp_path: Path) -> None:
    drifting = find(
        "full", ["items=2000", "users=1", "requests_per_user=100", "drift_swaps_per_slot=20"]
    )
    data = [collect(sessions(2.0, seed), 300, seed) for seed in (1, 2)] + [
        collect(Drifting(drifting, 3), 200, 3)
    ]
    held = [collect(sessions(2.0, 4), 300, 4), collect(Drifting(drifting, 5), 200, 5)]
    weights = train(data, held, 300)
    assert loss(weights, held) < min(0.0, loss(scorer.fresh(0), held))
    scorer.save(weights, tmp_path / "scorer.json")
    assert loss(scorer.load(tmp_path / "scorer.json"), held) == pytest.approx(
        loss(weights, held), abs=1e-4
    )


@pytest.mark.parametrize("tail", [6.0, 1.5])
def test_sessions_bring_back_old_prompts_the_more_the_longer_their_tail(tail: float) -> None:
    stream = sessions(tail)
    late = 0
    first: dict[int, int] = {}
    for slot in range(300):
        asked = stream.advance()
        assert asked.min() >= 0 and asked.max() < stream.items
        for item in asked.tolist():
            late += slot - first.setdefault(item, slot) > 100
    assert (late > 60) == (tail == 1.5), late


def test_every_kind_of_stream_is_generated_and_alike_by_the_same_seed() -> None:
    kinds = set()
    for seed in range(30):
        one, slots = generate(seed)
        other, _ = generate(seed)
        np.testing.assert_array_equal(one.advance(), other.advance())
        assert slots >= 200
        kinds.add(type(one).__name__)
    assert kinds == {"Drifting", "TopicStream", "Sessions"}
