"""Engine over simulator: the simulator's lines, the engine's marks with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from orchestrator.evaluation.figures import draw, sweeps
from orchestrator.evaluation.figures.values import Values

__all__ = ["over_one_another", "users"]

RESPONSE = "response_by_slot_ms"
# road -> how it is drawn, and how far beside the point, so that intervals can be told apart
ROADS: dict[str, tuple[dict[str, Any], float]] = {
    "simulated": ({"linestyle": "-", "marker": ""}, 0.0),
    "virtual time": ({"linestyle": "", "marker": "o"}, -0.25),
    "between processes": ({"linestyle": "", "marker": "D"}, 0.25),
}


def over_one_another(simulated: Values, engine: Values, path: Path) -> None:
    """The three panels of a sweep; `path` ends in .png."""
    figure, axes = draw.panels(len(draw.PANELS))
    policies = engine.policies()
    for one, (metric, scale, title) in zip(axes, draw.PANELS, strict=True):
        for policy in reversed(policies):
            style = draw.STYLE[policy]
            mean, half = (scale * value for value in simulated.means(policy, metric))
            line = {key: style[key] for key in ("color", "linestyle")}
            one.plot(simulated.x, mean, lw=1.2, **line)
            one.fill_between(
                simulated.x, mean - half, mean + half, color=style["color"], alpha=0.15, lw=0
            )
            mean, half = (scale * value for value in engine.means(policy, metric))
            one.errorbar(
                engine.x,
                mean,
                half,
                label=draw.LABEL[policy],
                linestyle="",
                color=style["color"],
                marker=style["marker"],
                ms=5,
                capsize=2,
                elinewidth=0.8,
                zorder=3,
            )
        one.set_xticks(engine.x)
        one.set_xlabel(sweeps.SWEEPS[engine.figure].label, fontsize=8)
        one.set_title(title, fontsize=9, loc="left")
    draw.legend(figure, axes[0], [draw.LABEL[policy] for policy in policies])
    draw.save(
        figure,
        f"marks: the engine in virtual time; lines and bands: the simulator; {engine.seeds} seeds, "
        f"{engine.slots:,} slots; means with 95 % intervals",
        path,
    )


def users(roads: Mapping[str, Values], path: Path) -> None:
    """Response against users, a mark for each of ROADS, a colour for each policy; `path` ends in
    .png."""
    figure, (axes,) = draw.panels(1)
    figure.set_size_inches(5.6, 3.8)
    first = next(iter(roads.values()))
    for road, values in roads.items():
        for policy in values.policies():
            _road(axes, road, values, policy)
    axes.set_xticks(first.x)
    axes.set_xlabel(sweeps.SWEEPS["fig8"].label, fontsize=8)
    axes.set_title("response time (ms)", fontsize=9, loc="left")
    order = [f"{draw.LABEL[policy]}, {road}" for policy in first.policies() for road in roads]
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        [handles[labels.index(label)] for label in order],
        order,
        ncols=len(first.policies()),
        fontsize=7,
        frameon=False,
        loc="outside upper center",
    )
    draw.save(
        figure,
        f"{first.seeds} seeds, {first.slots} slots on every road; means with 95 % intervals",
        path,
    )


def _road(axes: Axes, road: str, values: Values, policy: str) -> None:
    """One policy on one road."""
    style, beside = ROADS[road]
    mean, half = values.means(policy, RESPONSE)
    axes.errorbar(
        np.array(values.x) + beside,
        mean,
        half,
        label=f"{draw.LABEL[policy]}, {road}",
        color=draw.STYLE[policy]["color"],
        ms=4,
        lw=1.2,
        capsize=2,
        elinewidth=0.8,
        mfc="white" if road == "between processes" else None,
        **style,
    )
