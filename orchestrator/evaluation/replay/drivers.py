"""Policies over a trace: every row is an access of its own; rules act on it at once, for planners
it is a slot.

`ByDriver` is how the emulation drives a policy, by the driver of its kind. `ByAccess` and `ByScore`
are shortcuts for rules and for planners by score, without an object for every output in every row;
the tests hold them equal to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from midstep.errors import PolicyFailed
from midstep.wire.messages import Reuse
from midstep.wire.messages_control import Access, CachedOutput, CacheUpdate
from orchestrator.decision.cache_model import evicted_prompt
from orchestrator.decision.problem import SlotCost
from orchestrator.evaluation.driven_cache import DrivenCache
from orchestrator.evaluation.replay.trace import SPLIT_STEP, Trace, problem
from orchestrator.policies import Policy, SlotRecord
from orchestrator.policies.base import Kind
from orchestrator.policies.kinds.score_planner import ScorePlanner

__all__ = ["ByAccess", "ByDriver", "ByScore", "Cache", "Score", "open_cache", "play"]

CHUNK = 10_000  # rows between two looks at the progress bar


@dataclass(frozen=True)
class Score:
    """One policy at one capacity (outputs); `rows_per_s` is this machine's speed, not the policy's
    merit."""

    policy: str
    capacity: int
    hits: int
    rows: int
    rows_per_s: float

    @property
    def hit_ratio(self) -> float:
        return self.hits / self.rows


class Cache(Protocol):
    """A store and the policy that decides on it."""

    def ask(self, keys: Sequence[str]) -> int:
        """Ask for `keys` in order; how many hit. Raises PolicyFailed where the policy wants to hold
        more than fits."""


def play(
    policy: Policy,
    trace: Trace,
    capacity: int,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Score:
    """Play the whole trace; `advance` is called now and then with how many more rows are done."""
    policy.reset(problem(trace, capacity), seed)
    cache = open_cache(policy, capacity, trace.distinct)
    started = time.perf_counter()
    hits = 0
    for i in range(0, len(trace.keys), CHUNK):
        keys = trace.keys[i : i + CHUNK]
        hits += cache.ask(keys)
        if advance is not None:
            advance(len(keys))
    took = time.perf_counter() - started
    return Score(policy.name, capacity, hits, len(trace.keys), len(trace.keys) / took)


def open_cache(policy: Policy, capacity: int, distinct: int) -> Cache:
    """The quickest that does as `policy` says, which has been reset; `distinct`: how many keys the
    trace has."""
    if policy.kind is Kind.RULE:
        return ByAccess(policy, capacity)
    if policy.kind is Kind.SCORE_PLANNER:
        planner = cast(ScorePlanner, policy)
        if not planner.remembers_scores:
            return ByScore(planner, min(capacity, distinct))
    return ByDriver(policy, capacity)


class ByDriver(DrivenCache):
    """For every policy, as the emulation drives it: each row is served, then its slot ends."""

    def __init__(self, policy: Policy, capacity: int) -> None:
        super().__init__(policy, capacity)
        self._row = 0

    def ask(self, keys: Sequence[str]) -> int:
        cache = self.cache
        driver = self.driver
        hits = 0
        for key in keys:
            hit = cache.holds(key)
            hits += hit
            access = _access(key, "exact" if hit else "computed", float(self._row))
            if not hit:
                cache.stage([CachedOutput(key, key, SPLIT_STEP, 1)])
            self.access(access)
            if driver.policy.kind.plans:
                cost = SlotCost(1, int(hit), int(not hit), 1, 0.0, 0.0)
                self.end_slot(SlotRecord(self._row, (access,), cost, 0.0, cache.snapshot()))
                driver.learn()
            cache.staging.clear()
            self._row += 1
        return hits

    def refused(self, update: CacheUpdate) -> None:
        """Outputs that were never computed are left out in silence, as in `ByAccess`. Raises
        PolicyFailed where one was computed and there is no room for it."""
        if any(name in self.cache.staging for name in update.admit):
            raise _overfull(self.driver.policy, len(self.cache.held) + 1, self.cache.capacity)


class ByAccess:
    """For rules: a set of keys, and one access made once for each key."""

    def __init__(self, policy: Policy, capacity: int) -> None:
        self._policy = policy
        self._capacity = capacity
        self._held: set[str] = set()
        self._hit = _Accesses("exact")
        self._missed = _Accesses("computed")

    def ask(self, keys: Sequence[str]) -> int:
        held = self._held
        capacity = self._capacity
        on_access = self._policy.on_access
        hit = self._hit
        missed = self._missed
        hits = 0
        for key in keys:
            if key in held:
                hits += 1
                update = on_access(hit[key])
            else:
                update = on_access(missed[key])
            if update.evict:
                held.difference_update(map(evicted_prompt, update.evict))
            if update.admit:
                held.update([k for k, _ in update.admit if k == key])  # nothing else is in staging
                if len(held) > capacity:
                    raise _overfull(self._policy, len(held), capacity)
        return hits


class ByScore:
    """For planners by score: numbers instead of strings, and no score while there is room."""

    def __init__(self, policy: ScorePlanner, places: int) -> None:
        self._policy = policy
        self._places = places
        self._row = 0
        self._held: set[int] = set()
        # what is held in order of admission, then the newcomer
        self._items = np.zeros(places + 1, np.int64)

    def ask(self, keys: Sequence[str]) -> int:
        policy = self._policy
        held = self._held
        learns = policy.learns
        once = np.ones(1, np.int64)
        hits = 0
        once.flags.writeable = False
        for key in keys:
            item = policy.number(key, key)
            policy.observe(np.array([item], np.int64), once, self._row)
            if item in held:
                hits += 1
            else:
                self._offer(item)
            if learns:
                policy.learn()
            self._row += 1
        return hits

    def _offer(self, item: int) -> None:
        """Where there is no place left, the lowest score goes; of equals the last, so that the
        newcomer goes first."""
        count = len(self._held)
        self._items[count] = item
        if count == self._places:
            scores = self._policy.scores(self._items.copy(), self._row)
            victim = count - int(np.argmin(scores[::-1]))
            if victim == count:
                return
            self._held.remove(int(self._items[victim]))
            self._items[victim:count] = self._items[victim + 1 :]
        self._held.add(item)


class _Accesses(dict[str, Access]):
    """Each key's access, made once: rules look at nothing that changes from row to row."""

    def __init__(self, reuse: Reuse) -> None:
        super().__init__()
        self._reuse: Reuse = reuse

    def __missing__(self, key: str) -> Access:
        access = self[key] = _access(key, self._reuse, 0.0)
        return access


def _access(key: str, reuse: Reuse, at_s: float) -> Access:
    return Access(
        request_id="",
        prompt_key=key,
        prompt=key,
        step=SPLIT_STEP,
        nbytes=1,
        reuse=reuse,
        at_s=at_s,
        edge_s=0.0,
    )


def _overfull(policy: Policy, held: int, capacity: int) -> PolicyFailed:
    return PolicyFailed(f"{policy.name} holds {held} outputs where {capacity} fit")
