"""The store that a plan of (prompt, step) leads to: what is kept, what is admitted, what is wanted
and not there yet.

Everything is counted over the outputs that there are, store and staging, as arrays: a plan over
thousands of outputs is made between two slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages_control import (
    CachedOutput,
    CacheSnapshot,
    CacheUpdate,
    Eviction,
    Targets,
)

__all__ = ["Available", "StepPlan", "carry_out", "fits"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Available:
    """The outputs of a snapshot that have a number, those in the store first; arrays (m,):
    `prompt` its number, `step`, `nbytes`, `held` whether the store has it. `unnumbered` are those
    in the store that have none."""

    outputs: list[CachedOutput]
    prompt: Ids
    step: Ids
    nbytes: Floats
    held: Bools
    unnumbered: list[CachedOutput]

    @classmethod
    def of(cls, snapshot: CacheSnapshot, store: Ids, staging: Ids) -> Available:
        """`store`, `staging`: the numbers of its outputs' prompts, -1: none."""
        ids = np.concatenate([store, staging])
        known = np.flatnonzero(ids >= 0)
        every = [*snapshot.store, *snapshot.staging]
        outputs = every if len(known) == len(every) else [every[i] for i in known.tolist()]
        held = np.zeros(len(ids), np.bool_)
        held[: len(store)] = True
        return cls(
            outputs=outputs,
            prompt=ids[known],
            step=np.array([o.step for o in outputs], np.int64),
            nbytes=np.array([o.nbytes for o in outputs], np.float64),
            held=held[known],
            unnumbered=[every[i] for i in np.flatnonzero(held & (ids < 0)).tolist()],
        )

    def steps_of(self, which: Bools, size: int) -> Ids:
        """(size,): the furthest step of each prompt among the outputs `which` (m,), 0: none."""
        steps = np.zeros(size, np.int64)
        np.maximum.at(steps, self.prompt[which], self.step[which])
        return steps


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """What is wanted of n prompts: `key` of each row; `wanted` (n, S+1), which steps; `gain_s`
    (n, S+1), what keeping each is expected to save, seconds; `price_s`, lambda."""

    key: Callable[[int], str]
    wanted: Bools
    gain_s: Floats
    price_s: float


def fits(size: Floats, capacity: float) -> Bools:
    """Which of the items, taken in this order, fit: one that does not is passed over. Shapes (n,)
    -> (n,)."""
    total = np.cumsum(size)
    chosen = np.asarray(total <= capacity)
    if chosen.all() or size.min() == size.max():
        return chosen
    begin = int(chosen.argmin())  # all before it fit
    used = float(total[begin - 1]) if begin else 0.0
    for i, nbytes in enumerate(size[begin:].tolist(), begin):
        chosen[i] = used + nbytes <= capacity
        if chosen[i]:
            used += nbytes
    return chosen


def carry_out(
    plan: StepPlan, available: Available, row: Ids, capacity: float, *, several: bool
) -> tuple[CacheUpdate, Ids, Ids]:
    """The update towards a plan; the step that it has no output of yet, (n,), 0: none, by its rows;
    and the available outputs that the store will have, by their places, in the edge's order. `row`
    (m,) is the plan's row of each available output.

    An output of a wanted prompt at another step stays until the better one is there. Others stay,
    or come in, where there is room: those in the store first, then those that save most a byte.
    Outputs in the store that have no number leave: no plan can name them. At most one output a
    prompt, unless `several`.
    """
    rows, width = plan.wanted.shape
    cell = row * width + available.step  # of each output, in the plan's tables
    wanted = plan.wanted.take(cell)
    prompt_wanted = np.zeros(rows, np.bool_)
    prompt_wanted[np.flatnonzero(plan.wanted) // width] = True
    dense = plan.gain_s.take(cell) / np.maximum(available.nbytes, 1.0)
    order = _order(wanted, prompt_wanted[row], dense, available, capacity)
    if not several:
        best = np.zeros(rows, np.int64)  # the first output of each prompt
        best[row[order[::-1]]] = order[::-1]
        order = order[best[row[order]] == order]
    content = np.zeros(len(row), np.bool_)
    if len(order):
        content[order[fits(available.nbytes[order], capacity)]] = True
    outputs = available.outputs
    # what an admission replaces makes room for the others: the edge admits in this order
    freed = np.zeros(rows)
    if not several:
        freed[row[available.held]] = available.nbytes[available.held]
    fresh = np.flatnonzero(content & ~available.held)
    fresh = fresh[np.argsort((available.nbytes - freed[row])[fresh], kind="stable")]
    admit = tuple((outputs[i].prompt_key, outputs[i].step) for i in fresh.tolist())
    replaced = set() if several else {key for key, _ in admit}
    evict: list[Eviction] = [(o.prompt_key, o.step) for o in available.unnumbered]
    for i in np.flatnonzero(~content & available.held).tolist():
        if outputs[i].prompt_key not in replaced:  # an admission takes its place
            evict.append((outputs[i].prompt_key, outputs[i].step))
    absent = plan.wanted.copy()
    absent.reshape(-1)[cell[content]] = False
    # an edge cuts a prompt at one step: the furthest that is missing, which comes last here
    absent_row, absent_step = np.divmod(np.flatnonzero(absent), width)
    missing = np.zeros(rows, np.int64)
    missing[absent_row] = absent_step
    aims = np.flatnonzero(missing)
    targets = zip(map(plan.key, aims.tolist()), missing[aims].tolist(), strict=True)
    update = CacheUpdate(admit, tuple(evict), Targets(tuple(targets), plan.price_s))
    return update, missing, np.concatenate([np.flatnonzero(content & available.held), fresh])


def _order(
    wanted: Bools, prompt_wanted: Bools, dense: Floats, available: Available, capacity: float
) -> Ids:
    """The available outputs in the order in which they are taken, by their places: `wanted` (m,)
    ones, those of a `prompt_wanted` (m,), others; of equals those in the store first, then those
    that save most a byte, `dense` (m,). What is neither in the store nor worth a byte is left
    out."""
    first = np.flatnonzero(wanted)
    others = np.flatnonzero(~wanted & (prompt_wanted | (dense > 0) | available.held))
    if available.nbytes[first].sum() <= capacity:  # then their order says nothing
        best = np.lexsort((-dense[others], ~available.held[others], ~prompt_wanted[others]))
        return np.concatenate([first, others[best]])
    every = np.concatenate([first, others])
    keys = (-dense[every], ~available.held[every], ~prompt_wanted[every], ~wanted[every])
    return every[np.lexsort(keys)]
