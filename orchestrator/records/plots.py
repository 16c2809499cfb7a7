"""The report's plots: those of requests and those of slots, one list an edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.records.canvas import Plot
from orchestrator.records.request_plots import (
    by_class,
    by_cut,
    by_reuse,
    responses,
    stages,
    steps,
)
from orchestrator.records.slot_plots import SlotPlots

__all__ = ["draw"]


def draw(done: Sequence[dict[str, Any]], slots: SlotPlots, prefix: str = "") -> list[Plot]:
    """The plots of finished requests and slots of one edge; each name starts with `prefix`. What
    has no value has no plot."""
    plots = list[Plot | None]()
    for what, groups in (("kind of reuse", by_reuse(done)), ("device class", by_class(done))):
        ending = "" if what == "kind of reuse" else "-by-class"
        if groups and (not ending or len(groups) > 1):
            plots.append(stages(f"{prefix}stages{ending}", what, groups))
            plots.append(responses(f"{prefix}responses{ending}", what, groups))
    if done:
        plots.append(steps(f"{prefix}steps", "kind of reuse", by_reuse(done)))
    if len(cuts := by_cut(done)) > 1:
        plots.append(stages(f"{prefix}stages-by-cut", "step of the cut", cuts))
    if slots.slots:
        plots += [
            slots.hits(f"{prefix}hits"),
            slots.users(f"{prefix}users"),
            slots.backlog(f"{prefix}backlog"),
            slots.gap(f"{prefix}gap"),
            slots.learning(f"{prefix}learning"),
        ]
    return [plot for plot in plots if plot is not None]
