"""Which steps a cache may keep. For each point alike those are taken with which its rule saves
most, on a stream that is not counted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from orchestrator.evaluation.reuse_curve.shelf import Layout

__all__ = ["layouts"]

MOST_STEPS = 4  # that are tried, alone and two together


def layouts(own: Sequence[int], rule: Sequence[int], steps: int) -> list[Layout]:
    """Layouts worth trying. `own`: limits of requests for their own prompts' outputs; `rule`: of
    other prompts'. The last one keeps every step that the rule names."""
    wanted = sorted({min(step, steps - 1) for step in (*own, *rule) if step})
    while len(wanted) > MOST_STEPS:  # of the closest two the earlier goes: they say the same
        gaps = [after - before for before, after in pairwise(wanted)]
        wanted.pop(gaps.index(min(gaps)))
    owns = [(step,) for step in wanted] + [*combinations(wanted, 2)]
    commons = [(), *((step,) for step in sorted({min(rule), max(rule)} if rule else ()))]
    tried = [
        Layout(kept_steps, common)
        for kept_steps in owns
        for common in commons
        if not {*common} & {*kept_steps}
    ]
    if len({*rule}) > 2:
        tried.append(Layout(tuple(sorted({*rule}))))
    return tried
