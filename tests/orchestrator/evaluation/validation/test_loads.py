"""Operating points: a share of what the edge can compute."""

from __future__ import annotations

import pytest

from midstep.errors import OptionError
from midstep.scenario_file import load
from orchestrator.evaluation.validation.loads import THRASHING, edge_load, parse_loads, points


def test_saturated_asks_for_what_its_edge_can_compute() -> None:
    # 120 phones x 5 a minute = 10 a second; 16 at once, 6 steps of 0.2658 s: 10.03 a second
    fixed = edge_load(load("saturated", ["cut.rule=fixed"]))
    assert fixed == pytest.approx(10 / (16 / (6 * 0.265765)), rel=1e-4)
    # every request to its reuse limit: no rule goes beyond
    assert edge_load(load("saturated")) == edge_load(load("saturated", ["cut.rule=limit"])) > fixed


def test_open_arrivals_are_scaled_by_their_rate() -> None:
    at = points(load("saturated"), (0.5, 0.95))
    assert [point.name for point in at] == ["load 0.5", "load 0.95", THRASHING]
    assert [point.edge_load for point in at] == pytest.approx([0.5, 0.95, 0.8])
    assert [point.judged for point in at] == [True, False, False]
    assert {point.scenario.users for point in at} == {120}


def test_closed_arrivals_are_scaled_by_their_users() -> None:
    scenario = load("crowd")
    (point, _) = points(scenario, (0.5,))
    assert point.scenario.users != scenario.users
    assert point.edge_load == pytest.approx(0.5, rel=0.05)  # other users have other limits


def test_a_thrashing_cache_is_an_eighth() -> None:
    scenario = load("saturated")
    last = points(scenario, (0.5,))[-1].scenario
    assert last.edge.capacity == scenario.edge.capacity // 8
    tiny = load("saturated", ["edges.0.capacity=20000"])
    assert points(tiny, (0.5,))[-1].scenario.edge.capacity == 8192  # one output


@pytest.mark.parametrize("text", ["", "0", "half", "0.5,", "-1", "3"])
def test_loads_that_are_none(text: str) -> None:
    with pytest.raises(OptionError, match="--loads"):
        parse_loads(text)


def test_without_loads_the_scenario_is_validated_as_it_is() -> None:
    (point,) = points(load("saturated"), parse_loads(None))
    assert (point.name, point.judged) == ("as it is", True)
