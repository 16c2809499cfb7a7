"""gap_to_exact: hand-made slots, and the solver against enumeration."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstep.wire.messages import Reuse
from midstep.wire.messages_control import Access, CachedOutput, CacheSnapshot
from orchestrator.decision.problem import Served
from orchestrator.live.regret import (
    Planned,
    PricedPrompts,
    RegretMeter,
    Usual,
    gap,
    objective,
    places_of,
    price,
    solve,
)

V = 1.8


def access(key: str, reuse: Reuse = "computed", edge_s: float = 1.0) -> Access:
    return Access(
        request_id="r",
        prompt_key=key,
        prompt=key,
        step=6,
        nbytes=100,
        reuse=reuse,
        at_s=0.0,
        edge_s=edge_s,
    )


def snapshot(store: str, staging: str = "", capacity: int = 200) -> CacheSnapshot:
    sides = [tuple(CachedOutput(key, key, 6, 100) for key in side) for side in (store, staging)]
    return CacheSnapshot(
        store=sides[0],
        staging=sides[1],
        capacity=capacity,
        store_bytes=100 * len(store),
        staging_bytes=100 * len(staging),
    )


def after(plan: str, requested: str, staging: str = "", **prices: float) -> float | None:
    """The gap of a slot that asks for the prompts `requested`, begun with `plan` held out of that
    and `staging`."""
    meter = RegretMeter(V)
    meter.planned([], snapshot(plan, staging), snapshot(plan), 0.0)
    accesses = [
        access(key, "exact" if key in plan else "computed", prices.get(key, 1.0))
        for key in requested
    ]
    return meter.gap(accesses, [Served(a.prompt_key, a.hit, 5.0 + a.edge_s) for a in accesses])


def test_the_best_plan_has_gap_0_and_keeping_the_wrong_things_1() -> None:
    assert after("ab", "abc", staging="c") == 0  # c may not be had besides: two places
    assert after("xy", "ab", staging="ab") == 1
    assert after("ax", "ab", staging="b") == pytest.approx(0.5)
    # a is priced at the mean, 2
    assert after("ax", "abc", staging="bc", b=3.0, c=1.0) == pytest.approx(1 - 2 / 5)


def test_nothing_to_gain_is_no_gap() -> None:
    assert after("", "ab") is None  # nothing asked for was there to be kept
    assert after("ab", "") is None  # nothing was asked for
    assert after("ab", "ab", staging="c") is None  # no miss ever told what one costs


def test_a_hit_is_priced_with_the_misses_of_slots_before() -> None:
    meter = RegretMeter(V)
    meter.planned([], snapshot("a"), snapshot("a"), 0.0)
    assert meter.gap([access("z")], []) is None
    assert meter.gap([access("a", "exact", 0.0)], []) == 0


def test_what_was_asked_for_once_could_have_been_held_however_long_ago() -> None:
    """a and b were evicted two slots before they are asked for again."""
    meter = RegretMeter(V)
    meter.planned([], snapshot("ab"), snapshot("ab"), 0.0)
    meter.planned([access("c"), access("d")], snapshot("cd"), snapshot("cd"), 0.0)
    meter.planned([access("e")], snapshot("cd", "e"), snapshot("cd"), 0.0)
    assert meter.gap([access("a"), access("b")], []) == 1


def test_one_yardstick_for_a_planner_and_a_rule_that_hold_the_same() -> None:
    """The planner's rejects wait in staging, what the rule evicted is gone: with the same requests
    and the same content, the same gap."""
    gaps = []
    for staging in ("cd", ""):
        meter = RegretMeter(V)
        meter.planned([], snapshot("", ""), snapshot(""), 0.0)
        meter.planned([access(k) for k in "abcd"], snapshot("ab", "cd"), snapshot("ab"), 0.0)
        meter.planned([access("a", "exact")], snapshot("ab", staging), snapshot("ab"), 0.0)
        gaps.append(meter.gap([access("a", "exact"), access("c"), access("d")], []))
    assert gaps == [pytest.approx(0.5)] * 2


def test_what_is_asked_for_the_first_time_could_not_have_been_held() -> None:
    meter = RegretMeter(V)
    meter.planned([access("a")], snapshot("a"), snapshot("a"), 0.0)
    assert meter.gap([access("a", "exact"), access("b")], []) == 0
    meter.planned([access("b")], snapshot("a"), snapshot("a"), 0.0)
    assert meter.gap([access("b")], []) == 1


def test_prices_are_the_slowest_miss_and_what_is_left_of_the_response() -> None:
    accesses = [access("a", "computed", 1.0), access("a", "shared", 2.0), access("b", "exact", 0.0)]
    priced, usual = price(accesses, [Served("a", False, 7.0), Served("b", True, 4.0)], Usual())
    assert priced is not None and priced.keys == ("a", "b")
    assert priced.added_s.tolist() == [2.0, 2.0] and priced.held_s.tolist() == [5.0, 4.0]
    assert usual == Usual(4.5, 2.0)


def test_places_count_outputs_of_the_usual_size_and_never_fewer_than_are_held() -> None:
    assert places_of(350, 100.0, held=2) == 3
    assert places_of(100, 100.0, held=2) == 2
    assert places_of(200, 0.0, held=0) == 0  # no output's size is known yet


def test_the_usual_size_is_remembered_while_the_edge_holds_nothing() -> None:
    meter = RegretMeter(V)
    meter.planned([access("a")], snapshot("", "a"), snapshot(""), 0.0)
    meter.planned([access("b")], snapshot(""), snapshot(""), 0.0)
    assert meter.gap([access("a")], []) == 1


def test_without_response_times_only_the_v_term_counts() -> None:
    plan = Planned(frozenset("a"), frozenset("ab"), 1, queue_s=50.0)
    unknown = PricedPrompts(("a", "b"), np.array([np.nan, np.nan]), np.array([1.0, 2.0]))
    assert gap(unknown, plan, V) == pytest.approx(0.5)


def test_with_a_backlog_it_may_pay_to_hold_what_is_slow_rather_than_what_saves_more() -> None:
    held_s = np.array([9.0, 1.0])
    added_s = np.array([1.0, 1.5])
    both = np.ones(2, np.bool_)
    assert solve(held_s, added_s, both, 1, 0.0, V).tolist() == [False, True]
    assert solve(held_s, added_s, both, 1, 50.0, V).tolist() == [True, False]


seconds = st.floats(0, 10)
prompts = st.lists(st.tuples(seconds, seconds, st.booleans()), min_size=1, max_size=7)


@given(prompts, st.integers(0, 7), st.sampled_from([0.0, 0.1, 3.0, 100.0]))
def test_the_solver_finds_what_enumeration_finds(
    slot: list[tuple[float, float, bool]], places: int, q: float
) -> None:
    held_s, added_s, may = (np.array(column) for column in zip(*slot, strict=True))

    def value(hits: np.ndarray) -> float:
        return objective(held_s + added_s * ~hits, hits, q, V)

    hit = solve(held_s, added_s, may, places, q, V)
    assert hit.sum() <= places and not (hit & ~may).any()
    choices = [np.array(c) for c in product([False, True], repeat=len(slot)) if sum(c) <= places]
    least = min(value(c) for c in choices if not (c & ~may).any())
    assert value(hit) == pytest.approx(least, abs=1e-9)
