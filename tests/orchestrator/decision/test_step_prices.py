"""Prices of steps against hand calculations, and lambda."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from midstep.wire.messages_control import Access, EdgeWork
from orchestrator.decision.edge_price import EdgePrice, balance_price_s, congestion_s
from orchestrator.decision.step_prices import (
    StepTerms,
    choice_costs_s,
    count_neighbours,
    cut_price_s,
    free_cut,
    held_prices_s,
    saved_s,
)

# T 0.5, w 0.25, E 0.1, a device's step 0.4, decoding 0.2, lambda 0.05
TERMS = StepTerms(link_s=0.5, wait_s=0.25, tick_s=0.1, step_s=0.4, decode_s=0.2, price_s=0.05)
S = 10


def test_the_price_of_a_cut_is_that_of_section_8() -> None:
    """L = T + [k < m] (w + (m - k)(E + lambda)) + loc(m)."""
    from_noise = 0.5 + 0.25 + 6 * 0.15 + 4 * 0.4 + 0.2
    went_on = 0.5 + 0.25 + 2 * 0.15 + 4 * 0.4 + 0.2
    as_it_is = 0.5 + 4 * 0.4 + 0.2
    assert cut_price_s(TERMS, S, 6, [0, 4, 6]) == pytest.approx([from_noise, went_on, as_it_is])
    assert cut_price_s(TERMS, S, 4, 6) == pytest.approx(as_it_is)  # held past the cut


def test_a_held_step_serves_only_requests_whose_limit_reaches_it() -> None:
    price_s = held_prices_s(replace(TERMS, price_s=0.5), S)  # a step costs more than it saves
    assert price_s[6, 5] == pytest.approx(0.5 + 4 * 0.4 + 0.2)
    assert price_s[6, 4] == pytest.approx(0.5 + 0.25 + 0.6 + 9 * 0.4 + 0.2)  # one step, from noise
    assert saved_s(TERMS, S)[6, 4] == 0


def test_coupled_nothing_kept_is_no_edge_and_no_link() -> None:
    price_s = held_prices_s(replace(TERMS, coupled=True), S)
    assert price_s[0, 9] == pytest.approx(10 * 0.4 + 0.2)
    assert price_s[6, 9] == pytest.approx(0.5 + 4 * 0.4 + 0.2)


def test_crowding_makes_the_last_step_of_a_long_rest_worth_more() -> None:
    """r seconds of work also delay the same user's others by c (W r + r^2 / 2)."""
    crowded = replace(TERMS, device_wait_s=1.0, crowding=0.1)
    rest = 4 * 0.4 + 0.2
    assert cut_price_s(crowded, S, 6, 6) == pytest.approx(
        0.5 + 1.0 + rest + 0.1 * (1.0 * rest + rest**2 / 2)
    )
    cuts = [free_cut(crowded, S, price_s) for price_s in (0.0, 0.35, 0.42, 0.5, 1.0)]
    assert cuts[0] == S and cuts[-1] == 1
    assert sorted(cuts, reverse=True) == cuts
    assert any(1 < cut < S for cut in cuts)


def test_what_is_made_once_is_shared_by_all_whom_it_serves() -> None:
    """All requests have limit 6. Four of them: the first has six steps computed, then three hits;
    ready, all four are hits."""
    limits = np.zeros((2, S))
    limits[:, 5] = 1.0
    ready = np.zeros((2, S + 1), np.bool_)
    ready[1, 6] = True
    held = np.array([0, 6])
    cost_s = choice_costs_s(TERMS, limits, held, ready, np.array([4.0, 4.0]))
    hit_s = 0.5 + 4 * 0.4 + 0.2
    assert cost_s[0, 6] == pytest.approx(hit_s + (0.25 + 6 * 0.15) / 4)
    assert cost_s[1, 6] == pytest.approx(hit_s)
    assert cost_s[:, 0] == pytest.approx(hit_s + 0.25 + 6 * 0.15)
    assert cost_s[1].argmin() == 6  # 7 serves nobody


def test_lambda_is_what_it_brings_about() -> None:
    assert balance_price_s(lambda price_s: 0.3 - price_s, 1.0) == pytest.approx(0.15, abs=2e-3)
    assert balance_price_s(lambda price_s: -0.1, 1.0) == 0
    tick = np.array([0.0075, 0.0161])
    assert congestion_s(tick, 51.7) == pytest.approx(0.0075 / (1 - 51.7 * 0.0161) ** 2)


def run(requests_per_s: int, slots: int = 60) -> tuple[EdgePrice, list[float]]:
    """An edge that computes what lambda lets it: its price, and the mean cut of each slot."""
    tick_s = tuple(0.0075 + 0.0161 * b for b in range(1, 17))
    price = EdgePrice(tick_s)
    terms = replace(TERMS, step_s=0.38, price_s=0.0, device_wait_s=0.5, crowding=0.06)
    random = np.random.default_rng(3)
    busy_s = 0.0
    total = ticks = 0
    cuts: list[float] = []
    for slot in range(slots):
        count = max(1, int(random.poisson(requests_per_s)))
        limits = random.choice([10, 12, 20], count)
        cut = np.minimum(free_cut(terms, 20, price.price_s), limits)
        accesses = [
            Access(
                request_id="",
                prompt_key="a",
                prompt="a",
                step=int(m),
                nbytes=1,
                reuse="computed",
                at_s=float(slot),
                edge_s=1.0,
                limit=int(limit),
                edge_steps=int(m),
                step_s=0.38,
            )
            for m, limit in zip(cut, limits, strict=True)
        ]
        steps = min(60, int(cut.sum()))
        batch = 16 if cut.sum() > 60 else max(1, round(steps / 12))
        total += steps
        ticks += max(1, steps // batch)
        busy_s += min(1.0, steps / batch * tick_s[batch - 1])
        price.observe(
            accesses,
            EdgeWork(
                at_s=slot + 1.0, busy_s=busy_s, ticks=ticks, steps=total, queue=0, in_flight=batch
            ),
        )
        price.settle(terms, 20)
        cuts.append(float(cut.mean()))
    return price, cuts


def test_lambda_rises_under_overload_and_the_mean_cut_is_steady() -> None:
    calm, _ = run(2)
    crowded, cuts = run(8)
    assert calm.price_s < 0.1 < crowded.price_s
    settled = np.array(cuts[20:])
    assert 3 < settled.mean() < 9  # all at their limits would be 14
    assert np.abs(np.diff(settled)).mean() < 2  # a bare price flips between 1 and 14
    again = EdgePrice(())
    again.load_state_dict(crowded.state_dict())
    assert again.price_s == crowded.price_s and again.correction == crowded.correction


def test_what_a_neighbour_keeps_is_worth_the_fetch_and_no_more() -> None:
    limits = np.zeros((3, S))
    limits[:, 5] = 1.0  # everybody may reuse up to step 6
    ready = np.ones((3, S + 1), np.bool_)
    cost_s = choice_costs_s(TERMS, limits, np.zeros(3, np.int64), ready, np.full(3, 10.0))
    alone_s = cost_s.copy()
    count_neighbours(cost_s, TERMS, limits, np.array([0, 6, 8]), 0.1)
    # nobody has the first, a request must not have the third past its limit
    assert (cost_s[[0, 2]] == alone_s[[0, 2]]).all()
    assert cost_s[1, 0] - cost_s[1, 6] == pytest.approx(0.1)
    assert (cost_s[1, 1:] == alone_s[1, 1:]).all()
    dear_s = alone_s.copy()
    count_neighbours(dear_s, TERMS, limits, np.array([0, 6, 8]), 60.0)
    assert (dear_s == alone_s).all()
