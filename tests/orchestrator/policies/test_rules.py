"""The cache rules: golden counts of another program, each rule's slow definition, and what holds
for all of them."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midstep.errors import ScenarioError
from midstep.wire.messages_control import Access, CachedOutput
from orchestrator import policies
from orchestrator.decision.problem import Problem
from orchestrator.policies.clairvoyant import Clairvoyant
from orchestrator.policies.kinds.eviction_rule import Rule
from orchestrator.policies.random_choice import Random
from orchestrator.policies.s3_fifo import S3Fifo
from tests.orchestrator.policies.slow_rules import DEFINITIONS, size_of, steps_of

CAPACITIES = (20, 50, 100)
# What libCacheSim 0.3.5 (PyPI's libcachesim) counts on `zipf_trace()`, every object of size 1, its
# own defaults.
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


def one(key: str) -> int:
    return 1


def access(key: str, hit: bool = False, step: int = 1, nbytes: int = 1) -> Access:
    return Access(
        request_id="r",
        prompt_key=key,
        prompt=key,
        step=step,
        nbytes=nbytes,
        reuse="exact" if hit else "computed",
        at_s=0.0,
        edge_s=0.0,
    )


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
        update = rule.on_access(access(key, hit, step(key), nbytes(key)))
        for gone in update.evict:
            del store[gone]
        store.update({k: nbytes(k) for k, _ in update.admit})
        assert all(k == key and s == step(key) for k, s in update.admit)
        assert sum(store.values()) == rule.used <= capacity
    return hits


def new(name: str) -> Rule:
    rule = policies.find(name)()
    assert isinstance(rule, Rule)
    return rule


@pytest.mark.parametrize("name", GOLDEN)
def test_counts_are_those_of_libcachesim(name: str) -> None:
    assert (
        tuple(sum(play(new(name), zipf_trace(), capacity)) for capacity in CAPACITIES)
        == GOLDEN[name]
    )


# --- against the slow definitions
# -------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [14, 40, 90])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_rules_equal_their_definition_with_unequal_sizes(name: str, capacity: int) -> None:
    for seed in range(4):
        trace = zipf_trace(items=30, rows=400, seed=seed)
        assert play(new(name), trace, capacity, size_of, steps_of) == DEFINITIONS[name](
            trace, capacity
        )


def test_the_definitions_differ_from_each_other() -> None:
    trace = zipf_trace(items=30, rows=400, seed=0)
    assert len({tuple(definition(trace, 40)) for definition in DEFINITIONS.values()}) == len(
        DEFINITIONS
    )


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
    rule = Clairvoyant()
    trace = tuple("ab" * 2000)
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
    rule = Random()
    gone = Counter[int]()
    rule.reset(Problem(5, 20, 6), seed=1)
    # what is held, oldest first: nobody is used again, so that only chance decides
    age: list[str] = []
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


# --- what holds for all of them
# -------------------------------------------------------------------------------------

KEYS = "abcdefgh"
Moves = list[tuple[str, int, int]]


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.sampled_from(KEYS), st.integers(1, 12), st.integers(1, 6)), max_size=60
    ),
    capacity=st.integers(1, 30),
    views=st.dictionaries(
        st.integers(0, 59), st.dictionaries(st.sampled_from(KEYS), st.integers(1, 9)), max_size=4
    ),
)
@pytest.mark.parametrize("name", RULES)
def test_never_over_the_bytes_and_never_a_victim_that_is_not_held(
    name: str, moves: Moves, capacity: int, views: dict[int, dict[str, int]]
) -> None:
    """A key's bytes may change from one output to the next; now and then the store turns out to
    hold something else."""
    rule = new(name)
    rule.reset(Problem(capacity, 20, 6, future=tuple(key for key, _, _ in moves)), seed=5)
    store: dict[str, int] = {}
    for i, (key, nbytes, step) in enumerate(moves):
        hit = key in store
        update = rule.on_access(access(key, hit, step, nbytes))
        assert len(set(update.evict)) == len(update.evict) and set(update.evict) <= set(store)
        for gone in update.evict:
            del store[gone]
        assert not (hit and update) and update.admit in ((), ((key, step),))
        assert bool(update.admit) == (not hit and nbytes <= capacity)
        store.update({k: nbytes for k, _ in update.admit})
        if i in views:
            really = itertools.takewhile(lambda kv: kv[1] <= capacity, views[i].items())
            store = {}
            room = capacity
            for k, size in really:
                if size <= room:
                    store[k] = size
                    room = room - size
            rule.reconcile([CachedOutput(k, k, 6, size) for k, size in store.items()])
            assert dict(rule.held) == store and set(rule.steps) == set(store)
        assert rule.used == sum(store.values()) <= capacity
        assert dict(rule.held) == store


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("random", "clairvoyant")])
def test_what_the_store_turns_out_to_hold_leaves_first(name: str) -> None:
    rule = new(name)
    rule.reset(Problem(30, 20, 6), seed=0)
    for key in "ab":
        rule.on_access(access(key, step=6, nbytes=10))
    known = [CachedOutput(key, key, 6, 10) for key in "ab"]
    rule.reconcile([*known, CachedOutput("z", "z", 6, 10)])
    assert rule.used == 30
    assert rule.on_access(access("q", step=6, nbytes=10)).evict == ("z",)


def test_the_clairvoyant_foresees_for_what_it_did_not_know_of() -> None:
    rule = Clairvoyant()
    future = tuple("abxyzab")
    rule.reset(Problem(3, 20, 6, future=future), 0)
    for key in "abx":
        rule.on_access(access(key))
    rule.reconcile([CachedOutput(key, key, 1, 1) for key in "ab"])  # x has been lost
    rule.reconcile([])
    # x is never asked for again, b later than a
    rule.reconcile([CachedOutput(key, key, 1, 1) for key in "bax"])
    assert rule.on_access(access("y")).evict == ("x",)
    assert rule.on_access(access("z")).evict == ("y",)
    rule.reconcile([CachedOutput(key, key, 1, 1) for key in "ab"])
    assert not rule.on_access(access("a", hit=True))
    assert rule.victim() == "a"


def test_the_ghost_holds_its_bytes_although_what_it_remembers_comes_back_by_itself() -> None:
    rule = S3Fifo()
    rule.reset(Problem(20, 20, 6), seed=0)
    for i in range(40):
        rule.on_access(access(str(i)))
    ghost = next(iter(rule._ghost))
    rule.reconcile([CachedOutput(ghost, ghost, 1, 1)])
    assert ghost not in rule._ghost
    for i in range(40, 80):
        rule.on_access(access(str(i)))
    assert rule._ghost.used == len(rule._ghost) == 18


@pytest.mark.parametrize("name", RULES)
def test_a_new_run_forgets(name: str) -> None:
    rule = new(name)
    first = play(rule, zipf_trace(rows=1000), 20)
    assert play(rule, zipf_trace(rows=1000), 20) == first


@pytest.mark.parametrize("name", RULES)
def test_a_smaller_step_takes_the_place_of_one_that_is_too_far(name: str) -> None:
    """The held step 9 is past a request's limit 5: no touch, and what was made replaces it; a
    larger step never does."""
    if "future" in policies.find(name).needs:
        return
    rule = policies.find(name)()
    assert isinstance(rule, Rule)
    rule.reset(Problem(3, 10, 6, frame_bytes=1), 1)
    far = replace(access("a", step=9), limit=10)
    assert rule.on_access(far).admit == (("a", 9),)
    near = replace(access("a", step=5), limit=5)
    update = rule.on_access(near)
    assert (update.admit, update.evict) == ((("a", 5),), (("a", 9),))
    assert rule.steps["a"] == 5 and rule.used == 1
    assert not rule.on_access(replace(access("a", step=9), limit=10))  # went on from 5
    assert not rule.on_access(replace(access("a", step=4), limit=4, reuse="exact"))
    for key in "bcd":  # a can still be found and leave
        rule.on_access(access(key, step=6))
    assert rule.used <= 3
