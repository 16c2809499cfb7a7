"""The store that a plan of (prompt, step) leads to: what is kept, what is admitted, what is wanted
and not there yet.

Everything is counted over the outputs that there are, store and staging, as arrays: a plan over
thousands of outputs is made between two slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midstep.wire.messages import CachedOutput, CacheSnapshot, CacheUpdate, Eviction, Targets

__all__ = ["Available", "fits", "store_update"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Available:
    """The outputs of a snapshot that have a number, those in the store first; arrays (n,):
    `prompt` its number, `step`, `nbytes`, `held` whether the store has it."""

    outputs: list[CachedOutput]
    prompt: Ids
    step: Ids
    nbytes: Floats
    held: Bools

    @classmethod
    def of(cls, snapshot: CacheSnapshot, store: Sequence[int], staging: Sequence[int]) -> Available:
        """`store`, `staging`: the numbers of its outputs' prompts, -1: none."""
        ids = np.array([*store, *staging], np.int64)
        known = np.flatnonzero(ids >= 0)
        every = [*snapshot.store, *snapshot.staging]
        outputs = [every[i] for i in known.tolist()]
        held = np.arange(len(ids)) < len(store)
        return cls(
            outputs=outputs,
            prompt=ids[known],
            step=np.array([o.step for o in outputs], np.int64),
            nbytes=np.array([o.nbytes for o in outputs], np.float64),
            held=held[known],
        )

    def steps_of(self, which: Bools, size: int) -> Ids:
        """(size,): the furthest step of each prompt among the outputs `which` (n,), 0: none."""
        steps = np.zeros(size, np.int64)
        np.maximum.at(steps, self.prompt[which], self.step[which])
        return steps


def fits(size: Floats, capacity: float) -> Bools:
    """Which of the items, taken in this order, fit: one that does not is passed over. Shapes (n,)
    -> (n,)."""
    total = np.cumsum(size)
    chosen = np.asarray(total <= capacity)
    if chosen.all() or size.min() == size.max():
        return chosen
    used = 0.0
    for i, nbytes in enumerate(size):
        chosen[i] = used + nbytes <= capacity
        used += nbytes * chosen[i]
    return chosen


def store_update(
    available: Available,
    wanted: Bools,
    planned: Bools,
    value: Floats,
    capacity: float,
    *,
    several: bool = False,
    unnumbered: Sequence[CachedOutput] = (),
) -> tuple[CacheUpdate, Bools]:
    """The update towards a plan, and which outputs are then kept. Arrays (n,) over `available`.

    `wanted`: the plan wants this very output; `planned`: it wants this prompt, perhaps at another
    step: such an output stays until the better one is there. Others stay where there is room, those
    with the largest `value` a byte first. `unnumbered` outputs in the store leave: no plan can name
    them. At most one output a prompt, unless `several`.
    """
    count = len(available.outputs)
    rank = 2 * wanted + planned  # 3: as wanted, 1: of a wanted prompt, 0: no part of the plan
    dense = value / np.maximum(available.nbytes, 1.0)
    order = np.lexsort((-dense, ~available.held, -rank))
    order = order[(rank[order] > 0) | (dense[order] > 0) | available.held[order]]
    if not several:
        _, first = np.unique(available.prompt[order], return_index=True)
        order = order[np.sort(first)]
    kept = np.zeros(count, np.bool_)
    if len(order):
        kept[order[fits(available.nbytes[order], capacity)]] = True
    outputs = available.outputs
    admit = tuple(
        (outputs[i].prompt_key, outputs[i].step)
        for i in np.flatnonzero(kept & ~available.held).tolist()
    )
    replaced = set() if several else {key for key, _ in admit}
    evict: list[Eviction] = [(o.prompt_key, o.step) for o in unnumbered]
    for i in np.flatnonzero(~kept & available.held).tolist():
        if outputs[i].prompt_key not in replaced:  # an admission takes its place
            evict.append((outputs[i].prompt_key, outputs[i].step))
    return CacheUpdate(admit, tuple(evict)), kept


def with_targets(
    update: CacheUpdate, steps: Sequence[tuple[str, int]], price_s: float
) -> CacheUpdate:
    """The update with the plan's targets in it."""
    return CacheUpdate(update.admit, update.evict, Targets(tuple(steps), price_s))
