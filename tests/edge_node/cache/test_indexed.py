"""The store with its index: both say the same after any change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.cache.base import Entry
from edge_node.cache.indexed import IndexedStore
from edge_node.cache.integrity import IntegrityCheck
from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from midstep.errors import CacheCorrupted
from midstep.reuse.likeness import UNKNOWN
from tests.edge_node.similar.held import GRAMMAR, WORDS, entry, indexed, shared_key

PROMPTS = ("a panda on a beach", "a fox on a beach", "a castle", "two kites")


def names(store: IndexedStore) -> set[tuple[str, int]]:
    return set(store.nearest(WORDS.embed("a"), UNKNOWN).names)


@settings(max_examples=40, deadline=None)
@given(
    operations=st.lists(
        st.tuples(
            st.sampled_from(["admit", "admit private", "evict", "evict all"]),
            st.sampled_from(PROMPTS),
            st.integers(0, 60),
            st.integers(1, 4),
        ),
        max_size=50,
    ),
    several=st.booleans(),
)
def test_found_is_what_is_held_and_may_serve(
    operations: list[tuple[str, str, int, int]], several: bool
) -> None:
    store = indexed(100, several)
    for what, prompt, nbytes, step in operations:
        one = entry(prompt, step, nbytes=nbytes)
        if what == "admit":
            store.admit(one)
        elif what == "admit private":
            store.admit(entry(prompt, step, nbytes=nbytes, key=f"private {prompt}"))
        elif what == "evict":
            store.evict(one.frame.prompt_key, step)
        else:
            store.evict(one.frame.prompt_key)
        store.check()
        held = {(output.prompt_key, output.step) for output in store.snapshot()}
        for name in held:
            assert (name in names(store)) == (not name[0].startswith("private"))
        assert names(store) <= held


def test_it_is_the_cache_that_it_wraps() -> None:
    inner = Store(100)
    store = IndexedStore(inner, GRAMMAR, WORDS.dimensions, shared_key)
    one = entry("a castle", 6, nbytes=40)
    assert store.admit(one) and not store.admit(entry("two kites", nbytes=61))
    assert (store.capacity, store.nbytes, len(store)) == (100, 40, 1)
    assert store.snapshot() == inner.snapshot()
    assert store.lookup(one.frame.prompt_key, 9) == inner.lookup(one.frame.prompt_key, 9)
    fetched = asyncio.run(store.fetch(one.frame.prompt_key, 9))
    assert fetched is not None and fetched.entry is one
    assert store.entry(one.frame.prompt_key, 9) is None  # there is step 6


def test_what_was_held_before_is_indexed_on_demand() -> None:
    inner = Store(1000)
    for prompt in PROMPTS:
        inner.admit(replace(entry(prompt), embedding=None))
    inner.admit(entry("mine", key="private"))
    store = IndexedStore(inner, GRAMMAR, WORDS.dimensions, shared_key)
    store.check()
    assert not names(store)
    asked = []

    def embed(prompt: str) -> object:
        asked.append(prompt)
        return WORDS.embed(prompt)

    assert store.fill(embed) == len(PROMPTS)  # type: ignore[arg-type]
    assert {key for key, _ in names(store)} == {shared_key(prompt) for prompt in PROMPTS}
    assert sorted(asked) == sorted(PROMPTS)
    assert store.fill(embed) == 0  # type: ignore[arg-type]
    store.check()


def behind_its_back(store: IndexedStore, inner: Store, one: Entry) -> None:
    inner.dropped = lambda key, step: None
    inner.evict(one.frame.prompt_key)


def past_the_index(store: IndexedStore, inner: Store, one: Entry) -> None:
    inner.admit(entry("two kites"))


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (behind_its_back, "which the store has not"),
        (past_the_index, "the index of likeness has not"),
    ],
)
def test_an_index_out_of_step_stops_the_edge(
    fault: Callable[[IndexedStore, Store, Entry], None], why: str
) -> None:
    inner = Store(1000)
    store = IndexedStore(inner, GRAMMAR, WORDS.dimensions, shared_key)
    one = entry("a castle")
    store.admit(one)
    integrity = IntegrityCheck(store, Staging(100))
    integrity.check()
    fault(store, inner, one)
    with pytest.raises(CacheCorrupted, match=why):
        integrity.check()
