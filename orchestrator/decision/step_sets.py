"""Sets of steps of one prompt (`policy.steps_per_prompt: several`): what they save, and which to
keep in so many bytes.

A request uses the furthest kept step within its limit, so a set saves it what its best usable step
does, and another step adds less to a larger set: diminishing returns. Taking the largest gain a
byte, one after the other, is then within 1 - 1/e of the best where outputs are of one size
(Nemhauser, Wolsey and Fisher 1978); where they are not, the better of that and the best single one
is within half of it.

What a step adds depends on the steps of its own prompt alone. So every prompt's sequence is found
by itself, best step first, and the order over all prompts is that of the sorted gains.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.decision.step_store import fits

__all__ = ["best_sets", "set_value"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
Choices = list[tuple[int, int]]


def set_value(weight: Floats, saved_s: Floats, choices: Choices) -> float:
    """What `choices`, (prompt, step), save in all: `weight` (n, S) is how many requests of each
    prompt have limit l (column l - 1), `saved_s` (S+1, S) what one saves while step j is kept."""
    prompt, step = np.array(choices, np.int64).reshape(-1, 2).T
    best_s = np.zeros_like(weight)
    np.maximum.at(best_s, prompt, saved_s[step])
    return float((weight * best_s).sum())


def best_sets(weight: Floats, saved_s: Floats, nbytes: Floats, capacity: float) -> Choices:
    """Choose (prompt, step) by gain a byte, at most `capacity` bytes in all; `nbytes` (n,) is the
    size of an output of each prompt. In the order in which they were taken."""
    gain = weight @ saved_s.T
    prompt, step, added = _sequences(weight, saved_s, gain)
    # a stable sort: of equals the first prompt's, and each prompt's steps in their sequence
    order = np.lexsort((prompt, -added / nbytes[prompt]))
    order = order[fits(nbytes[prompt[order]], capacity)] if len(order) else order
    chosen = list(zip(prompt[order].tolist(), step[order].tolist(), strict=True))
    fitting = np.where(nbytes[:, None] <= capacity, gain, 0.0)
    if fitting.size and fitting.max() > set_value(weight, saved_s, chosen):
        best, only = divmod(int(fitting.argmax()), fitting.shape[1])
        return [(best, only)]
    return chosen


def _sequences(weight: Floats, saved_s: Floats, gain: Floats) -> tuple[Ids, Ids, Floats]:
    """Each prompt's steps in the order in which they would be taken, round by round, until none
    adds anything: prompts, steps, and what each adds; (m,). `gain` (n, S+1): what a step alone
    saves."""
    prompts: list[Ids] = []
    steps: list[Ids] = []
    gains: list[Floats] = []
    # a limit that no request has adds nothing to any sum
    some = weight.any(axis=0)
    weight = weight[:, some]
    saved_s = saved_s[:, some]
    rows = np.arange(len(weight))
    best_s = np.zeros_like(weight)
    least = np.full(len(weight), np.inf)  # what the last step of each prompt added
    while True:
        step = gain.argmax(axis=1)
        added = gain[np.arange(len(rows)), step]
        open_ = added > 0
        rows = rows[open_]
        step = step[open_]
        if not len(rows):
            break
        # no step adds more than the one before it, but for the last bit
        least = np.minimum(least[open_], added[open_])
        prompts.append(rows)
        steps.append(step)
        gains.append(least)
        weight = weight[open_]
        best_s = np.maximum(best_s[open_], saved_s[step])
        gain = np.stack(
            [(weight * np.maximum(0.0, saved - best_s)).sum(axis=1) for saved in saved_s], axis=1
        )
    return (
        np.concatenate([*prompts, np.zeros(0, np.int64)]),
        np.concatenate([*steps, np.zeros(0, np.int64)]),
        np.concatenate([*gains, np.zeros(0)]),
    )
