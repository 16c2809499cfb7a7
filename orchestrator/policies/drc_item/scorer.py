"""The network that all items share: a learned mixture of forecasts, and a small correction.

log score = log sum_k softmax(bias + gate x)_k forecast_k + mlp(x): a plain mixture to begin with,
since the gate and the last layer start at zero. Evaluated with numpy; trained with torch, which is
imported when training begins.
"""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.policies.drc_item.features import FORECASTS, NEVER, WIDTH, Features

__all__ = ["Trainer", "Weights", "fresh", "load", "log_scores", "save"]

Floats = NDArray[np.float64]
Weights = dict[str, NDArray[np.float32]]

HIDDEN = 32
CLIP = 6.0  # standard deviations
CHUNK = 1024  # rows that are scored at once: they stay in the processor's cache
MASKED = -50.0  # the gate of a forecast that is not there
SHIPPED = Path(__file__).with_name("scorer.json")  # written by training/scorer.py
SCALES = ("mean", "scale")  # of the features, fixed once the network is trained


def fresh(seed: int) -> Weights:
    """Weights before any training."""
    random = np.random.default_rng(seed)

    def layer(rows: int, columns: int) -> Floats:
        return np.asarray(random.standard_normal((rows, columns)) * np.sqrt(2 / rows))

    weights = {
        "mean": np.zeros(WIDTH),
        "scale": np.ones(WIDTH),
        "bias": np.zeros(len(FORECASTS)),
        "gate": np.zeros((WIDTH, len(FORECASTS))),
        "w1": layer(WIDTH, HIDDEN),
        "b1": np.zeros(HIDDEN),
        "w2": layer(HIDDEN, HIDDEN),
        "b2": np.zeros(HIDDEN),
        "w3": np.zeros((HIDDEN, 1)),
        "b3": np.zeros(1),
    }
    return {name: value.astype(np.float32) for name, value in weights.items()}


def save(weights: Weights, path: Path) -> None:
    """Write as JSON, with the six digits that float32 has."""
    rounded = {
        name: np.vectorize(lambda x: float(f"{x:.6g}"))(value).tolist()
        for name, value in weights.items()
    }
    path.write_text(json.dumps(rounded, separators=(",", ":")) + "\n")


def load(path: Path = SHIPPED) -> Weights:
    """Read what `save` wrote. Raises ValueError where it does not fit the features."""
    weights = {
        name: np.array(value, np.float32) for name, value in json.loads(path.read_text()).items()
    }
    expected = {name: value.shape for name, value in fresh(0).items()}
    if {name: value.shape for name, value in weights.items()} != expected:
        raise ValueError(
            f"{path.name} is for other features; python -m training.scorer writes it anew"
        )
    return weights


def log_scores(weights: Weights, features: Features) -> NDArray[np.float32]:
    """Log expected requests a slot of items with features (n, WIDTH); shape (n,)."""
    parts = [_log_scores(weights, features[i : i + CHUNK]) for i in range(0, len(features), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _log_scores(w: Weights, features: Features) -> NDArray[np.float32]:
    x = features - w["mean"]
    x *= w["scale"]
    np.minimum(np.maximum(x, -CLIP, out=x), CLIP, out=x)
    forecast = features[:, FORECASTS]
    gate = x @ w["gate"]
    gate += w["bias"]
    gate[forecast <= NEVER] = MASKED
    gate -= reduce(np.maximum, gate.T)[:, None]
    share = np.exp(gate, out=gate)
    mixed = np.log(np.einsum("nk,nk->n", share, np.exp(forecast)) / share.sum(1))
    hidden = x @ w["w1"]
    hidden += w["b1"]
    hidden = np.maximum(hidden, 0, out=hidden) @ w["w2"]
    hidden += w["b2"]
    correction = np.maximum(hidden, 0, out=hidden) @ w["w3"]
    return np.asarray(mixed + correction[:, 0] + w["b3"][0])


class Trainer:
    """AdamW on the Poisson loss. The optimiser lives as long as the trainer: a new one each time
    unlearns."""

    def __init__(self, weights: Weights, learning_rate: float, decay: float = 1e-4) -> None:
        import torch

        self._torch = torch
        parameters = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
        self._fixed = {name: parameters.pop(name) for name in SCALES}
        self._learned = {name: value.requires_grad_() for name, value in parameters.items()}
        self._adam = torch.optim.AdamW(self._learned.values(), lr=learning_rate, weight_decay=decay)

    @property
    def weights(self) -> Weights:
        """What was learned so far, as views: numpy sees each step at once."""
        return {
            name: value.detach().numpy() for name, value in (self._fixed | self._learned).items()
        }

    def pace(self, learning_rate: float) -> None:
        """Go on at this learning rate."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate

    def step(self, features: Features, exposure: Floats, label: Floats) -> float:
        """One step on samples (n, WIDTH) with `label` (n,) discounted requests in `exposure` (n,)
        discounted slots; the mean loss.

        The Poisson loss of a popular item is so large that it would drown those near the cache's
        edge, which are all that matters: each sample weighs 1 / (1 + expected requests).
        """
        score = self._log_scores(self._torch.from_numpy(features))
        e, y = (self._torch.from_numpy(a).float() for a in (exposure, label))
        expected = e * score.exp()
        weight = 1 / (1 + expected.detach())
        loss = (weight * (expected - y * score)).sum() / weight.sum()
        self._adam.zero_grad()
        loss.backward()
        self._torch.nn.utils.clip_grad_norm_(self._learned.values(), 1.0)
        self._adam.step()
        return float(loss.detach())

    def _log_scores(self, features: Any) -> Any:
        """`log_scores`, differentiable."""
        torch = self._torch
        w = self._learned
        x = ((features - self._fixed["mean"]) * self._fixed["scale"]).clamp(-CLIP, CLIP)
        forecast = features[:, FORECASTS]
        gate = torch.addmm(w["bias"], x, w["gate"]).masked_fill(forecast <= NEVER, MASKED)
        mixed = torch.logsumexp(torch.log_softmax(gate, 1) + forecast, 1)
        hidden = torch.relu(torch.addmm(w["b1"], x, w["w1"]))
        hidden = torch.relu(torch.addmm(w["b2"], hidden, w["w2"]))
        return mixed + torch.addmm(w["b3"], hidden, w["w3"])[:, 0]

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": {name: value.copy() for name, value in self.weights.items()},
            "adam": self._adam.state_dict()["state"],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with self._torch.no_grad():
            for name, value in (self._fixed | self._learned).items():
                value.copy_(self._torch.from_numpy(state["weights"][name]))
        self._adam.load_state_dict({**self._adam.state_dict(), "state": state["adam"]})
