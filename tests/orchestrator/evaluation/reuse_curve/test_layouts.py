"""The steps that a cache may keep."""

from __future__ import annotations

from orchestrator.evaluation.reuse_curve.layouts import layouts
from orchestrator.evaluation.reuse_curve.shelf import Layout


def test_every_rule_may_keep_what_is_best_without_it() -> None:
    """Else a rule that serves more would save less, for what it could not keep."""
    without = layouts([9, 11, 12, 19], [], 20)
    assert Layout((11,)) in without
    for rule in ([10], [2, 4, 6, 8, 10], [*range(2, 11)]):
        assert {*without} <= {*layouts([9, 11, 12, 19], rule, 20)}
    assert Layout((2, 4, 6, 8, 10)) in layouts([9, 11, 12, 19], [2, 4, 6, 8, 10], 20)
    assert Layout((11,), (10,)) in layouts([9, 11, 12, 19], [10], 20)
    # who may serve all up to 6 and some up to 7 keeps 6: it serves everybody
    assert Layout((7, 19), (6,)) in layouts([7, 19], [6, 7], 20)


def test_limits_that_lie_close_are_tried_once() -> None:
    assert {step for one in layouts([4, 5, 9, 12, 19, 20], [], 20) for step in one.own} == {
        5,
        9,
        12,
        19,
    }
