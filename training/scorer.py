"""Train the scorer of `drc-item` on generated streams and write the weights that ship with it.

    python -m training.scorer [--streams 240] [--steps 10000] [--out FILE]

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
from training.streams import generate

PER_STREAM = 8_000  # samples
STORE = 8_000  # last requests, whose items stand for a store's content
BATCH = 2_048
LEARNING_RATE = 3e-3
HELD_OUT = 10  # every tenth stream is not trained on

Data = tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]


def main() -> None:
    """Collect samples, train, and write the weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=240)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=10_000, help="of the first stream")
    parser.add_argument("--out", type=Path, default=scorer.SHIPPED)
    options = parser.parse_args()
    streams = []
    for n in range(options.streams):
        streams.append(collect(*generate(options.seed + n), seed=options.seed + n))
        print(f"stream {n + 1} of {options.streams}: {len(streams[-1][0])} samples", flush=True)
    held_out = [data for n, data in enumerate(streams) if n % HELD_OUT == 0]
    data = [data for n, data in enumerate(streams) if n % HELD_OUT]
    weights = train(data, held_out, options.steps)
    scorer.save(weights, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")


def collect(stream: Stream, slots: int, seed: int) -> Data:
    """Sample a stream as `drc-item` does: features (n, WIDTH), exposures (n,) and labels (n,)."""
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
        if stream.parts is not None:  # the policy scores a store's content in every slot
            table.features(np.unique(recent[-STORE:]), slot)
    batch = samples.draw(PER_STREAM, slots - 1, drc_item.YOUNGEST, random)
    assert batch is not None
    return batch


def train(data: list[Data], held_out: list[Data], steps: int, seed: int = 0) -> scorer.Weights:
    """Train for `steps` batches; the learning rate warms up, then falls to 0 as half a cosine."""
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
            print(f"step {step + 1}: held out {loss(trainer.weights, held_out):.4f}", flush=True)
    return {name: value.copy() for name, value in trainer.weights.items()}


def loss(weights: scorer.Weights, data: list[Data]) -> float:
    """Poisson loss on whole streams, less that of the forecast without a network; lower is better.

    The forecast without a network is the likelihood-weighted mean of decays. Each sample has the
    weight that it has in training, computed from that forecast.
    """
    total = 0.0
    weight = 0.0
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
