"""Run the whole recipe end to end, on a few pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from training.evaluate import generate, load
from training.paths import SIZE
from training.snapshot import snapshot
from training.train import Plan, make


def test_recipe_makes_a_pipeline_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    out = tmp_path / "out"
    plan = Plan("tiny", vae_steps=2, vae_pool=16, unet_steps=1, unet_pool=64)
    make(plan, work, out)
    assert "unet 1/1" in capsys.readouterr().out
    first = generate(load(out), ["a panda on a beach"])
    assert DiffusionPipeline.from_pretrained(out).text_encoder.dtype == torch.float32
    assert first.shape == (1, SIZE, SIZE, 3)
    # Everything is done, so a second run must only load, and export the same again.
    make(plan, work, tmp_path / "again")
    assert "unet" not in capsys.readouterr().out
    assert np.array_equal(generate(load(tmp_path / "again"), ["a panda on a beach"]), first)
    assert snapshot(work, tmp_path / "snapshot") == 1
