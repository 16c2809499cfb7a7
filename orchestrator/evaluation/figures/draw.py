"""The figures as PNGs: one colour, marker and dash a policy, for the colour-blind (Okabe and Ito
2008) and in grey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from midstep.whole_file import replacing
from orchestrator.evaluation.figures import claims, convergence, quality, sweeps
from orchestrator.evaluation.figures.values import Effort, Values

__all__ = ["LABEL", "MARK", "PANELS", "STYLE", "draw", "legend", "panels", "save"]

STYLE: dict[str, dict[str, Any]] = {
    "ncldc": {"color": "#000000", "marker": "x", "linestyle": ":"},
    "dnn": {"color": "#009e73", "marker": "^", "linestyle": "-."},
    "oo": {"color": "#e69f00", "marker": "s", "linestyle": "--"},
    "drc": {"color": "#0072b2", "marker": "o", "linestyle": "-"},
    "drc-paper": {"color": "#8c8c8c", "marker": "v", "linestyle": "-"},
    "drc-item": {"color": "#a6a6a6", "marker": "D", "linestyle": "--"},
    "greedy": {"color": "#707070", "marker": "+", "linestyle": ":"},
}
LABEL = {
    "ncldc": "NCLDC",
    "dnn": "DNN",
    "oo": "OO",
    "drc": "DRC",
    "drc-paper": "DRC as printed",
    "drc-item": "drc-item",
    "greedy": "exact P2",
}
PANELS = (
    ("response_by_slot_ms", 1.0, "(a) response time (ms)"),
    ("hit_ratio", 100.0, "(b) hit ratio (%)"),
    ("saved_vs_ncldc_ms", 1.0, "(c) reduced time cost (ms per slot)"),
)
MARK = "#d55e00"  # what the paper says
DPI = 110


def draw(values: Values, effort: Effort, path: Path) -> None:
    """One figure; `path` ends in .png."""
    figure = _DRAW[values.figure](values)
    quick = "quick run: " if effort.quick else ""
    if values.figure == "fig7":
        note = f"{quick}{values.seeds} prompts, {quality.MODEL}; means with 95 % intervals"
    else:
        slots = convergence.slots(effort) if values.figure == "fig5" else effort.slots
        note = f"{quick}{values.seeds} seeds, {slots:,} slots; means with 95 % intervals"
    save(figure, note, path, warn=effort.quick)


def save(figure: Figure, note: str, path: Path, warn: bool = False) -> None:
    """Write a figure with a note below it; `warn`: in the colour that stands out."""
    figure.supxlabel(note, fontsize=7, color=MARK if warn else "#555555", x=0.995, ha="right")
    with replacing(path) as fresh:
        figure.savefig(fresh, dpi=DPI, format=path.suffix[1:])


def panels(count: int) -> tuple[Figure, Sequence[Axes]]:
    """A row of `count` axes."""
    figure = Figure(figsize=(3.4 * count + 0.4, 3.3), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, count)).tolist()
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="y", color="#e6e6e6", lw=0.6)
        one.set_axisbelow(True)
        one.tick_params(labelsize=8)
    return figure, axes


def legend(figure: Figure, axes: Axes, order: Sequence[str]) -> None:
    """One legend above all panels: the labels of `axes` in this order."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        [handles[labels.index(label)] for label in order],
        order,
        ncols=len(order),
        fontsize=8,
        frameon=False,
        loc="outside upper center",
    )


def _line(axes: Axes, values: Values, policy: str, metric: str, scale: float = 1.0) -> None:
    """A policy of the paper stands out; the others are thinner and on top: several are as good as
    DRC and would vanish behind it."""
    mean, half = values.means(policy, metric)
    main = policy in sweeps.PAPER
    size = 5.0 if main else 3.0
    axes.errorbar(
        values.x,
        scale * mean,
        scale * half,
        label=LABEL[policy],
        capsize=2,
        elinewidth=0.8,
        ms=8.0 if STYLE[policy]["marker"] == "+" else size,  # reaches beyond another's marker
        lw=1.6 if main else 0.9,
        zorder=2 if main else 3,
        mfc="white" if policy == "drc" else None,
        **STYLE[policy],
    )


def _sweep(values: Values) -> Figure:
    sweep = sweeps.SWEEPS[values.figure]
    figure, axes = panels(3)
    for one, (metric, scale, title) in zip(axes, PANELS, strict=True):
        for policy in reversed(values.policies()):
            _line(one, values, policy, metric, scale)
        one.set_xticks(values.x)
        one.set_xlabel(sweep.label, fontsize=8)
        one.set_title(title, fontsize=9, loc="left")
    if values.figure == "fig10" and "ncldc" in values.policies():
        local = values.means("ncldc", "response_by_slot_ms")[0]
        level = (1 - claims.BELOW_NCLDC) * local
        axes[0].plot(values.x, level, color=MARK, lw=1, dashes=(6, 3))
        axes[0].annotate(
            "22.35 % below NCLDC (paper)",
            (values.x[0], level[0]),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=7,
            color=MARK,
        )
    legend(figure, axes[0], [LABEL[policy] for policy in values.policies()])
    return figure


def _convergence(values: Values) -> Figure:
    figure, axes = panels(2)
    for one, (metric, scale, title) in zip(
        axes,
        (
            ("loss", 1.0, "(a) training loss (38)"),
            ("gap_to_exact", 100.0, "(b) gap to exact P2 (%)"),
        ),
        strict=True,
    ):
        for policy in values.policies():
            mean, half = (scale * v for v in values.means(policy, metric))
            style = {k: v for k, v in STYLE[policy].items() if k != "marker"}
            one.plot(values.x, mean, label=LABEL[policy], lw=1.4, **style)
            one.fill_between(
                values.x, mean - half, mean + half, color=style["color"], alpha=0.25, lw=0
            )
        one.set_xlabel("slot", fontsize=8)
        one.set_title(title, fontsize=9, loc="left")
        one.set_ylim(bottom=0)
        one.legend(fontsize=8, frameon=False)
    axes[0].axhline(claims.LOSS, color=MARK, lw=1, dashes=(6, 3))
    axes[0].annotate(
        "0.03 (paper)",
        (values.x[-1], claims.LOSS),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=7,
        color=MARK,
    )
    return figure


def _tradeoff(values: Values) -> Figure:
    """The cost as its change from the first point, seed by seed: seeds differ by more than V ever
    changes."""
    figure, axes = panels(2)
    change = Values(values.figure, values.seeds, values.slots, values.x)
    for point in values.points:
        change.points.append(
            {
                name: {
                    "change": list(
                        np.subtract(
                            metrics["system_cost_ms"], values.points[0][name]["system_cost_ms"]
                        )
                    )
                }
                for name, metrics in point.items()
            }
        )
    for policy in values.policies():
        _line(axes[0], change, policy, "change")
        _line(axes[1], values, policy, "queue_ms")
    lead = "drc" if "drc" in values.policies() else values.policies()[0]
    at = values.means(lead, "system_cost_ms")[0][0]
    titles = (f"(a) system cost, change from {at:,.0f} (ms per slot)", "(b) queue Q (ms)")
    for one, title in zip(axes, titles, strict=True):
        one.set_xlabel(sweeps.SWEEPS["fig6"].label, fontsize=8)
        one.set_title(title, fontsize=9, loc="left")
        one.legend(fontsize=8, frameon=False)
    mean = values.means(lead, "queue_ms")[0]
    axes[1].plot(
        values.x, mean[0] * np.array(values.x) / values.x[0], color=MARK, lw=1, dashes=(6, 3)
    )
    axes[1].annotate(
        "as V (paper)",
        (values.x[-1], mean[0] * values.x[-1] / values.x[0]),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        fontsize=7,
        color=MARK,
    )
    return figure


def _quality(values: Values) -> Figure:
    figure, axes = panels(2)
    names = (
        (quality.CONSECUTIVE, "(a) against the step before, as (1)"),
        (quality.FINAL, "(b) against the last step"),
    )
    for one, (name, title) in zip(axes, names, strict=True):
        mean, half = values.means(name, "psnr_db")
        one.errorbar(
            values.x,
            mean,
            half,
            color="#0072b2",
            marker="o",
            ms=3.5,
            lw=1.4,
            capsize=2,
            label=quality.MODEL,
        )
        one.plot(
            claims.PSNR_STEPS,
            claims.PSNR_DB,
            color=MARK,
            marker="s",
            dashes=(6, 3),
            ms=4,
            lw=1,
            label="20.285 to 30.216 dB (paper)",
        )
        one.axvspan(*claims.PSNR_STEPS, color="#eeeeee", lw=0, zorder=0)
        one.set_xticks([1, *range(5, int(values.x[-1]) + 1, 5)])
        one.set_xlabel("denoising step m", fontsize=8)
        one.set_ylabel("PSNR (dB)", fontsize=8)
        one.set_title(title, fontsize=9, loc="left")
        one.set_ylim(bottom=0)
        one.legend(fontsize=8, frameon=False)
    return figure


_DRAW = {
    "fig5": _convergence,
    "fig6": _tradeoff,
    "fig7": _quality,
    "fig8": _sweep,
    "fig9": _sweep,
    "fig10": _sweep,
}
