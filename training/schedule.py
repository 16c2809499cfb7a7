"""Learning-rate schedule, averaged weights and resumable checkpoints, shared by both trainers."""

from __future__ import annotations

import copy
import math
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn


def rate(step: int, total: int, warmup: int, floor: float = 0.01) -> float:
    """Factor on the learning rate: a linear warm-up, then half a cosine down to ``floor``."""
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))


def set_rate(optimizers: list[torch.optim.Optimizer], factor: float) -> None:
    """Scale every optimizer's learning rate from the one it was made with."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group.setdefault("base_lr", group["lr"])
            group["lr"] = group["base_lr"] * factor


class Average:
    """An exponential moving average of a model's weights; ``model`` holds the averaged copy."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after ``step``; early on the average forgets faster."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mean, new in zip(self.model.parameters(), model.parameters(), strict=True):
            mean.lerp_(new, 1 - decay)


def save(path: Path, **parts: Any) -> None:
    """Write a checkpoint so that a crash leaves either the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    torch.save(parts, fresh)
    os.replace(fresh, path)


def load(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint, or None when there is none yet."""
    if not path.exists():
        return None
    parts: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return parts
