import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.cache.staging import Staging
from edge_node.cache.store import Entry, Store
from midstep.wire.frame import Frame


def entry(key: str, nbytes: int, step: int = 6) -> Entry:
    return Entry(f"prompt of {key}", Frame.seal("p", key, step, 20, bytes(nbytes)))


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["admit", "evict"]),
        st.sampled_from("abcdef"),
        st.integers(0, 60),
        st.integers(1, 20),
    ),
    max_size=60,
)


@given(operations=OPERATIONS)
def test_never_over_capacity_one_step_per_prompt_and_every_byte_counted(
    operations: list[tuple[str, str, int, int]],
) -> None:
    store = Store(100)
    model = {}
    for what, key, nbytes, step in operations:
        if what == "evict":
            assert store.evict(key) == (model.pop(key, None) is not None)
        else:
            others = sum(e.frame.nbytes for k, e in model.items() if k != key)
            made = entry(key, nbytes, step)
            assert store.admit(made) == (others + nbytes <= 100)
            if others + nbytes <= 100:
                model[key] = made
        assert store.nbytes == sum(e.frame.nbytes for e in model.values()) <= 100
        assert {e.frame.prompt_key: e for e in store.entries()} == model


def test_a_key_is_never_matched_by_part() -> None:
    store = Store(100)
    store.admit(entry("abc", 10))
    assert store.get("ab") is None and store.get("abcd") is None and store.get("abc") is not None


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
    assert staging.take("a") is not None and staging.take("a") is None
    assert staging.nbytes == 40
