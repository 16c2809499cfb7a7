"""A slot as a planner of steps sees it: its requests before a modelled cache, each with its limit
and its device. For `benchmarks.step_plans`, and for the planners' tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from midstep.wire.messages_control import Access, CachedOutput, EdgeWork
from orchestrator.decision.cache_model import CacheModel
from orchestrator.decision.problem import Served, slot_cost
from orchestrator.policies.base import SlotRecord

__all__ = ["Wish", "play_slot"]


class Wish(NamedTuple):
    """A request: its prompt, its reuse limit, its user, seconds of a step on that user's device."""

    key: str
    limit: int
    user: int
    step_s: float


def play_slot(
    slot: int, wishes: Iterable[Wish], cache: CacheModel, nbytes: int, work: EdgeWork
) -> SlotRecord:
    """Serve a slot's requests, each cut at its limit unless an output is held for it; what is
    computed, `nbytes` each, waits in the cache's staging. `work` is the edge's at the slot's
    end."""
    accesses = []
    for key, limit, user, step_s in wishes:
        output = cache.lookup(key, limit)
        if output is None:
            cache.stage([CachedOutput(key, key, limit, nbytes)])
        accesses.append(
            Access(
                request_id="",
                prompt_key=key,
                prompt=key,
                step=limit if output is None else output.step,
                nbytes=nbytes,
                reuse="computed" if output is None else "exact",
                at_s=float(slot),
                edge_s=0.5,
                user=user,
                limit=limit,
                edge_steps=limit if output is None else 0,
                rate_bps=1e7,
                step_s=step_s,
            )
        )
    cost = slot_cost(Served(access.prompt_key, access.hit, 2.0) for access in accesses)
    available = replace(cache.snapshot(), work=work)
    return SlotRecord(slot, tuple(accesses), cost, 3.0, available)
