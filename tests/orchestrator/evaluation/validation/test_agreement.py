"""Agreement of two roads, on rows whose figures are known."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.evaluation.validation.agreement import agreement, figures
from orchestrator.evaluation.validation.explanation import explain
from orchestrator.evaluation.validation.pairing import pairing


def row(number: int, total_s: float, **columns: Any) -> dict[str, Any]:
    return {
        "request_id": f"00000-{number:05d}",
        "prompt": f"prompt {number}",
        "result": "done",
        "reuse": "computed",
        "cut_step": 6,
        "saved_steps": 0,
        "queue_s": 0.0,
        "edge_s": 0.1,
        "transfer_s": 0.4,
        "device_s": total_s - 0.5,
        "overhead_s": 0.0,
        "total_s": total_s,
        **columns,
    }


def rows(count: int, factor: float = 1.0, **columns: Any) -> list[dict[str, Any]]:
    """Totals of 1, 2, ..., `count` seconds, times `factor`."""
    return [row(number, factor * (number + 1), **columns) for number in range(count)]


SLOTS = [{"queue_s": 1.0}, {"queue_s": 3.0}, {"queue_s": None}]


def test_figures_are_of_finished_requests_and_of_slots_with_a_queue() -> None:
    requests = [*rows(3), row(9, 50.0, result="failed"), row(5, 6.0, reuse="exact", saved_steps=6)]
    known = figures(requests, SLOTS)
    assert known.requests == 4
    assert known.stages["total"]["mean"] == pytest.approx((1 + 2 + 3 + 6) / 4)
    assert known.stages["total"]["p50"] == pytest.approx(2.5)
    assert known.stages["total"]["p95"] is None  # of four requests
    assert known.hit_ratio == pytest.approx(0.25)
    assert known.saved_steps == pytest.approx(1.5)
    assert known.cut_step == pytest.approx(6)
    assert known.queue_s == pytest.approx(2.0)


def test_a_prediction_that_is_the_measurement_misses_no_bound() -> None:
    same = (rows(100), SLOTS)
    compared = agreement("a", same, "b", [same, same], is_open=True)
    assert compared.misses() == []
    assert compared.pairing.matched == compared.pairing.requests == 200
    assert compared.pairing.mape == pytest.approx(0)
    assert compared.pairing.correlation == pytest.approx(1)


@pytest.mark.parametrize(("factor", "missed"), [(1.02, False), (1.05, True)])
def test_a_mean_beyond_three_percent_is_missed_with_its_sign(factor: float, missed: bool) -> None:
    compared = agreement("a", (rows(100, factor), SLOTS), "b", [(rows(100), SLOTS)], is_open=True)
    lines = [line for line in compared.misses() if line.startswith("total mean")]
    assert bool(lines) == missed
    if missed:
        assert "+2525 ms of 50500" in lines[0]


def test_small_stages_have_an_absolute_bound() -> None:
    slow = rows(100, queue_s=0.004)
    compared = agreement("a", (rows(100), SLOTS), "b", [(slow, SLOTS)], is_open=True)
    assert not [line for line in compared.misses() if line.startswith("queue")]
    slower = rows(100, queue_s=0.006)
    compared = agreement("a", (rows(100), SLOTS), "b", [(slower, SLOTS)], is_open=True)
    assert [line for line in compared.misses() if line.startswith("queue mean")]


def test_hits_may_differ_by_a_point() -> None:
    hits = [row(n, 1.0 + n, reuse="exact" if n < 11 else "computed") for n in range(1000)]
    more = [row(n, 1.0 + n, reuse="exact" if n < 22 else "computed") for n in range(1000)]
    near = [row(n, 1.0 + n, reuse="exact" if n < 21 else "computed") for n in range(1000)]
    compared = agreement("a", (more, SLOTS), "b", [(hits, SLOTS)], is_open=True)
    assert compared.misses() == ["hit ratio is off by +1.1 points (bound 1)"]
    assert agreement("a", (near, SLOTS), "b", [(hits, SLOTS)], is_open=True).misses() == []


def test_requests_that_went_on_from_a_held_output_and_cuts_are_compared() -> None:
    """A prediction that resumes nothing, or cuts elsewhere, had the same hit ratio."""

    def resumed(share: float, cut: int = 6) -> list[dict[str, Any]]:
        words = ["resumed" if n < 1000 * share else "computed" for n in range(1000)]
        return [row(n, 1.0 + n, reuse=word, cut_step=cut) for n, word in enumerate(words)]

    ran = [(resumed(0.1), SLOTS)]
    assert agreement("a", (resumed(0.11), SLOTS), "b", ran, is_open=True).misses() == []
    compared = agreement("a", (resumed(0.0), SLOTS), "b", ran, is_open=True)
    assert compared.misses() == ["partial ratio is off by -10.0 points (bound 1)"]
    compared = agreement("a", (resumed(0.1, cut=7), SLOTS), "b", ran, is_open=True)
    assert compared.misses() == ["the mean cut is off by +1.00 steps of 6.00 (bound 0.12)"]
    assert (compared.pairing.matched, compared.pairing.same_cut) == (1000, 0)
    assert explain(compared)[-1] == "cut at step 7.00 in the mean against 6.00; 0 of 1000 the same"


def test_requests_are_paired_by_user_number_and_prompt() -> None:
    other = [*rows(3), row(3, 4.0, prompt="another")]
    pairs = pairing(rows(4), [other], is_open=True)
    assert (pairs.matched, pairs.requests) == (3, 4)
    assert pairing(rows(4), [other], is_open=False).mape is None  # closed arrivals drift apart
    assert pairing(rows(2, 2.0), [rows(2)], is_open=True).mape == pytest.approx(1.0)


def test_the_spread_is_half_the_range_of_the_repetitions() -> None:
    repetitions = [(rows(100, factor), SLOTS) for factor in (1.0, 1.1, 1.3)]
    compared = agreement("a", (rows(100), SLOTS), "b", repetitions, is_open=True)
    mean = next(e for e in compared.stages if (e.stage, e.quantity) == ("total", "mean"))
    assert mean.measured == pytest.approx(50.5 * 3.4 / 3)
    assert mean.spread == pytest.approx(50.5 * 0.15)


def test_the_explanation_names_the_stage_that_differs() -> None:
    late = [row(n, 1.0 + n, overhead_s=0.9) for n in range(100)]
    totals = [{**one, "total_s": one["total_s"] + 0.9} for one in late]
    compared = agreement("a", (rows(100), SLOTS), "b", [(totals, SLOTS)], is_open=True)
    assert "-900.0 ms of it are gRPC" in explain(compared)[1]


def test_where_nothing_was_finished_nothing_agrees() -> None:
    failed = [{**one, "result": "failed"} for one in rows(100)]
    for repetitions in ([(failed, SLOTS)], [(rows(100), SLOTS), (failed, SLOTS)]):
        compared = agreement("a", (rows(100), SLOTS), "b", repetitions, is_open=True)
        assert compared.misses() == ["a road finished no request: nothing is compared"]
    assert agreement("a", (failed, SLOTS), "b", [(rows(9), SLOTS)], is_open=False).misses()


def test_requests_that_one_road_alone_finished_are_missed() -> None:
    half = [{**one, "result": "rejected"} if n % 2 else one for n, one in enumerate(rows(100))]
    compared = agreement("a", (rows(100), SLOTS), "b", [(half, SLOTS)], is_open=True)
    assert compared.misses()[0] == "50 requests were finished, 100 predicted"
    other = [{**one, "prompt": "another"} for one in rows(100)]
    compared = agreement("a", (rows(100), SLOTS), "b", [(other, SLOTS)], is_open=True)
    assert compared.misses() == ["0 of 100 measured requests were predicted"]
    assert agreement("a", (rows(100), SLOTS), "b", [(other, SLOTS)], is_open=False).misses() == []
