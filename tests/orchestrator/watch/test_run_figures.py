"""The figures of a run that is watched."""

from itertools import pairwise

import numpy as np
import pytest

from midstep.scenario import Scenario
from midstep.scenario_file import parse
from orchestrator.watch.run_figures import WINDOW, RunFigures
from orchestrator.watch.screen import ASCII_BARS, sparkline
from orchestrator.watch.tally import Sample, Tally
from tests import paced
from tests.orchestrator.watch.figure_rows import request, slot_row, text


def test_quantiles_are_within_one_percent_whatever_the_scale() -> None:
    generator = np.random.default_rng(7)
    for scale in (1e-4, 0.3, 40.0):
        values = np.maximum(1e-5, scale * generator.lognormal(0, 1.5, 3000))
        halves = [Tally(), Tally()]
        for number, value in enumerate(values):
            halves[number % 2].add(request(total_s=float(value)))
        both = Tally.of(halves)
        exact = np.percentile(values, [0, 50, 95, 99, 100], method="inverted_cdf")
        assert both.quantiles_s("total", (1e-9, 0.5, 0.95, 0.99, 1.0)) == pytest.approx(
            exact, rel=0.0101
        )
        assert both.mean_s("total") == pytest.approx(values.mean())
    assert Tally().quantiles_s("total", (0.5, 0.99)) == [None, None]


def test_a_sample_covers_the_whole_run_within_its_bound() -> None:
    sample = Sample(100)
    for number in range(12_345):
        sample.add({"n": number})
    places = [row["n"] for row in sample.rows]
    assert 50 <= len(places) <= 100
    assert len({b - a for a, b in pairwise(places)}) == 1
    assert places[0] == 0 and places[-1] > 12_000


def test_slots_that_left_the_window_count_no_more(scenario: Scenario) -> None:
    figures = RunFigures(scenario)
    for slot in range(WINDOW):
        figures.add([request(slot, total_s=9.0, reuse="exact")], [slot_row(slot, hits=1)])
    assert figures.edges["edge-0"].hit_ratio == 1
    for slot in range(WINDOW, 2 * WINDOW):
        figures.add([request(slot, total_s=1.0)], [slot_row(slot)])
    edge = figures.edges["edge-0"]
    assert edge.hit_ratio == 0 and edge.requests == WINDOW
    assert edge.tally.done == WINDOW and set(edge.tally.reuse) == {"computed"}
    assert edge.tally.quantiles_s("total", (0.99,)) == pytest.approx([1.0], rel=0.0101)
    # since the start
    assert figures.results["done"] == 2 * WINDOW and figures.frame_bytes == 2 * WINDOW * 1000


def test_what_a_slot_does_not_tell_stays_as_it_was(scenario: Scenario) -> None:
    figures = RunFigures(scenario)
    figures.add([], [slot_row(0, loss=0.25, k=4, updates=8, gap_to_exact=0.125)])
    figures.add([], [slot_row(1, loss=None, k=None, updates=16)])
    learner = next(
        line for line in text(figures).splitlines() if line.startswith("edge-0") and "lru" in line
    )
    assert [cell for cell in learner.split() if cell in ("0.125", "0.25", "4", "16")] == [
        "0.125",
        "0.25",
        "4",
        "16",
    ]


def test_each_edge_has_its_own_line_and_the_users_add_up() -> None:
    scenario = parse(
        paced.tree(edges=[{"name": "north", "capacity": 1000}, {"name": "south", "capacity": 4000}])
    )
    figures = RunFigures(scenario)
    figures.add(
        [
            request(edge="north", total_s=1.0),
            request(edge="south", total_s=3.0, reuse="exact", edge_steps=0, saved_steps=6),
        ],
        [
            slot_row(
                0,
                edge="north",
                users=3,
                queue_s=0.25,
                store_bytes=500,
                edge_queue=7,
                edge_in_flight=2,
            ),
            slot_row(
                0,
                edge="south",
                users=4,
                queue_s=2.5,
                store_bytes=1000,
                hits=1,
                edge_queue=0,
                edge_in_flight=0,
            ),
        ],
    )
    lines = text(figures).splitlines()
    assert lines[0].endswith("7 users")
    north, south = (
        [line.split() for line in lines if line.startswith(name)] for name in ("north", "south")
    )
    assert north[0] == ["north", "3", "1.00", "0%", "6.0", "0.0", "7", "2", "50%", "100%", "0%"]
    assert south[0] == ["south", "4", "1.00", "100%", "6.0", "6.0", "0", "0", "25%", "0%", "100%"]
    assert "250 ms" in " ".join(north[1]) and "2.50 s" in " ".join(south[1])


def test_a_run_past_its_bounds_is_said_to_be_invalid_while_it_goes(scenario: Scenario) -> None:
    figures = RunFigures(scenario)
    assert "nothing is finished yet" in text(figures)
    figures.add([request(0)] * 99, [slot_row(0)])
    assert "\nVALID\n" in text(figures)
    figures.add([request(5, device_late_s=0.5)] * 99, [slot_row(slot) for slot in range(1, 6)])
    assert "INVALID: emulator overloaded: device lateness p99 is 500 ms" in text(figures)


def test_steps_that_do_not_add_up_are_said_while_the_run_goes(scenario: Scenario) -> None:
    figures = RunFigures(scenario)
    figures.add([request(0), request(0, request_id="r-2", device_steps=13)], [slot_row(0)])
    assert "INVALID: the steps of r-2 are wrong: edge 6 + saved 0 + device 13" in text(figures)


def test_sparklines_scale_and_leave_out_what_is_not_known() -> None:
    assert sparkline([0.0, None, 0.5, 1.0, 2.0], 1.0, "012") == "0 122"
    assert sparkline([0.0, 0.0], 0.0, ASCII_BARS) == "__"
