from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.cache.base import Entry
from edge_node.cache.integrity import IntegrityCheck
from edge_node.cache.staging import Staging
from edge_node.cache.store import Store
from midstep.errors import CacheCorrupted
from midstep.wire.frame import Frame


def entry(key: str, nbytes: int, step: int = 6) -> Entry:
    return Entry(f"prompt of {key}", Frame.seal("p", key, step, 20, bytes(nbytes)))


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "evict", "evict all"]),
        st.sampled_from("abcd"),
        st.integers(0, 60),
        st.integers(1, 8),
    ),
    max_size=60,
)


@given(operations=OPERATIONS, several=st.booleans())
def test_never_over_capacity_and_every_byte_and_step_counted(
    operations: list[tuple[str, str, int, int]], several: bool
) -> None:
    store = Store(100, several)
    model: dict[tuple[str, int], Entry] = {}
    for what, key, nbytes, step in operations:
        same = {name for name in model if name[0] == key}
        if what == "evict":
            assert store.evict(key, step) == (model.pop((key, step), None) is not None)
        elif what == "evict all":
            assert store.evict(key) == len(same)
            model = {name: e for name, e in model.items() if name not in same}
        else:
            replaced = {(key, step)} if several else same
            others = {name: e for name, e in model.items() if name not in replaced}
            fresh = entry(key, nbytes, step)
            fits = nbytes + sum(e.frame.nbytes for e in others.values()) <= 100
            assert store.admit(fresh) == fits
            if fits:
                model = {**others, (key, step): fresh}
        store.check()
        assert store.nbytes == sum(e.frame.nbytes for e in model.values()) <= 100
        assert {(output.prompt_key, output.step) for output in store.snapshot()} == set(model)
        for limit in range(1, 9):
            furthest = max((s for k, s in model if k == key and s <= limit), default=None)
            hit = store.lookup(key, limit)
            assert (None if hit is None else hit.step) == furthest


def test_a_key_is_never_matched_by_part() -> None:
    store = Store(100)
    store.admit(entry("abc", 10))
    assert store.lookup("ab", 20) is None and store.lookup("abcd", 20) is None
    hit = store.lookup("abc", 20)
    assert hit is not None and (hit.step, hit.tier, hit.entry) == (6, "store", entry("abc", 10))


def test_what_is_further_than_the_limit_is_no_hit() -> None:
    store = Store(100)
    store.admit(entry("abc", 10, step=6))
    assert store.lookup("abc", 5) is None and store.lookup("abc", 6) is not None


def test_a_store_that_can_hold_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="hold nothing"):
        Store(0)


def test_staging_lets_the_oldest_go_and_takes_nothing_larger_than_itself() -> None:
    staging = Staging(100)
    for key, nbytes in [("a", 40), ("b", 40), ("a", 30), ("c", 40)]:
        assert staging.put(entry(key, nbytes))
    assert [e.frame.prompt_key for e in staging.entries()] == ["a", "c"]
    assert staging.nbytes == 70
    assert not staging.put(entry("d", 101))
    assert staging.take("a", 5) is None
    assert staging.take("a", 6) is not None and staging.take("a", 6) is None
    assert staging.nbytes == 40


def corrupt_bytes(store: Store, staging: Staging) -> None:
    store._bytes += 1


def corrupt_bound(store: Store, staging: Staging) -> None:
    staging.nbytes = staging.capacity + 1


def corrupt_key(store: Store, staging: Staging) -> None:
    store._entries["b", 6] = store._entries.pop(("a", 6))


def corrupt_step(store: Store, staging: Staging) -> None:
    store._entries["a", 7] = store._entries.pop(("a", 6))


def corrupt_index(store: Store, staging: Staging) -> None:
    store._steps["a"].append(7)


def corrupt_identity(store: Store, staging: Staging) -> None:
    staging.put(Entry("another prompt", entry("a", 10).frame))


@pytest.mark.parametrize(
    ("corrupt", "why"),
    [
        (corrupt_bytes, "the store counts 11 bytes, its entries have 10"),
        (corrupt_bound, "staging counts 101 bytes, its capacity is 100"),
        (corrupt_key, "the store keeps the frame of a under b"),
        (corrupt_step, "the store keeps step 6 of a under step 7"),
        (corrupt_index, "the store has 1 entries and an index of 2"),
        (corrupt_identity, "different identity under a"),
    ],
)
def test_what_does_not_add_up_is_one_line(
    corrupt: Callable[[Store, Staging], None], why: str
) -> None:
    store = Store(100)
    staging = Staging(100)
    store.admit(entry("a", 10))
    staging.put(entry("a", 10, step=3))  # another step of one prompt is no fault
    integrity = IntegrityCheck(store, staging)
    integrity.check()
    corrupt(store, staging)
    with pytest.raises(CacheCorrupted, match=why) as error:
        integrity.check()
    assert "\n" not in str(error.value)


def test_everything_is_counted_once_as_much_has_changed_as_there_is() -> None:
    store = Store(1000)
    integrity = IntegrityCheck(store, Staging(100))
    for number in range(9):
        store.admit(entry(str(number), 10))
    corrupt_bytes(store, Staging(100))
    for _ in range(9):
        integrity.changed(1)  # bounds alone, O(1)
    with pytest.raises(CacheCorrupted):
        integrity.changed(1)
