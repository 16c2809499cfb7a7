"""The usual cut of a run, for estimates of load."""

from __future__ import annotations

from typing import Any

from midstep.scenario_file import parse
from orchestrator.live.usual_cut import usual_cut
from tests import paced

S = 20
SMALLEST_LIMIT = 9  # of the shipped model's table: endings of size


def cut(split_step: int = 6, **changes: Any) -> float:
    tree = paced.tree(**changes)
    tree["model"]["split_step"] = split_step
    return usual_cut(parse(tree))


def test_a_fixed_step_past_the_limits_is_not_reached() -> None:
    fixed = {"rule": "fixed"}
    assert cut(SMALLEST_LIMIT - 1, cut=fixed) == SMALLEST_LIMIT - 1
    assert SMALLEST_LIMIT < cut(S - 2, cut=fixed) < S - 2
    assert cut(S - 2, cut=fixed) < cut(cut={"rule": "limit"}) < S


def test_outputs_that_nobody_shares_are_cut_up_to_the_last_step() -> None:
    """Their users ask for their whole prompts, which the output follows to its end."""
    for rule in ("fixed", "auto"):
        assert cut(policy={"name": "final"}, cut={"rule": rule}) == S
    assert cut(policy={"name": "split"}, cut={"rule": "limit"}) == S
    assert cut(workload={"core": "whole"}, cut={"rule": "limit"}) == S
    assert cut(policy={"name": "split"}, cut={"rule": "fixed"}) == 6
