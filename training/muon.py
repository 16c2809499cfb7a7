"""Muon: momentum whose update to each weight matrix is made orthogonal.

On these small convolutional models it reaches a given loss in roughly half the time of AdamW. It
only suits matrices; biases, norms, embeddings and the first and last layers stay with AdamW.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest (roughly) orthogonal matrix to ``(rows, columns)``, by Newton-Schulz steps."""
    a, b, c = NEWTON_SCHULZ
    # Half precision is enough, for the steps only have to come near; it takes half the time.
    x = (matrix / (matrix.norm() + 1e-7)).bfloat16()
    tall = x.size(0) > x.size(1)
    if tall:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """Nesterov momentum with orthogonal updates, for parameters of two or more dimensions."""

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(list(params), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group["lr"], group["momentum"])

    def _update(self, weight: Tensor, lr: float, momentum: float) -> None:
        state = self.state[weight]
        if "buffer" not in state:
            state["buffer"] = torch.zeros_like(weight)
        assert weight.grad is not None
        buffer = state["buffer"].lerp_(weight.grad, 1 - momentum)
        step = weight.grad.lerp(buffer, momentum).flatten(1)
        scale = max(1.0, step.size(0) / step.size(1)) ** 0.5
        weight.add_(orthogonal(step).view_as(weight), alpha=-lr * scale)


def split(model: nn.Module, smallest: int = 8) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters for Muon (matrices, both sides >= ``smallest``) and the rest, for AdamW.

    Embedding tables look like matrices but get sparse gradients, so they count as the rest.
    """
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for weight in model.parameters():
        wide = weight.ndim >= 2 and min(weight.shape[:2]) >= smallest
        (matrices if wide and id(weight) not in tables else rest).append(weight)
    return matrices, rest
