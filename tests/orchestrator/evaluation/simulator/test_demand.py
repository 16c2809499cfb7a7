"""Distinct prompts by a popularity law, however steep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.workload.popularity import zipf_weights
from midstep.workload.slot_items import remaining_item
from orchestrator.evaluation.simulator.presets import find
from orchestrator.evaluation.simulator.world import World


def test_a_steep_law_ends_with_distinct_prompts() -> None:
    """Zipf=4 with 99 of 100 prompts a user did not end."""
    world = World([(find("compact", ["zipf=4", "requests_per_user=99", "users=3"]), 1)])
    for _ in range(3):
        world.advance()
        assert all(len(set(user.tolist())) == 99 for user in world.requests[0])
        assert world.count.sum() == 3 * 99
        # whoever leaves one out leaves out one of the rarest: item 0 is 10^8 times item 99
        assert (world.count[0, :20] == 3).all()


@given(
    items=st.integers(1, 12),
    exponent=st.floats(0, 4),
    chosen=st.sets(st.integers(0, 11)),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_what_remains_is_drawn_by_the_law_of_what_remains(
    items: int, exponent: float, chosen: set[int], uniform: float
) -> None:
    order = np.roll(np.arange(items), 3)
    flags = np.array([item in chosen for item in range(items)])
    weights = zipf_weights(items, exponent)
    left = [rank for rank in range(items) if not flags[order[rank]]]
    item = remaining_item(np.cumsum(weights), order, flags, uniform)
    if not left:
        assert item == -1
        return
    upper = np.cumsum(weights[left]) / weights[left].sum()
    place = left.index(int(np.flatnonzero(order == item)[0]))
    assert upper[place] > uniform * (1 - 1e-9) - 1e-9
    assert place == 0 or upper[place - 1] <= uniform + 1e-9


def test_the_most_popular_is_taken_where_weights_are_lost_in_rounding() -> None:
    cumulative = np.array([1.0, 1.0, 1.0])
    chosen = np.array([True, False, False])
    assert remaining_item(cumulative, np.array([0, 2, 1]), chosen, 0.5) == 2


def test_user_draws_follow_the_law() -> None:
    world = World([(find("compact", ["requests_per_user=1", "drift_swaps_per_slot=0"]), 2)])
    counts = np.zeros(100)
    for _ in range(1500):
        world.advance()
        counts += world.count[0]
    weights = zipf_weights(100, 0.8)
    assert counts[0] / counts.sum() == pytest.approx(weights[0] / weights.sum(), rel=0.05)
