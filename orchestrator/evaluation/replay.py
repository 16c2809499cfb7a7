"""`midstep replay`: a list of keys against the policies, as caches are classically compared.

Every row is an access of its own and every output has size 1, so that a capacity is a number of
outputs. Rules act on each row; for planners each row is a slot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from midstep.errors import PolicyFailed, ScenarioError
from midstep.wire.messages import Access, CachedOutput, CacheSnapshot, CacheUpdate, Reuse
from orchestrator import policies
from orchestrator.decision.problem import Problem, SlotCost
from orchestrator.policies import Policy, SlotRecord
from orchestrator.policies.kinds.eviction_rule import Rule
from orchestrator.policies.kinds.score_planner import ScorePlanner
from orchestrator.records import summary
from orchestrator.records.folders import claim_folder, released_on_failure
from orchestrator.records.recorder import versions

# of what a hit saves a trace says nothing: one step for all
STEPS = 2
SPLIT_STEP = 1
CHUNK = 10_000  # rows between two looks at the progress bar
LONG = 200_000  # rows in all from which on there is one


@dataclass(frozen=True)
class Trace:
    """Keys in the order in which they were asked for; `skipped`: empty lines in the file."""

    name: str
    keys: tuple[str, ...]
    skipped: int
    distinct: int


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


def read_trace(path: str) -> Trace:
    """A file's lines, kept to the letter but for their ends. Raises ScenarioError: unreadable, not
    UTF-8, no row."""
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"trace: {path} cannot be read as UTF-8 text: {error}") from error
    if not lines[-1]:
        lines.pop()  # what follows the last line's end is no line
    keys = tuple(line for line in lines if line.strip())
    if not keys:
        raise ScenarioError(f"trace: {path} holds no row: give one key a line")
    return Trace(Path(path).stem, keys, len(lines) - len(keys), len(set(keys)))


def replay(
    path: str,
    capacities: Sequence[int],
    names: Sequence[str],
    seed: int = 0,
    out: str | None = None,
) -> int:
    """The command: play, print the table, leave summary.json; its exit status. Raises ScenarioError
    for bad input."""
    trace = read_trace(path)
    for name in names:
        for capacity in capacities:
            policies.check(name, problem(trace, capacity))
    folder = claim_folder(f"replay-{trace.name}", out, "summary.json")
    started = time.perf_counter()
    with released_on_failure(folder, "summary.json"):
        scores = list(_shown(trace, capacities, names, seed))
    wall_s = time.perf_counter() - started
    _print(trace, scores)
    try:
        summary.write(folder, _summary(path, trace, scores, seed, wall_s))
    except OSError as error:
        raise ScenarioError(f"--out {folder}: summary.json cannot be written: {error}") from error
    print(f"summary: {folder / 'summary.json'}")
    return 0


def problem(trace: Trace, capacity: int) -> Problem:
    """The trace as a policy sees it. Raises ScenarioError where nothing would fit."""
    if capacity < 1:
        raise ScenarioError(f"--capacity {capacity}: a cache holds at least 1")
    return Problem(
        capacity,
        STEPS,
        SPLIT_STEP,
        frame_bytes=1,
        reusable_steps=SPLIT_STEP,
        timing="access",
        future=trace.keys,
    )


class Cache(Protocol):
    """A store and the policy that decides on it."""

    def ask(self, keys: Sequence[str]) -> int:
        """Ask for `keys` in order; how many hit. Raises PolicyFailed where the policy holds more
        than fits."""


def play(
    policy: Policy,
    trace: Trace,
    capacity: int,
    seed: int = 0,
    advance: Callable[[int], None] | None = None,
) -> Score:
    """The whole trace; `advance` is told now and then how many more rows are done."""
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
    cls = type(policy)
    if isinstance(policy, Rule) and cls.plan is Policy.plan and cls.learn is Policy.learn:
        return ByAccess(policy, capacity)
    if isinstance(policy, ScorePlanner) and _decides_by_score(type(policy)):
        return ByScore(policy, min(capacity, distinct))
    return ByPlan(policy, capacity)


def _decides_by_score(cls: type[ScorePlanner]) -> bool:
    decides = cls.on_access, cls.plan, cls.learn_slot, cls.keep_best
    return decides == (
        Policy.on_access,
        ScorePlanner.plan,
        ScorePlanner.learn_slot,
        ScorePlanner.keep_best,
    )


class ByAccess:
    """For rules: they act on each row at once."""

    def __init__(self, policy: Rule, capacity: int) -> None:
        self._policy = policy
        self._capacity = capacity
        self._store: set[str] = set()
        self._served = _Accesses("exact")
        self._computed = _Accesses("computed")

    def ask(self, keys: Sequence[str]) -> int:
        store = self._store
        capacity = self._capacity
        on_access = self._policy.on_access
        served = self._served
        computed = self._computed
        hits = 0
        for key in keys:
            if key in store:
                hits += 1
                update = on_access(served[key])
            else:
                update = on_access(computed[key])
            if update.evict:
                store.difference_update(update.evict)
            if update.admit:
                store.update([k for k, _ in update.admit if k == key])  # nothing else is in staging
                if len(store) > capacity:
                    raise PolicyFailed(
                        f"{self._policy.name} holds {len(store)} outputs where {capacity} fit"
                    )
        return hits


class ByScore:
    """For planners by score: what `ByPlan` leads to, without an object for every output in every
    row."""

    def __init__(self, policy: ScorePlanner, places: int) -> None:
        self._policy = policy
        self._places = places
        self._row = 0
        self._held: set[int] = set()
        # what is held in order of admission, then the newcomer
        self._items = np.zeros(places + 1, np.int64)
        self._learns = type(policy).learn is not Policy.learn

    def ask(self, keys: Sequence[str]) -> int:
        policy = self._policy
        held = self._held
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
            if self._learns:
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
            gone = count - int(np.argmin(scores[::-1]))
            if gone == count:
                return
            self._held.remove(int(self._items[gone]))
            self._items[gone:count] = self._items[gone + 1 :]
        self._held.add(item)


class ByPlan:
    """For every policy, as the emulation drives it: each row is served, then its slot ends and is
    planned. Slow."""

    def __init__(self, policy: Policy, capacity: int) -> None:
        self._policy = policy
        self._capacity = capacity
        self._row = 0
        self._store: dict[str, CachedOutput] = {}
        self._learns = type(policy).learn is not Policy.learn

    def ask(self, keys: Sequence[str]) -> int:
        hits = 0
        for key in keys:
            hit = key in self._store
            hits += hit
            access = Access(
                request_id="",
                prompt_key=key,
                prompt=key,
                step=SPLIT_STEP,
                nbytes=1,
                reuse="exact" if hit else "computed",
                at_s=float(self._row),
                edge_s=0.0,
            )
            fresh = () if hit else (CachedOutput(key, key, SPLIT_STEP, 1),)
            self._apply(self._policy.on_access(access), fresh)
            held = tuple(self._store.values())
            staging = tuple(output for output in fresh if output.prompt_key not in self._store)
            snapshot = CacheSnapshot(
                store=held,
                staging=staging,
                capacity=self._capacity,
                store_bytes=len(held),
                staging_bytes=len(staging),
            )
            cost = SlotCost(1, int(hit), int(not hit), 1, 0.0, 0.0)
            self._apply(
                self._policy.plan(SlotRecord(self._row, (access,), cost, 0.0, snapshot)), staging
            )
            if self._learns:
                self._policy.learn()
            self._row += 1
        return hits

    def _apply(self, update: CacheUpdate, staging: tuple[CachedOutput, ...]) -> None:
        for key in update.evict:
            self._store.pop(key, None)
        admitted = {key for key, _ in update.admit}
        self._store.update(
            {output.prompt_key: output for output in staging if output.prompt_key in admitted}
        )
        if len(self._store) > self._capacity:
            raise PolicyFailed(
                f"{self._policy.name} holds {len(self._store)} outputs where {self._capacity} fit"
            )


class _Accesses(dict[str, Access]):
    """Each key's access, made once: rules look at nothing that changes from row to row."""

    def __init__(self, reuse: Reuse) -> None:
        super().__init__()
        self._reuse: Reuse = reuse

    def __missing__(self, key: str) -> Access:
        made = self[key] = Access(
            request_id="",
            prompt_key=key,
            prompt=key,
            step=SPLIT_STEP,
            nbytes=1,
            reuse=self._reuse,
            at_s=0.0,
            edge_s=0.0,
        )
        return made


def _shown(
    trace: Trace, capacities: Sequence[int], names: Sequence[str], seed: int
) -> Iterator[Score]:
    """Every policy at every capacity, with a progress bar where somebody looks and it takes
    long."""
    console = Console(stderr=True)
    total = len(trace.keys) * len(names) * len(capacities)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal or total < LONG
    ) as progress:
        task = progress.add_task("", total=total)
        for name in names:
            for capacity in capacities:
                progress.update(task, description=f"{name}, {capacity}")
                yield play(
                    policies.find(name)(),
                    trace,
                    capacity,
                    seed,
                    lambda rows: progress.advance(task, rows),
                )


def _print(trace: Trace, scores: Sequence[Score]) -> None:
    empty = f"; {trace.skipped} empty lines skipped" if trace.skipped else ""
    print(f"{trace.name}: {len(trace.keys)} rows, {trace.distinct} distinct keys{empty}")
    table = Table(box=None, pad_edge=False)
    table.add_column("policy")
    for column in ("capacity", "hits", "hit ratio", "rows/s"):
        table.add_column(column, justify="right")
    for s in scores:
        table.add_row(
            s.policy, str(s.capacity), str(s.hits), f"{s.hit_ratio:.2%}", f"{s.rows_per_s:.3g}"
        )
    Console().print(table)


def _summary(
    path: str, trace: Trace, scores: Sequence[Score], seed: int, wall_s: float
) -> dict[str, object]:
    capacities = sorted({s.capacity for s in scores})

    def value(x: float) -> dict[str, float | None]:
        return {"mean": float(x), "ci95": None}

    return {
        "policies": {
            s.policy if len(capacities) == 1 else f"{s.policy}@{s.capacity}": {
                "hit_ratio": value(s.hit_ratio),
                "hits": value(s.hits),
                "requests": value(s.rows),
                "rows_per_s": value(round(s.rows_per_s)),
            }
            for s in scores
        },
        "run": {
            "name": f"replay-{trace.name}",
            "seed": seed,
            "seeds": [seed],
            "preset": "replay",
            "versions": versions(),
            "modes": {"timing": "access", "sizes": "unit"},
            "trace": path,
            "rows": len(trace.keys),
            "distinct": trace.distinct,
            "skipped": trace.skipped,
            "capacities": capacities,
            "wall_s": round(wall_s, 3),
        },
    }
