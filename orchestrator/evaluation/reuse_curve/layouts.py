"""Which steps a cache keeps, chosen for each point alike: those with which its rule saves most, on
a stream that is not counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

from orchestrator.evaluation.reuse_curve.replay import Setting, World, replay
from orchestrator.evaluation.reuse_curve.shelf import Layout, Shelf

__all__ = ["best_layout", "layouts"]

MOST_STEPS = 5  # that are tried, alone and two together


def layouts(own: Sequence[int], rule: Sequence[int], steps: int) -> list[Layout]:
    """Layouts worth trying. `own`: limits of requests for their own prompts' outputs; `rule`: of
    other prompts'. The last one keeps every step that the rule names."""
    wanted = sorted({min(step, steps - 1) for step in (*own, *rule) if step})
    while len(wanted) > MOST_STEPS:  # of the closest two the earlier goes: they say the same
        gaps = [after - before for before, after in pairwise(wanted)]
        wanted.pop(gaps.index(min(gaps)))
    owns = [(step,) for step in wanted] + [*combinations(wanted, 2)]
    commons: list[tuple[int, ...]] = [(), *((step,) for step in sorted({*rule})[-MOST_STEPS:])]
    tried = [
        Layout(kept_steps, common)
        for kept_steps in owns
        for common in commons
        if not {*common} & {*kept_steps}
    ]
    if len({*rule}) > 2:
        tried.append(Layout(tuple(sorted({*rule}))))
    return tried


def best_layout(
    world: World, setting: Setting, tried: Sequence[Layout], shelf: Callable[[Layout], Shelf]
) -> Layout:
    """The layout of these with the most saved steps on a world's stream; of equals the first."""
    first = world.stream.warm_up

    def saved(layout: Layout) -> int:
        rows = replay(world, setting, shelf(layout))
        return sum(row.step for row in rows[first:])

    return max(tried, key=saved)
