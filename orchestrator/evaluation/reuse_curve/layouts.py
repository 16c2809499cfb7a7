"""Which steps a cache may keep. For each point alike those are taken with which its rule saves
most, on a stream that is not counted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from orchestrator.evaluation.reuse_curve.shelf import Layout

__all__ = ["layouts"]

MOST_STEPS = 4  # of the requests' own limits that are tried, alone and two together


def layouts(own: Sequence[int], rule: Sequence[int], steps: int) -> list[Layout]:
    """Layouts worth trying. `own`: limits of requests for their own prompts' outputs, which every
    rule gets; `rule`: limits of other prompts'. With `rule` also its first step, its furthest or a
    middle one beside them, of every prompt or of one: the first serves whoever is served at all;
    and all that it names, as who published it may do."""
    limits = sorted({min(step, steps - 1) for step in own if step})
    while len(limits) > MOST_STEPS:  # of the closest two the earlier goes: they say the same
        gaps = [after - before for before, after in pairwise(limits)]
        limits.pop(gaps.index(min(gaps)))
    alone = [(step,) for step in limits]
    tried = [Layout(kept_steps) for kept_steps in (*alone, *combinations(limits, 2))]
    if rule:
        of_rule = sorted({*rule})
        own_alone = [*tried]
        for step in sorted({of_rule[0], of_rule[len(of_rule) // 2], of_rule[-1]}):
            tried += [Layout(one.own, (step,)) for one in own_alone if step not in one.own]
            tried += [Layout(tuple(sorted({*one, step}))) for one in ((), *alone)]
        tried.append(Layout(tuple(of_rule)))
    return [*dict.fromkeys(tried)]
