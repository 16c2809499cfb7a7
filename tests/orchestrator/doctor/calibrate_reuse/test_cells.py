"""Which cells are decided, and when a class is looked at no further."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.doctor.calibrate_reuse.cells import Target, decision, looks, wanted

TARGET = Target({"a": "fidelity"}, {"fidelity": 1.0}, 0.5)


def test_looks_come_at_the_counts_that_can_decide() -> None:
    assert looks(0.99) == (64, 190, 381, 396, 572, 762, 1200)
    assert looks(0.95, 73) == (12, 36, 73)
    assert looks(0.99, 10) == (10,)


@pytest.mark.parametrize(
    ("right", "count", "outcome"),
    [(381, 381, True), (380, 381, None), (380, 380, None), (46, 48, False), (47, 48, None)],
)
def test_a_cell_is_decided_by_its_interval(right: int, count: int, outcome: bool | None) -> None:
    assert decision(right, count, 0.99) is outcome


def play(shares: dict[int, float], target: Target = TARGET) -> list[tuple[int, tuple[int, ...]]]:
    """Rounds of a class whose steps are right with these shares: pairs drawn, open steps."""
    values: dict[tuple[str, int, int], dict[str, float]] = {}
    rounds = []
    for first, last, open_steps in wanted(values, ("a",), (*shares,), target, (4, 8, 16, 40)):
        rounds.append((last, open_steps["a"]))
        for step in open_steps["a"]:
            for pair in range(first, last):
                right = (pair * 7 % 20) < 20 * shares[step]
                values["a", pair, step] = {"fidelity": float(right)}
    return rounds


def test_what_is_decided_is_drawn_no_more() -> None:
    assert play({1: 1, 2: 1}) == [(4, (1, 2))]


def test_every_cell_gets_as_many_pairs_as_were_asked_for() -> None:
    """Also one that is decided, and one behind a refuted step."""
    every = (1, 2, 3)
    target = replace(TARGET, least=10)
    assert play({1: 1, 2: 0, 3: 0.5}, target) == [(4, every), (8, every), (16, every)]


def test_what_cannot_be_drawn_without_reuse_is_no_fault_of_reuse() -> None:
    values = {("a", pair, step): {"fidelity": 1.0} for pair in range(9) for step in (0, 1)}
    for step in (0, 1):
        values["a", 2, step] = {"fidelity": 0.0}
    target = Target({"a": "fidelity"}, {"fidelity": 1.0}, 0.6)
    rounds = wanted(values, ("a",), (1,), target, (7, 9))
    assert [open_steps["a"] for _, _, open_steps in rounds] == [(1,)]  # 6 of 6, not of 7
    values["a", 2, 0] = {"fidelity": 1.0}
    rounds = wanted(values, ("a",), (1,), target, (7, 9))
    assert [open_steps["a"] for _, _, open_steps in rounds] == [(1,), (1,)]


def test_a_refuted_step_ends_its_class_there() -> None:
    """No limit goes past it: step 4 would hold, and nobody asks."""
    assert play({1: 0.5, 2: 0, 3: 0.5, 4: 0.5}) == [
        (4, (1, 2, 3, 4)),
        (8, (1,)),
        (16, (1,)),
        (40, (1,)),
    ]
