"""The cache's model does what the edge's own store and staging do, whatever a policy names."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.cache.store import Entry
from midstep.clock import VirtualClock
from midstep.wire.frame import Frame
from midstep.wire.messages_control import CachedOutput, CacheUpdate, CacheUpdateResult
from orchestrator.decision.cache_model import CacheModel, is_whole
from tests.edge_node.world import make_edge

KEYS = st.sampled_from("abcdef")
STEPS = st.sampled_from([4, 6, 7])
NAMES = st.tuples(KEYS, STEPS)
UPDATES = st.builds(
    CacheUpdate,
    st.lists(NAMES, max_size=4).map(tuple),
    st.lists(KEYS | NAMES, max_size=4).map(tuple),
)
OUTPUTS = st.lists(st.tuples(KEYS, STEPS, st.integers(1, 40)), max_size=4)


def entry(key: str, step: int, nbytes: int) -> Entry:
    """An entry of the edge's store."""
    return Entry(key, Frame.seal("p", key, step, 10, bytes(nbytes)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(OUTPUTS, UPDATES), max_size=8), st.booleans())
def test_it_is_the_edges_cache_without_frames(
    rounds: list[tuple[list[tuple[str, int, int]], CacheUpdate]], several: bool
) -> None:
    edge = make_edge(VirtualClock(), capacity=60)
    edge.store.several = several
    model = CacheModel(60, several)
    for outputs, update in rounds:
        for key, step, nbytes in outputs:
            edge.staging.put(entry(key, step, nbytes))
        model.stage(CachedOutput(key, key, step, nbytes) for key, step, nbytes in outputs)
        assert model.apply(update) == asyncio.run(edge.apply(update))
        model.check()
        real = asyncio.run(edge.snapshot())
        assert model.snapshot().store == real.store
        assert (model.nbytes, set(model.staging)) == (
            real.store_bytes,
            {(held.prompt_key, held.step) for held in real.staging},
        )
        assert CacheModel.of(real, several).snapshot() == model.snapshot()
        for key in "abcdef":
            for limit in (3, 5, 6, 9):
                hit = edge.store.lookup(key, limit)
                assert model.lookup(key, limit) == (None if hit is None else hit.entry.output)


def test_a_broken_cache_is_found_out() -> None:
    output = CachedOutput("a", "a", 6, 10)
    for damage, text in (
        ({"nbytes": 11}, "holds 10 bytes and counts 11"),
        ({"capacity": 9}, "holds 10 bytes where 9 fit"),
        ({"held": {("b", 6): output}}, "step 6 of output a is filed under step 6 of b"),
        ({"_steps": {}}, "names other outputs than it holds"),
    ):
        model = CacheModel(20)
        model.hold([output])
        model.check()
        vars(model).update(damage)
        with pytest.raises(ValueError, match=text):
            model.check()


def test_one_step_of_a_prompt_is_replaced_and_several_stand_beside_one_another() -> None:
    first = CachedOutput("a", "a", 4, 10)
    for several, held in ((False, [("b", 4), ("a", 6)]), (True, [("a", 4), ("b", 4), ("a", 6)])):
        model = CacheModel(30, several)
        model.hold([first, replace(first, prompt_key="b")])
        model.stage([replace(first, step=6)])
        assert model.apply(CacheUpdate((("a", 6),))).admitted == 1
        assert list(model.held) == held


def test_an_eviction_of_two_steps_hides_none_that_found_nothing() -> None:
    cache = CacheModel(300, several=True)
    cache.hold([CachedOutput("a", "", 4, 100), CachedOutput("a", "", 6, 100)])
    gone = CacheUpdate((), ("a", "b"))
    result = cache.apply(gone)
    assert result == CacheUpdateResult(evicted=2)
    assert not is_whole(gone, result, several=True)
    assert is_whole(CacheUpdate((), ("a",)), result, several=True)
    assert is_whole(gone, result, several=False)
    assert not is_whole(CacheUpdate((("a", 4),)), CacheUpdateResult(refused=1), several=False)
