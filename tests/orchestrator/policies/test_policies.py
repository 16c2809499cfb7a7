"""Rules pinned by golden counts on a small trace, worked out by hand for three places."""

from __future__ import annotations

import random
from collections import Counter, OrderedDict

import pytest

from midstep.errors import ScenarioError
from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot
from orchestrator import policies
from orchestrator.decision.problem import Problem, SlotCost
from orchestrator.policies import Policy, SlotRecord, base
from orchestrator.policies.base import policy

PLACES = 3
TRACE = "abcdabeabcde"  # the textbook's page-fault string: LRU hits twice with three places
HEAVY = "aababcdecab"


def replay(
    name: str, trace: str, places: int = PLACES, nbytes: int = 10
) -> tuple[list[bool], Policy]:
    """Play a trace against a store that does as it is told; which accesses hit."""
    rule = policies.find(name)()
    store = set()
    hits = []
    rule.reset(Problem(places * nbytes, 20, 6), seed=0)
    for key in trace:
        hit = key in store
        hits.append(hit)
        update = rule.on_access(
            Access(
                request_id="r",
                prompt_key=key,
                prompt=key,
                step=6,
                nbytes=nbytes,
                reuse="exact" if hit else "computed",
                at_s=0.0,
                edge_s=0.0,
            )
        )
        assert set(update.evict) <= store
        store = store - set(update.evict) | {k for k, _ in update.admit}
        assert len(store) <= places
    return hits, rule


def reference(name: str, trace: str, places: int) -> list[bool]:
    """LRU and LFU written the other way round: from the whole history at every miss."""
    store: list[str] = []
    count: Counter[str] = Counter()
    hits = []
    for i, key in enumerate(trace):
        hits.append(key in store)
        if key not in store:
            if len(store) == places:
                last = {k: max(j for j in range(i) if trace[j] == k) for k in store}
                victim = min(store, key=lambda k: (count[k], last[k]) if name == "lfu" else last[k])
                store.remove(victim)
                del count[victim]
            store.append(key)
        count[key] += 1
    return hits


def test_golden_counts() -> None:
    assert sum(replay("lru", TRACE)[0]) == 2
    assert sum(replay("lfu", TRACE)[0]) == 2
    assert sum(replay("lru", HEAVY)[0]) == 4  # a, a, b, c
    assert sum(replay("lfu", HEAVY)[0]) == 5  # a, a, b, a, b: what was popular survives c, d, e
    assert sum(replay("none", TRACE)[0]) == 0
    assert replay("final", TRACE)[0] == replay("lru", TRACE)[0]


@pytest.mark.parametrize("name", ["lru", "lfu"])
def test_rules_equal_their_definition_on_random_traces(name: str) -> None:
    rng = random.Random(5)
    for places in (1, 2, 5):
        trace = "".join(rng.choices("abcdefghij", weights=range(1, 11), k=400))
        assert replay(name, trace, places)[0] == reference(name, trace, places)


def test_unequal_sizes_stay_within_the_bytes() -> None:
    lru = policies.find("lru")()
    lru.reset(Problem(100, 20, 6), seed=0)
    held: OrderedDict[str, int] = OrderedDict()
    for key, nbytes in [("a", 40), ("b", 40), ("c", 70), ("d", 30), ("big", 101)]:
        update = lru.on_access(
            Access(
                request_id="r",
                prompt_key=key,
                prompt=key,
                step=6,
                nbytes=nbytes,
                reuse="computed",
                at_s=0,
                edge_s=0,
            )
        )
        for gone in update.evict:
            del held[gone]
        held.update({k: nbytes for k, _ in update.admit})
        assert sum(held.values()) <= 100
    assert list(held) == ["c", "d"]


def test_a_rule_learns_what_the_store_really_holds() -> None:
    _, lru = replay("lru", "abc")
    lru.reconcile([CachedOutput("b", "b", 6, 10), CachedOutput("z", "z", 6, 10)])
    update = lru.on_access(
        Access(
            request_id="r",
            prompt_key="q",
            prompt="q",
            step=6,
            nbytes=20,
            reuse="computed",
            at_s=0,
            edge_s=0,
        )
    )
    assert update.evict == ("z",)


def test_a_policy_is_one_class_and_one_decorator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))

    @policy("a-test-policy")
    class Mine(Policy):
        """Keeps nothing."""

    assert policies.find("a-test-policy") is Mine
    with pytest.raises(ValueError, match="two policies are called a-test-policy"):
        policy("a-test-policy")(type("Other", (Policy,), {}))
    with pytest.raises(ScenarioError, match=r"[tT]here is .*lru"):
        policies.find("no-such-policy")


def test_a_step_that_a_policy_cannot_name_is_refused() -> None:
    deep = Problem(100, 200, 150, items=10)
    policies.check("lru", deep)
    with pytest.raises(
        ScenarioError, match="drc keeps outputs up to step 127, here they are cut at 150"
    ):
        policies.check("drc", deep)


@pytest.mark.parametrize("name", ["drc", "dnn", "greedy", "oo"])
def test_a_prompt_from_outside_the_catalogue_ends_no_planner(name: str) -> None:
    """A device by hand may ask for anything: four prompts of a catalogue of three."""
    planner = policies.find(name)()
    problem = Problem(8192 * 2, 20, 6, frame_bytes=8192, reusable_steps=6, items=3, users=4)
    planner.reset(problem, 7)
    outputs = {key: CachedOutput(key, key, 6, 8192) for key in "abcd"}
    held: dict[str, CachedOutput] = {}
    for slot, keys in enumerate(["abcd", "dcba", "dddd"] * 3):
        accesses = tuple(
            Access(
                request_id="",
                prompt_key=key,
                prompt=key,
                step=6,
                nbytes=8192,
                reuse="computed",
                at_s=slot,
                edge_s=1.0,
            )
            for key in keys
        )
        staging = tuple(outputs[key] for key in dict.fromkeys(keys) if key not in held)
        available = CacheSnapshot(
            store=tuple(held.values()),
            staging=staging,
            capacity=8192 * 2,
            store_bytes=0,
            staging_bytes=0,
        )
        cost = SlotCost(4, 0, 4, len(set(keys)), 2.0, 8.0)
        update = planner.plan(SlotRecord(slot, accesses, cost, 0.0, available))
        assert set(dict(update.admit)) <= set("abc"), "it has no place for d"
        held = {key: output for key, output in held.items() if key not in update.evict}
        held |= {key: outputs[key] for key, _ in update.admit}
        planner.learn()
    assert held
    # what somebody else had kept is no reason to fail either
    stranger = CacheSnapshot(
        store=(outputs["d"],), staging=(), capacity=8192 * 2, store_bytes=8192, staging_bytes=0
    )
    update = planner.plan(SlotRecord(9, (), SlotCost(0, 0, 0, 0, 0.0, 0.0), 0.0, stranger))
    assert update.evict == ("d",)
