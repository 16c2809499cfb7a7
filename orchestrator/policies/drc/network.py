"""The network of DRC: four layers with a lane axis. Lanes share one tensor program and nothing
else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.policies.drc import forward

__all__ = ["HIDDEN", "LAST", "RATE", "SKIP", "LaneNetwork"]

HIDDEN = (120, 80)
RATE = 1e-3
# of the last layer's weights: what is random at first should not outweigh what is asked for
LAST = 0.1
SKIP = 3.0  # logits for each unit of the inputs that are carried past the layers


class LaneNetwork:
    """B independent networks inputs[b] -> 120 -> 80 -> outputs[b], ReLU between, sigmoid at the end
    (section 4.3).

    Lanes with fewer inputs or outputs are padded with weights that stay 0. Each lane is initialised
    from its own seed with its own fan-in, so that it starts, and learns, as it would alone. One
    Adam for all, kept across steps. Where `skip` names as many inputs as there are outputs, they
    are carried past the layers: the network starts from them.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        seeds: Sequence[int],
        skip: slice | None = None,
        hidden: tuple[int, int] = HIDDEN,
        rate: float = RATE,
    ) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        widest = (max(inputs), *hidden, max(outputs))
        self.parameters: list[Tensor] = []
        for into, out in pairwise(widest):
            self.parameters += [torch.zeros(len(seeds), into, out), torch.zeros(len(seeds), 1, out)]
        for lane, seed in enumerate(seeds):
            self._initialise(lane, (inputs[lane], *hidden, outputs[lane]), seed)
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        # the same memory, as decisions read it
        self._arrays = tuple(parameter.detach().numpy() for parameter in self.parameters)
        self.real = torch.zeros(len(seeds), 1, max(outputs))
        for lane, width in enumerate(outputs):
            self.real[lane, :, :width] = 1.0 / width
        self.adam = torch.optim.Adam(self.parameters, lr=rate, fused=True)
        self.updates = 0
        self.skip = skip

    def _initialise(self, lane: int, widths: Sequence[int], seed: int) -> None:
        """Draw a lane's weights: zero-mean normal (section 4.3) with the variance that keeps ReLU
        layers alive (He et al. 2015)."""
        generator = torch.Generator().manual_seed(seed)
        for layer, (into, out) in enumerate(pairwise(widths)):
            weight = (
                torch.randn(into, out, generator=generator)
                * (2.0 / into) ** 0.5
                * (LAST if layer == 2 else 1.0)
            )
            self.parameters[2 * layer][lane, :into, :out] = weight

    def relax(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        """Relax the decision, line 4: states (B, inputs) -> (B, outputs) in (0, 1)."""
        return np.asarray(1 / (1 + np.exp(-self.logits(state[:, None])[:, 0])))

    def logits(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute what the sigmoid is taken of: states (B, n, inputs) -> (B, n, outputs)."""
        out = np.empty((*states.shape[:2], max(self.outputs)), np.float32)
        forward.logits(states, self._arrays, out)
        if self.skip is not None:
            out += SKIP * states[..., self.skip]
        return out

    def train(
        self, states: NDArray[np.float32], labels: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Take one Adam step on (38), the cross-entropy averaged over outputs, line 13: states (B,
        batch, inputs), decisions (B, batch, outputs) -> loss (B,)."""
        logits = self._logits(torch.from_numpy(states))
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(labels), reduction="none"
        )
        # over a lane's own outputs, then over its batch
        loss = (entropy * self.real).sum(-1).mean(-1)
        self.adam.zero_grad(set_to_none=True)
        loss.sum().backward()
        self.adam.step()
        self.updates += 1
        return np.asarray(loss.detach().numpy())

    def _logits(self, x: Tensor) -> Tensor:
        p = self.parameters
        y = torch.relu(torch.baddbmm(p[1], x, p[0]))
        y = torch.relu(torch.baddbmm(p[3], y, p[2]))
        y = torch.baddbmm(p[5], y, p[4])
        return y if self.skip is None else y + SKIP * x[..., self.skip]

    def state_dict(self) -> dict[str, Any]:
        """Weights and Adam's moments."""
        state: dict[str, Any] = {"updates": self.updates}
        for i, parameter in enumerate(self.parameters):
            state[f"weight{i}"] = parameter.detach().numpy().copy()
            moments = self.adam.state.get(parameter)
            if moments:
                state[f"mean{i}"], state[f"square{i}"] = (
                    moments[n].numpy().copy() for n in ("exp_avg", "exp_avg_sq")
                )
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises ValueError where the shapes differ."""
        self.updates = int(state["updates"])
        with torch.no_grad():
            for i, parameter in enumerate(self.parameters):
                weight = torch.from_numpy(np.array(state[f"weight{i}"]))
                if weight.shape != parameter.shape:
                    raise ValueError(
                        f"layer {i // 2} is {tuple(weight.shape)} there and "
                        f"{tuple(parameter.shape)} here"
                    )
                parameter.copy_(weight)
                if f"mean{i}" in state:
                    self.adam.state[parameter] = {
                        "step": torch.tensor(float(self.updates)),
                        "exp_avg": torch.from_numpy(np.array(state[f"mean{i}"])),
                        "exp_avg_sq": torch.from_numpy(np.array(state[f"square{i}"])),
                    }
