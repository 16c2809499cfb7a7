"""Differences from a baseline, by hand: over seeds, over repetitions, within one run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midstep.scenario import Scenario
from orchestrator.evaluation.comparison.differences import means
from orchestrator.evaluation.experiment.measured import Measured
from orchestrator.evaluation.experiment.paired import baseline_cell, compare, estimate
from orchestrator.evaluation.experiment.points import Point
from orchestrator.evaluation.experiment.table import cell_rows, results
from orchestrator.evaluation.experiment.wording import main_table
from tests.orchestrator.evaluation.comparison.test_matching import row

T_2 = 4.302652729911275  # Student's t, 0.975, 2 degrees of freedom
RESPONSE = "response_per_request_ms"


def run(policy: str, seed: int, response_ms: float, repeat: int = 1, users: int = 4) -> Measured:
    point = Point(
        id=f"{policy}-{users}-{seed}-{repeat}",
        settings={"policy.name": policy, "users": users},
        seed=seed,
        repeat=repeat,
        scenario=Scenario(),
    )
    return Measured(
        point=point, values={RESPONSE: response_ms}, verdict="VALID", wall_s=1.0, requests=None
    )


def test_seeds_are_paired_before_they_are_averaged() -> None:
    before = [run("none", seed, value) for seed, value in ((1, 100.0), (2, 500.0), (3, 900.0))]
    after = [run("lru", seed, value) for seed, value in ((3, 897.0), (1, 99.0), (2, 498.0))]
    gap = compare(after, before).differences[RESPONSE]
    assert gap.mean == pytest.approx(-2.0)  # of -1, -2 and -3
    assert gap.half == pytest.approx(T_2 * 1.0 / math.sqrt(3))
    assert gap.clear is False and gap.n == 3 and gap.over == "seeds"  # 2.0 is less than 2.48
    after = [run("lru", run_.point.seed, run_.values[RESPONSE] - 9.0) for run_ in before]  # type: ignore[operator]
    gap = compare(after, before).differences[RESPONSE]
    assert (gap.mean, gap.half, gap.clear) == (-9.0, 0.0, True)


def test_a_seed_that_one_side_lacks_is_left_out() -> None:
    gap = compare([run("lru", 1, 5.0), run("lru", 9, 1e6)], [run("none", 1, 7.0)])
    assert gap.differences[RESPONSE].mean == -2.0


def test_repetitions_give_the_spread_beside_the_mean() -> None:
    one = estimate({(1, 1): 10.0, (1, 2): 12.0, (2, 1): 20.0, (2, 2): 26.0})
    assert one.mean == pytest.approx((11 + 23) / 2) and one.n == 2 and one.over == "seeds"
    assert one.spread == pytest.approx(math.sqrt((2.0 + 18.0) / 2))  # variances 2 and 18, pooled
    alone = estimate({(1, 1): 10.0, (1, 2): 12.0, (1, 3): 14.0})
    assert (alone.mean, alone.n, alone.over) == (12.0, 3, "repetitions")
    assert alone.half == pytest.approx(T_2 * 2.0 / math.sqrt(3)) and alone.spread == 2.0


def test_a_cell_is_compared_at_its_own_load(tmp_path: Path) -> None:
    runs = [
        run(policy, seed, base + gap + seed, users=users)
        for users, base in ((4, 100.0), (8, 300.0))
        for policy, gap in (("none", 0.0), ("lru", -10.0))
        for seed in (1, 2)
    ]
    cells = results(runs, {"policy.name": "none"})
    assert [cell.is_baseline for cell in cells] == [True, False, True, False]
    rows = cell_rows(cells)
    assert [row["difference"] for row in rows] == [None, -10.0, None, -10.0]
    assert rows[1]["difference_share"] == pytest.approx(-10 / 101.5)
    assert rows[3]["larger_than_chance"] is True and rows[3]["users"] == 8
    head, lines, bold = main_table(cells)
    assert head == ["policy", "users", "runs", "response, s", "Δ response, s"]
    assert lines[1][:2] == ["lru", "4"]
    assert lines[1][4] == "-0.010 ± 0.000" and (1, 4) in bold


def with_rows(folder: Path, policy: str, seed: int, rows: list[dict[str, Any]]) -> Measured:
    """A run whose record has these rows."""
    path = folder / f"{policy}-{seed}.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return replace(run(policy, seed, 0.0), values=dict(means(rows)), requests=path)


def test_a_share_is_of_the_baselines_mean_over_the_requests_that_both_finished(
    tmp_path: Path,
) -> None:
    before = [row(0, 0.0, 1.0), row(1, 1.0, 1.0), row(2, 2.0, None)]
    after = [row(0, 0.0, 0.5), row(1, 1.0, 0.5), row(2, 2.0, 8.0)]
    runs = [with_rows(tmp_path, "none", 1, before), with_rows(tmp_path, "lru", 1, after)]
    cells = results(runs, {"policy.name": "none"})
    (line,) = (one for one in cell_rows(cells[1:]) if one["metric"] == RESPONSE)
    assert line["mean"] == 3000.0 and line["difference"] == -500.0
    assert line["difference_share"] == -0.5  # of 1000 ms, not of the 3500 that would fit the mean
    assert (line["difference_requests"], line["difference_requests_of"]) == (2, 3)
    assert line["pairing"] == "request by request"
    assert cells[1].against is not None
    assert cells[1].against.pairing_of("p95_s") == "run by run"
    (line,) = (one for one in cell_rows(cells[:1]) if one["metric"] == RESPONSE)
    assert line["difference_requests"] is None


def test_one_seed_whose_requests_differ_has_all_paired_run_by_run(tmp_path: Path) -> None:
    before = [row(0, 0.0, 1.0), row(1, 1.0, 1.0), row(2, 2.0, None)]
    after = [row(0, 0.0, 0.5), row(1, 1.0, 0.5), row(2, 2.0, 8.0)]
    elsewhen = [{**one, "arrived_s": one["arrived_s"] + 0.3} for one in after]
    against = compare(
        [with_rows(tmp_path, "lru", 1, after), with_rows(tmp_path, "lru", 2, elsewhen)],
        [with_rows(tmp_path, "none", seed, before) for seed in (1, 2)],
    )
    assert against.pairing == "run by run" and against.share == 0.0
    assert against.note.startswith("seed 2: 0 of 3 requests are the same")
    gap = against.differences[RESPONSE]
    assert (gap.mean, gap.half) == (2000.0, 0.0)  # not -500 at seed 1 beside 2000 at seed 2
    assert against.relative(RESPONSE) == 2.0 and not against.requests


def test_a_baseline_may_lack_the_parameters_of_another_policy_and_nothing_else() -> None:
    listed = [
        {"policy.name": "none"},
        {"policy.name": "lfu-decay", "policy.params.efold_slots": 50},
        {"policy.name": "none", "users": 8},
        {"policy.name": "lru", "users": 8},
        {"policy.name": "lru", "users": 16},
    ]
    cells = {}
    for settings in listed:
        one = run("none", 1, 1.0)
        one = replace(one, point=replace(one.point, settings=settings))
        cells[one.point.cell] = [one]
    others = [baseline_cell(settings, {"policy.name": "none"}, cells) for settings in listed]
    first, _, second, *_ = cells
    assert others == [first, first, second, second, None]
    assert baseline_cell(listed[0], {}, cells) is None
