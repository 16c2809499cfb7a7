"""Train drc-item's shipped weights on few, short streams."""

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


def test_trained_weights_forecast_new_streams_and_survive_saving(tmp_path: Path) -> None:
    drifting = find(
        "full", ["items=2000", "users=1", "requests_per_user=100", "drift_swaps_per_slot=20"]
    )
    data = [
        collect(sessions(2.0, 1), 300, 1),
        collect(sessions(2.0, 2), 300, 2),
        collect(Drifting(drifting, 3), 200, 3),
    ]
    held_out = [collect(sessions(2.0, 4), 300, 4), collect(Drifting(drifting, 5), 200, 5)]
    weights = train(data, held_out, 300)
    trained = loss(weights, held_out)
    assert trained < 0, "worse than no network"
    assert trained < loss(scorer.fresh(0), held_out)
    scorer.save(weights, tmp_path / "scorer.json")
    read = scorer.load(tmp_path / "scorer.json")
    assert loss(read, held_out) == pytest.approx(trained, abs=1e-4)


@pytest.mark.parametrize("tail", [6.0, 1.5])
def test_sessions_bring_back_old_prompts_the_more_the_longer_their_tail(tail: float) -> None:
    stream = sessions(tail)
    late = 0
    first: dict[int, int] = {}
    for slot in range(300):
        items = stream.advance()
        assert items.min() >= 0
        assert items.max() < stream.items
        for item in items.tolist():
            late += slot - first.setdefault(item, slot) > 100
    assert (late > 60) == (tail == 1.5), late


def test_every_kind_of_stream_is_generated_and_the_same_seed_gives_the_same() -> None:
    kinds = set()
    for seed in range(30):
        stream, slots = generate(seed)
        again, _ = generate(seed)
        np.testing.assert_array_equal(stream.advance(), again.advance())
        assert slots >= 200
        kinds.add(type(stream).__name__)
    assert kinds == {"Drifting", "TopicStream", "Sessions"}
