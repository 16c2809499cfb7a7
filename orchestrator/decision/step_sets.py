"""Sets of steps of one prompt (`policy.steps_per_prompt: several`): what they save, and which to
keep in so many bytes.

A request uses the furthest kept step within its limit, so a set saves it what its best usable step
does, and another step adds less to a larger set: diminishing returns. Taking the largest gain a
byte, one after the other, is then within 1 - 1/e of the best where outputs are of one size
(Nemhauser, Wolsey and Fisher 1978); where they are not, the better of that and the best single one
is within half of it.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_sets", "set_value"]

Floats = NDArray[np.float64]
Choices = list[tuple[int, int]]


def set_value(weight: Floats, saved_s: Floats, choices: Choices) -> float:
    """What `choices`, (prompt, step), save in all: `weight` (n, S) is how many requests of each
    prompt have limit l (column l - 1), `saved_s` (S+1, S) what one saves while step j is kept."""
    best_s = np.zeros_like(weight)
    for r, j in choices:
        np.maximum(best_s[r], saved_s[j], out=best_s[r])
    return float((weight * best_s).sum())


def best_sets(weight: Floats, saved_s: Floats, nbytes: Floats, capacity: float) -> Choices:
    """Choose (prompt, step) by gain a byte, at most `capacity` bytes in all; `nbytes` (n,) is the
    size of an output of each prompt. In the order in which they were taken."""
    gain = weight @ saved_s.T
    best_s = np.zeros_like(weight)
    heap = [(-gain[r, j] / nbytes[r], r, j) for r, j in np.argwhere(gain > 0).tolist()]
    heapq.heapify(heap)
    chosen: Choices = []
    used = 0.0
    while heap:
        density, r, j = heapq.heappop(heap)
        if used + nbytes[r] > capacity:
            continue
        added = float((weight[r] * np.maximum(0.0, saved_s[j] - best_s[r])).sum())
        if added <= 0:
            continue
        # what it adds falls as its prompt's set grows: it may have been overtaken
        if -added / nbytes[r] > density + 1e-15:
            heapq.heappush(heap, (-added / nbytes[r], r, j))
            continue
        chosen.append((r, j))
        used += float(nbytes[r])
        np.maximum(best_s[r], saved_s[j], out=best_s[r])
    fitting = np.where(nbytes[:, None] <= capacity, gain, 0.0)
    if fitting.size and fitting.max() > set_value(weight, saved_s, chosen):
        prompt, step = divmod(int(fitting.argmax()), fitting.shape[1])
        return [(prompt, step)]
    return chosen
