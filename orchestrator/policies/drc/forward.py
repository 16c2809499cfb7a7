"""A few rows through a lane's network: what a decision needs. Compiled.

Reading the weights is what costs, so those of inputs that are 0 (prompts nobody asks for, units
that are off) are not read, and the outputs are passed over once for four inputs. No output's sum
depends on the others', on other rows or on other lanes: a lane in a batch and a lane alone get the
same bits, which matrix products of two shapes do not give.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["layer", "logits"]


@njit(cache=True)
def layer(row: Any, weight: Any, bias: Any, relu: bool, on: Any, out: Any) -> None:
    """Write row weight + bias into `out`, negative sums as 0 where `relu`; shapes (I,), (I, O),
    (O,), (O,). `on` (I,) is overwritten: the inputs that are not 0."""
    out[:] = bias
    count = 0
    for i in range(row.shape[0]):
        if row[i] != 0:
            on[count] = i
            count += 1
    fours = count // 4 * 4
    for k in range(0, fours, 4):
        a = on[k]
        b = on[k + 1]
        c = on[k + 2]
        d = on[k + 3]
        for o in range(out.shape[0]):
            near = out[o] + row[a] * weight[a, o] + row[b] * weight[b, o]
            out[o] = near + row[c] * weight[c, o] + row[d] * weight[d, o]
    for k in range(fours, count):
        a = on[k]
        for o in range(out.shape[0]):
            out[o] += row[a] * weight[a, o]
    if relu:
        for o in range(out.shape[0]):
            if out[o] < 0:
                out[o] = 0


@njit(cache=True)
def logits(x: Any, parameters: Any, out: Any) -> None:
    """Rows x (B, n, I) through three layers with a lane axis, ReLU between, into `out` (B, n, O).
    `parameters` are weight (B, I, O) and bias (B, 1, O) of each layer in turn."""
    w1, b1, w2, b2, w3, b3 = parameters
    first = np.empty(w1.shape[2], np.float32)
    second = np.empty(w2.shape[2], np.float32)
    on = np.empty(max(w1.shape[1], w2.shape[1], w3.shape[1]), np.int64)
    for lane in range(x.shape[0]):
        for row in range(x.shape[1]):
            layer(x[lane, row], w1[lane], b1[lane, 0], True, on, first)
            layer(first, w2[lane], b2[lane, 0], True, on, second)
            layer(second, w3[lane], b3[lane, 0], False, on, out[lane, row])
