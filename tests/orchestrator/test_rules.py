"""The cache rules: golden counts of another program, each rule's slow definition, and what holds for all of them."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.errors import ScenarioError
from midstep.wire import Access, Held
from orchestrator import policies
from orchestrator.policies.chance import Random
from orchestrator.policies.clairvoyant import Clairvoyant
from orchestrator.policies.lfu_decay import LfuDecay
from orchestrator.policies.rule import Rule
from orchestrator.policies.s3_fifo import S3Fifo
from orchestrator.problem import Problem

CAPACITIES = (20, 50, 100)
# What libCacheSim 0.3.5 (PyPI's libcachesim) counts on `zipf_trace()`, every object of size 1, its own defaults.
GOLDEN = {
    "fifo": (1071, 1943, 2851),
    "lru": (1206, 2172, 3094),
    "lfu": (1796, 2522, 3210),
    "sieve": (1768, 2581, 3285),
    "s3-fifo": (1834, 2562, 3244),
    "clairvoyant": (2531, 3377, 4035),
}
RULES = [name for name in policies.names() if issubclass(policies.find(name), Rule)]


@cache
def zipf_trace(items: int = 300, rows: int = 5000, seed: int = 2024) -> tuple[str, ...]:
    """Item i is drawn with weight 1 / (i + 1)^0.8."""
    weights = [1 / (i + 1) ** 0.8 for i in range(items)]
    return tuple(map(str, random.Random(seed).choices(range(items), weights, k=rows)))


def size_of(key: str) -> int:
    """Unequal sizes, from 1 to 13, the same for a key each time."""
    return 1 + int(key) * 7 % 13


def steps_of(key: str) -> int:
    """Unequal steps, from 2 to 6."""
    return 2 + int(key) * 3 % 5


def one(key: str) -> int:
    return 1


def access(key: str, hit: bool = False, step: int = 1, nbytes: int = 1) -> Access:
    return Access("r", key, key, step, nbytes, "exact" if hit else "computed", 0.0, 0.0)


def play(
    rule: Rule,
    trace: Sequence[str],
    capacity: int,
    nbytes: Callable[[str], int] = one,
    step: Callable[[str], int] = one,
    seed: int = 0,
) -> list[bool]:
    """Which rows hit, against a store that does as it is told and looks at what it is told."""
    rule.reset(Problem(capacity, 20, 6, frame_bytes=1, timing="access", future=tuple(trace)), seed)
    store: dict[str, int] = {}
    hits = []
    for key in trace:
        hit = key in store
        hits.append(hit)
        edit = rule.on_access(access(key, hit, step(key), nbytes(key)))
        for gone in edit.evict:
            del store[gone]
        store.update({k: nbytes(k) for k, _ in edit.admit})
        assert all(k == key and s == step(key) for k, s in edit.admit)
        assert sum(store.values()) == rule.used <= capacity
    return hits


def new(name: str) -> Rule:
    rule = policies.find(name)()
    assert isinstance(rule, Rule)
    return rule


@pytest.mark.parametrize("name", GOLDEN)
def test_counts_are_those_of_libcachesim(name: str) -> None:
    assert tuple(sum(play(new(name), zipf_trace(), capacity)) for capacity in CAPACITIES) == GOLDEN[name]


# --- slow definitions: lists, and the whole history at every victim -------------------------------------------------


def by_key(worth: Callable[[str, list[str], int, int], object]) -> Callable[[Sequence[str], int], list[bool]]:
    """Who leaves is the least by worth(key, the trace so far, when it came in, when it was used last)."""

    def simulate(trace: Sequence[str], capacity: int) -> list[bool]:
        came: dict[str, int] = {}
        last: dict[str, int] = {}
        hits = []
        for i, key in enumerate(trace):
            hits.append(key in came)
            if key not in came:
                while came and sum(map(size_of, came)) + size_of(key) > capacity:
                    past = list(trace[:i])
                    del came[min(came, key=lambda k: worth(k, past, came[k], last[k]))]  # type: ignore[arg-type]
                came[key] = i
            last[key] = i
        return hits

    return simulate


def uses(key: str, past: list[str], came: int) -> int:
    return past[came:].count(key)


DEFINITIONS = {
    "fifo": by_key(lambda key, past, came, last: came),
    "lru": by_key(lambda key, past, came, last: last),
    "lfu": by_key(lambda key, past, came, last: (uses(key, past, came), last)),
    "lcbfu": by_key(lambda key, past, came, last: (uses(key, past, came) * steps_of(key), last)),
}


def gdsf(trace: Sequence[str], capacity: int) -> list[bool]:
    clock, hits = 0.0, []
    held: dict[str, tuple[int, float, int]] = {}  # uses, priority, last use
    for i, key in enumerate(trace):
        hits.append(key in held)
        if key not in held:
            while sum(map(size_of, held)) + size_of(key) > capacity:
                victim = min(held, key=lambda k: held[k][1:])
                clock = held.pop(victim)[1]
        count = held[key][0] + 1 if key in held else 1
        held[key] = count, clock + count * steps_of(key) / size_of(key), i
    return hits


def sieve(trace: Sequence[str], capacity: int) -> list[bool]:
    queue: list[list[object]] = []  # [key, used], oldest first
    hand, hits = 0, []
    for key in trace:
        there = [entry for entry in queue if entry[0] == key]
        hits.append(bool(there))
        for entry in there:
            entry[1] = True
        if there:
            continue
        while sum(size_of(str(k)) for k, _ in queue) + size_of(key) > capacity:
            while queue[hand := hand % len(queue)][1]:
                queue[hand][1] = False
                hand += 1
            del queue[hand]
            hand = hand if hand < len(queue) else 0  # beyond the newest is the oldest, also if newer ones come
        queue.append([key, False])
    return hits


def s3_fifo(trace: Sequence[str], capacity: int) -> list[bool]:
    small: list[str] = []
    main: list[str] = []
    ghost: list[str] = []
    count: dict[str, int] = {}
    small_room, ghost_room, evicted, hits = int(capacity * 0.1), int(capacity * 0.9), False, []

    def total(keys: list[str]) -> int:
        return sum(map(size_of, keys))

    for key in trace:
        hits.append(key in count)
        if key in count:
            count[key] += 1
            continue
        returns = key in ghost
        if returns:
            ghost.remove(key)
        while total(small) + total(main) + size_of(key) > capacity:
            evicted = True
            if total(main) > capacity - small_room or not small:
                oldest = main.pop(0)
                if count[oldest]:
                    main.append(oldest)
                    count[oldest] = min(3, count[oldest]) - 1
                else:
                    del count[oldest]
                continue
            while small:  # what is promoted does not count as room made, and nothing is looked at in between
                oldest = small.pop(0)
                if count[oldest] >= 2:
                    main.append(oldest)
                    count[oldest] = 0
                    continue
                del count[oldest]
                if size_of(oldest) <= ghost_room:
                    ghost.append(oldest)
                while total(ghost) > ghost_room:
                    del ghost[0]
                break
        count[key] = 0
        (main if returns or (not evicted and total(small) >= small_room) else small).append(key)
    return hits


DEFINITIONS.update({"gdsf": gdsf, "sieve": sieve, "s3-fifo": s3_fifo})


@pytest.mark.parametrize("capacity", [14, 40, 90])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_rules_equal_their_definition_with_unequal_sizes(name: str, capacity: int) -> None:
    for seed in range(4):
        trace = zipf_trace(items=30, rows=400, seed=seed)
        assert play(new(name), trace, capacity, size_of, steps_of) == DEFINITIONS[name](trace, capacity)


def test_the_definitions_differ_from_each_other() -> None:
    trace = zipf_trace(items=30, rows=400, seed=0)
    assert len({tuple(definition(trace, 40)) for definition in DEFINITIONS.values()}) == len(DEFINITIONS)


def best(trace: str, capacity: int, bypass: bool) -> int:
    """The most hits that any decisions lead to, by trying all."""

    @cache
    def ahead(i: int, held: frozenset[str]) -> int:
        if i == len(trace):
            return 0
        key = trace[i]
        if key in held:
            return 1 + ahead(i + 1, held)
        if len(held) < capacity:
            return ahead(i + 1, held | {key})
        choices = [ahead(i + 1, held - {gone} | {key}) for gone in held]
        return max(choices + ([ahead(i + 1, held)] if bypass else []))

    return ahead(0, frozenset())


@settings(max_examples=150, deadline=None)
@given(st.text("abcde", max_size=14), st.integers(1, 3), st.booleans())
def test_nobody_beats_the_clairvoyant(trace: str, capacity: int, bypass: bool) -> None:
    assert sum(play(Clairvoyant(bypass), trace, capacity)) == best(trace, capacity, bypass)


def test_the_clairvoyant_is_the_ceiling_of_the_rules() -> None:
    for capacity, ceiling in zip(CAPACITIES, GOLDEN["clairvoyant"], strict=True):
        assert all(sum(play(new(name), zipf_trace(), capacity)) <= ceiling for name in RULES)
        assert sum(play(Clairvoyant(bypass=True), zipf_trace(), capacity)) >= ceiling


def test_the_clairvoyant_needs_the_future_and_follows_it() -> None:
    with pytest.raises(ScenarioError, match="clairvoyant needs the requests to come"):
        policies.check("clairvoyant", Problem(10, 20, 6))
    foreseen = Problem(10, 20, 6, future=("a", "b"))
    policies.check("clairvoyant", foreseen)
    rule = Clairvoyant()
    rule.reset(foreseen, 0)
    rule.on_access(access("a"))
    with pytest.raises(ValueError, match="access 1 is 'c'"):
        rule.on_access(access("c"))


def test_the_clairvoyant_remembers_no_uses_that_are_past() -> None:
    rule, trace = Clairvoyant(), tuple("ab" * 2000)
    assert sum(play(rule, trace, 2)) == len(trace) - 2
    assert len(rule._uses) < 200


def test_lcbfu_prefers_steps_where_lfu_sees_a_tie() -> None:
    trace = ("1", "2", "3", "1")  # 5 and 3 steps: 1 is older, but worth more
    assert steps_of("1") > steps_of("2")
    assert play(new("lcbfu"), trace, 2, step=steps_of)[-1]
    assert not play(new("lfu"), trace, 2, step=steps_of)[-1]
    equal_steps = play(new("lcbfu"), zipf_trace(), 50), play(new("lfu"), zipf_trace(), 50)
    assert equal_steps[0] == equal_steps[1]


def test_chance_is_the_seed_and_uniform() -> None:
    trace = zipf_trace()
    assert play(Random(), trace, 50, seed=3) == play(Random(), trace, 50, seed=3)
    assert play(Random(), trace, 50, seed=3) != play(Random(), trace, 50, seed=4)
    rule, gone = Random(), Counter[int]()
    rule.reset(Problem(5, 20, 6), seed=1)
    age: list[str] = []  # what is held, oldest first: nobody is used again, so that only chance decides
    for i in range(5000):
        for key in rule.on_access(access(str(i))).evict:
            gone[age.index(key)] += 1
            age.remove(key)
        age.append(str(i))
    assert all(abs(gone[place] - 999) < 5 * math.sqrt(999) for place in range(5))


def test_the_lightest_is_found_although_the_heap_is_put_right_late() -> None:
    rule = new("lfu")
    trace = list("aabbbccccdddddabcd" * 50)
    play(rule, trace, 4)
    assert len(rule._heap) == 4  # type: ignore[attr-defined]  # a use costs no entry


# --- what holds for all of them -------------------------------------------------------------------------------------

KEYS = "abcdefgh"
Moves = list[tuple[str, int, int]]


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(st.tuples(st.sampled_from(KEYS), st.integers(1, 12), st.integers(1, 6)), max_size=60),
    capacity=st.integers(1, 30),
    told=st.dictionaries(st.integers(0, 59), st.dictionaries(st.sampled_from(KEYS), st.integers(1, 9)), max_size=4),
)
@pytest.mark.parametrize("name", RULES)
def test_never_over_the_bytes_and_never_a_victim_that_is_not_held(
    name: str, moves: Moves, capacity: int, told: dict[int, dict[str, int]]
) -> None:
    """A key's bytes may change from one output to the next; now and then the store turns out to hold something else."""
    rule = new(name)
    rule.reset(Problem(capacity, 20, 6, future=tuple(key for key, _, _ in moves)), seed=5)
    store: dict[str, int] = {}
    for i, (key, nbytes, step) in enumerate(moves):
        hit = key in store
        edit = rule.on_access(access(key, hit, step, nbytes))
        assert len(set(edit.evict)) == len(edit.evict) and set(edit.evict) <= set(store)
        for gone in edit.evict:
            del store[gone]
        assert not (hit and edit) and edit.admit in ((), ((key, step),))
        assert bool(edit.admit) == (not hit and nbytes <= capacity)
        store.update({k: nbytes for k, _ in edit.admit})
        if i in told:
            really = itertools.takewhile(lambda kv: kv[1] <= capacity, told[i].items())
            store, room = {}, capacity
            for k, size in really:
                if size <= room:
                    store[k], room = size, room - size
            rule.reconcile([Held(k, k, 6, size) for k, size in store.items()])
            assert dict(rule.held) == store and set(rule.steps) == set(store)
        assert rule.used == sum(store.values()) <= capacity
        assert dict(rule.held) == store


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("random", "clairvoyant")])
def test_what_the_store_turns_out_to_hold_leaves_first(name: str) -> None:
    rule = new(name)
    rule.reset(Problem(30, 20, 6), seed=0)
    for key in "ab":
        rule.on_access(access(key, step=6, nbytes=10))
    known = [Held(key, key, 6, 10) for key in "ab"]
    rule.reconcile([*known, Held("z", "z", 6, 10)])
    assert rule.used == 30
    assert rule.on_access(access("q", step=6, nbytes=10)).evict == ("z",)


def test_the_clairvoyant_foresees_for_what_it_did_not_know_of() -> None:
    rule, future = Clairvoyant(), tuple("abxyzab")
    rule.reset(Problem(3, 20, 6, future=future), 0)
    for key in "abx":
        rule.on_access(access(key))
    rule.reconcile([Held(key, key, 1, 1) for key in "ab"])  # x has been lost
    rule.reconcile([])
    rule.reconcile([Held(key, key, 1, 1) for key in "bax"])  # x is never asked for again, b later than a
    assert rule.on_access(access("y")).evict == ("x",)
    assert rule.on_access(access("z")).evict == ("y",)
    rule.reconcile([Held(key, key, 1, 1) for key in "ab"])
    assert not rule.on_access(access("a", hit=True))
    assert rule.victim() == "a"


def test_the_ghost_holds_its_bytes_although_what_it_remembers_comes_back_by_itself() -> None:
    rule = S3Fifo()
    rule.reset(Problem(20, 20, 6), seed=0)
    for i in range(40):
        rule.on_access(access(str(i)))
    ghost = next(iter(rule._ghost))
    rule.reconcile([Held(ghost, ghost, 1, 1)])
    assert ghost not in rule._ghost
    for i in range(40, 80):
        rule.on_access(access(str(i)))
    assert rule._ghost.used == len(rule._ghost) == 18


@pytest.mark.parametrize("name", RULES)
def test_a_new_run_forgets(name: str) -> None:
    rule = new(name)
    first = play(rule, zipf_trace(rows=1000), 20)
    assert play(rule, zipf_trace(rows=1000), 20) == first


# --- frequency that fades -------------------------------------------------------------------------------------------


def fading(efold_slots: float) -> LfuDecay:
    decay = LfuDecay(efold_slots=efold_slots)
    decay.reset(Problem(10, 20, 6), 0)
    return decay


def test_scores_are_the_sums_of_what_has_faded() -> None:
    decay, rng = fading(7.0), np.random.default_rng(1)
    asked = rng.integers(0, 4, (60, 5))
    for slot, row in enumerate(asked):
        ids, counts = np.unique(row, return_counts=True)
        decay.observe(ids.astype(np.int64), counts.astype(np.int64), slot)
    age = 62 - np.arange(60)
    expected = [float(((asked == item).sum(axis=1) * np.exp(-age / 7.0)).sum()) for item in range(4)]
    assert decay.scores(np.arange(4), 62) == pytest.approx(expected, rel=1e-12)


def test_scores_neither_overflow_nor_vanish_and_items_may_be_of_any_number() -> None:
    decay = fading(1.0)
    decay.observe(np.array([5, 1_000_000]), np.array([1, 2]), 0)
    decay.observe(np.array([7]), np.array([1]), 10_000_000)
    scores = decay.scores(np.array([7, 1_000_000, 5, 2_000_000]), 10_000_000)
    assert scores[0] == pytest.approx(1.0) and (scores > 0).all() and np.isfinite(scores).all()
    recent = decay.scores(np.array([5, 1_000_000]), 3)
    assert recent[1] == pytest.approx(2 * recent[0])


def test_the_order_of_the_untouched_stays() -> None:
    decay = fading(150.0)
    decay.observe(np.arange(50), np.arange(1, 51), 0)
    early, late = decay.scores(np.arange(50), 1), decay.scores(np.arange(50), 90_000)
    assert (np.argsort(early) == np.argsort(late)).all()


def test_it_goes_on_where_its_state_was_taken() -> None:
    decay, again = fading(10.0), fading(10.0)
    for slot, key in enumerate("abac"):
        decay.observe(np.array([decay.number(key, key)]), np.ones(1, np.int64), slot)
    again.load_state_dict(decay.state_dict())
    assert [again.number(key, key) for key in "cabd"] == [2, 0, 1, 3]
    assert (again.scores(np.arange(4), 5) == decay.scores(np.arange(4), 5)).all()
    with pytest.raises(ValueError, match="efold_slots"):
        LfuDecay(efold_slots=0)
