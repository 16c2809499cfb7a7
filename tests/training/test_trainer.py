"""Parts of the trainers: optimizer, schedules, averages, checkpoints, batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from training import unet
from training.latents import Pool
from training.muon import Muon, orthogonal, split
from training.schedule import Average, load, rate, save


def test_orthogonal_evens_out_singular_values() -> None:
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonal(matrix))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_muon_lowers_a_loss() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(16, 16, bias=False)
    goal = torch.randn(16, 16)
    optimizer = Muon(layer.parameters(), 0.1)
    losses = []
    for _ in range(60):
        loss = (layer.weight - goal).square().mean()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.2 * losses[0]


def test_split_keeps_tables_and_thin_layers_from_muon() -> None:
    model = nn.Sequential(nn.Embedding(50, 16), nn.Conv2d(3, 16, 3), nn.Linear(16, 16))
    matrices, rest = split(model)
    assert [tuple(w.shape) for w in matrices] == [(16, 16)]
    assert len(rest) == 4


def test_rates_rise_and_fall() -> None:
    assert rate(0, 1000, 60) < 0.02
    assert rate(60, 1000, 60) == pytest.approx(1.0)
    assert rate(1000, 1000, 60) == pytest.approx(0.01)
    assert unet.trapezoid(0, 1000) < 0.02
    assert unet.trapezoid(500, 1000) == 1.0
    assert unet.trapezoid(999, 1000) < 0.01


def test_average_follows_the_weights() -> None:
    model = nn.Linear(4, 4)
    average = Average(model, 0.9)
    nn.init.ones_(model.weight)
    for step in range(200):
        average.update(model, step)
    assert torch.allclose(average.model.weight, model.weight, atol=1e-3)


def test_checkpoints_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "part.pt"
    assert load(path) is None
    save(path, step=3, model={"w": torch.ones(2)})
    saved = load(path)
    assert saved is not None
    assert saved["step"] == 3
    assert torch.equal(saved["model"]["w"], torch.ones(2))
    assert [p.name for p in path.parent.iterdir()] == ["part.pt"]


def test_batches_are_seeded_and_drop_some_prompts() -> None:
    pool = Pool(
        torch.randn(40, 8, 16, 16, generator=torch.Generator().manual_seed(0)).half(),
        torch.ones(40, 32, dtype=torch.long),
        torch.zeros(32, dtype=torch.long),
    )
    noise = unet.scheduler()
    first = unet.make_batch(pool, noise, 400, torch.Generator().manual_seed(1))
    again = unet.make_batch(pool, noise, 400, torch.Generator().manual_seed(1))
    other = unet.make_batch(pool, noise, 400, torch.Generator().manual_seed(2))
    assert torch.equal(first.noisy, again.noisy)
    assert torch.equal(first.steps, again.steps)
    assert not torch.equal(first.steps, other.steps)
    dropped = (first.tokens == 0).all(1).float().mean()
    assert 0.05 < dropped < 0.15
    assert pool.tokens.min() == 1, "the pool itself must stay whole"
    signal = noise.alphas_cumprod[first.steps].sqrt()[:, None, None, None]
    clean = signal * first.noisy - (1 - signal**2).sqrt() * first.target
    assert clean.std() == pytest.approx(1.0, abs=0.1)
