"""Train the scorer of `drc-item` on generated streams and write the weights that ship with it.

python -m training.scorer [--streams 240] [--steps 10000] [--out
orchestrator/policies/drc_item/scorer.json]

Six minutes on one quiet core. One set of hyperparameters and one file for all settings.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.evaluation.simulator.lanes import distinct
from orchestrator.evaluation.simulator.requests import Stream
from orchestrator.policies.drc_item import policy as drc_item
from orchestrator.policies.drc_item import scorer
from orchestrator.policies.drc_item.features import ItemTable, K
from orchestrator.policies.drc_item.samples import Samples
from training.streams import generated

PER_STREAM = 8_000  # samples
STORE = 8_000  # requests whose items stand for what a store holds
BATCH = 2_048
LEARNING_RATE = 3e-3
HELD_OUT = 10  # every tenth stream is not trained on

Data = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=240)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=10_000, help="of the first stream")
    parser.add_argument("--out", type=Path, default=scorer.SHIPPED)
    options = parser.parse_args()
    collected = []
    for n in range(options.streams):
        collected.append(collect(*generated(options.seed + n), seed=options.seed + n))
        print(f"stream {n + 1} of {options.streams}: {len(collected[-1][0])} samples", flush=True)
    held = [data for n, data in enumerate(collected) if n % HELD_OUT == 0]
    weights = train([data for n, data in enumerate(collected) if n % HELD_OUT], held, options.steps)
    scorer.save(weights, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")


def collect(stream: Stream, slots: int, seed: int) -> Data:
    """Features (n, WIDTH), exposures (n,) and labels (n,) of items as `drc-item` would sample
    them."""
    random = np.random.default_rng([seed, 78])
    table = ItemTable(stream.parts is not None)
    samples = Samples(drc_item.REPLAY)
    met = np.full(stream.items, stream.parts is None)
    recent = np.zeros(0, np.int64)
    per_slot = max(4, 3 * PER_STREAM // slots)
    for slot in range(slots):
        ids, counts = distinct(stream.advance())
        for item in ids[~met[ids]].tolist():
            table.met(item, stream.parts(stream.prompt(item)))  # type: ignore[misc]
        met[ids] = True
        samples.observe(ids, counts, slot)
        table.observe(ids, counts, slot)
        recent = np.concatenate([recent, ids])[-drc_item.RECENT :]
        chosen = np.unique(recent[random.integers(0, len(recent), per_slot)])
        samples.add(chosen, table.features(chosen, slot), slot)
        if stream.parts is not None:  # what is held is looked at in every slot
            table.features(np.unique(recent[-STORE:]), slot)
    drawn = samples.draw(PER_STREAM, slots - 1, drc_item.YOUNGEST, random)
    assert drawn is not None
    return drawn


def train(data: list[Data], held: list[Data], steps: int, seed: int = 0) -> scorer.Weights:
    """Weights after `steps` steps, with a short warm-up and a cosine to nothing."""
    features, exposure, label = (np.concatenate([part[i] for part in data]) for i in range(3))
    weights = scorer.fresh(seed)
    weights["mean"] = features.mean(0, dtype=np.float64).astype(np.float32)
    weights["scale"] = (1 / np.maximum(features.std(0, dtype=np.float64), 0.05)).astype(np.float32)
    trainer = scorer.Trainer(weights, LEARNING_RATE)
    random = np.random.default_rng(seed)
    for step in range(steps):
        trainer.pace(
            LEARNING_RATE * min(1, step / 100) * (0.505 + 0.495 * np.cos(np.pi * step / steps))
        )
        at = random.integers(0, len(features), BATCH)
        trainer.step(features[at], exposure[at], label[at])
        if step % 1000 == 999:
            print(f"step {step + 1}: held out {loss(trainer.weights, held):.4f}", flush=True)
    return {name: value.copy() for name, value in trainer.weights.items()}


def loss(weights: scorer.Weights, data: list[Data]) -> float:
    """The Poisson loss on whole streams, less that of the plain likelihood-weighted mean of decays,
    each sample weighed as in training, but by the latter's forecast: below 0 is better than no
    network."""
    total = weight = 0.0
    for features, exposure, label in data:
        plain = features[:, K].astype(np.float64)
        by = 1 / (1 + exposure * np.exp(plain))
        score = scorer.log_scores(weights, features).astype(np.float64)
        total += float(
            (by * (exposure * (np.exp(score) - np.exp(plain)) - label * (score - plain))).sum()
        )
        weight += float(by.sum())
    return total / weight


if __name__ == "__main__":
    main()
