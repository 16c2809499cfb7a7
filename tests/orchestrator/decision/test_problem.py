import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.decision.problem import (
    TARGET_SLOTS,
    WEIGHT_V,
    Served,
    SlotCost,
    VirtualQueue,
    slot_cost,
)


def cost(latency: float, misses: int = 1) -> SlotCost:
    return SlotCost(2, 2 - misses, misses, 2, latency, 3.0)


def test_the_slowest_requester_counts_and_only_misses_are_averaged() -> None:
    served = [
        Served("a", False, 2.0),
        Served("a", True, 5.0),
        Served("b", True, 1.0),
        Served("c", False, 3.0),
    ]
    total = slot_cost(served)
    assert (total.requests, total.hits, total.misses, total.prompts) == (4, 2, 2, 3)
    # a missed once, so it is a miss; b is none
    assert total.latency_avg_s == pytest.approx((5.0 + 3.0) / 2)
    assert total.system_cost_s == pytest.approx(5.0 + 1.0 + 3.0)


def test_a_slot_without_a_miss_has_no_miss_latency() -> None:
    assert slot_cost([Served("a", True, 2.0)]).latency_avg_s == 0
    assert slot_cost([]).requests == 0


@given(latencies=st.lists(st.floats(0, 10), max_size=40), target=st.floats(0.1, 5))
def test_the_queue_of_23(latencies: list[float], target: float) -> None:
    backlog = VirtualQueue(target)
    queue = 0.0
    for latency in latencies:
        queue = max(queue + latency - target, 0.0)
        assert backlog.update(cost(latency)) == pytest.approx(queue)


def test_without_a_target_the_first_slots_set_it() -> None:
    backlog = VirtualQueue()
    for i in range(TARGET_SLOTS):
        assert backlog.update(cost(1.0 + i % 2)) == 0
        backlog.update(SlotCost(0, 0, 0, 0, 0.0, 0.0))
    assert backlog.target_s == pytest.approx(1.5)
    assert backlog.update(cost(2.0)) == pytest.approx(0.5)


def test_the_objective_of_33() -> None:
    backlog = VirtualQueue(1.0)
    backlog.update(cost(3.0))
    assert backlog.drift_plus_penalty(cost(4.0)) == pytest.approx(
        2.0 * (4.0 - 1.0) + WEIGHT_V * 3.0 / 2
    )
