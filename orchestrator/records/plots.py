"""The report's plots, as SVG text that stands in the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["backlog", "gap", "learning", "over_time", "responses", "stages", "users"]

Rows = Sequence[dict[str, Any]]
COLOURS = {
    "queue": "#9aa5b1",
    "edge": "#e07a5f",
    "transfer": "#f2cc8f",
    "device": "#3d7ea6",
    "overhead": "#444444",
}
REUSE = {
    "computed": "#e07a5f",
    "exact": "#3d7ea6",
    "shared": "#81b29a",
    "final": "#6d597a",
    "similar": "#f2cc8f",
}


def stages(done: Rows) -> str:
    """Mean seconds of each stage, by the kind of reuse."""
    figure, axes = _axes("mean stage time (s)", "")
    kinds = [kind for kind in REUSE if any(row["reuse"] == kind for row in done)]
    left = np.zeros(len(kinds))
    for stage, colour in COLOURS.items():
        means = [
            float(np.mean([r[f"{stage}_s"] for r in done if r["reuse"] == kind])) for kind in kinds
        ]
        axes.barh(kinds, means, left=left, color=colour, label=stage)
        left += means
    axes.legend(ncols=5, fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return _svg(figure)


def responses(done: Rows) -> str:
    """Distribution of response times, by the kind of reuse."""
    figure, axes = _axes("response time (s)", "share of requests")
    for kind, colour in REUSE.items():
        times = np.sort([row["total_s"] for row in done if row["reuse"] == kind])
        if times.size:
            axes.step(
                times,
                np.arange(1, times.size + 1) / times.size,
                where="post",
                color=colour,
                label=f"{kind} ({times.size})",
            )
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure)


def over_time(slots: Rows, tau: float) -> str:
    """Hit ratio (moving over 10 slots) and the store's fill."""
    figure, axes = _axes("time (s)", "hit ratio")
    at = np.array([slot["start_s"] + tau for slot in slots])
    window = np.ones(10)
    hits, requests = (
        np.convolve([slot[column] for slot in slots], window)[: len(slots)]
        for column in ("hits", "requests")
    )
    axes.plot(
        at,
        np.where(requests > 0, hits / np.maximum(requests, 1), np.nan),
        color="#3d7ea6",
        label="hit ratio, last 10 slots",
    )
    axes.set_ylim(0, 1)
    other = axes.twinx()
    other.plot(
        at,
        [(slot["store_bytes"] or np.nan) / 1e3 for slot in slots],
        color="#81b29a",
        lw=1,
        label="store",
    )
    other.set_ylabel("store (KB)", color="#81b29a")
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return _svg(figure)


def users(slots: Rows, tau: float) -> str | None:
    """Devices and the edge's queue, where users came or went."""
    known = [slot for slot in slots if slot["users"] is not None]
    if len({slot["users"] for slot in known}) < 2:
        return None
    figure, axes = _axes("time (s)", "devices")
    at = [slot["start_s"] + tau for slot in known]
    axes.step(at, [slot["users"] for slot in known], where="post", color="#3d7ea6")
    axes.set_ylim(bottom=0)
    other = axes.twinx()
    other.plot(at, [slot["edge_queue"] for slot in known], color="#e07a5f", lw=1)
    other.set_ylabel("requests waiting at the edge", color="#e07a5f")
    other.set_ylim(bottom=0)
    return _svg(figure)


def backlog(slots: Rows, tau: float) -> str:
    """Q of (23) and the slot's mean miss latency."""
    figure, axes = _axes("time (s)", "seconds")
    at = [slot["start_s"] + tau for slot in slots]
    axes.plot(
        at,
        [np.nan if slot["queue_s"] is None else slot["queue_s"] for slot in slots],
        color="#6d597a",
        label="backlog Q",
    )
    latency = [slot["latency_avg_s"] or np.nan for slot in slots]
    axes.plot(at, latency, ".", ms=4, color="#e07a5f", label="mean latency of the slot's misses")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure)


def gap(slots: Rows, tau: float) -> str | None:
    """Regret: each slot's gap to the exact P2, and its mean over the last 10 that have one."""
    known = [slot for slot in slots if slot["gap_to_exact"] is not None]
    if not known:
        return None
    figure, axes = _axes("time (s)", "gap to exact")
    at = [slot["start_s"] + tau for slot in known]
    gaps = np.array([slot["gap_to_exact"] for slot in known])
    sums = np.convolve(gaps, np.ones(10))[: len(gaps)]
    axes.plot(at, gaps, ".", ms=4, color="#f2cc8f", label="a slot's")
    axes.plot(
        at,
        sums / np.minimum(np.arange(len(gaps)) + 1, 10),
        color="#e07a5f",
        label="mean of the last 10",
    )
    axes.set_ylim(0, max(1.05, float(np.percentile(gaps, 95))))
    axes.legend(fontsize=8, frameon=False)
    return _svg(figure)


def learning(slots: Rows, tau: float) -> str | None:
    """Training loss and the number of candidates K."""
    known = [slot for slot in slots if slot["loss"] is not None]
    if not known:
        return None
    figure, axes = _axes("time (s)", "training loss")
    at = [slot["start_s"] + tau for slot in known]
    axes.plot(at, [slot["loss"] for slot in known], ".-", ms=4, lw=1, color="#6d597a", label="loss")
    axes.set_ylim(bottom=0)
    other = axes.twinx()
    other.step(at, [slot["k"] for slot in known], where="post", color="#81b29a", lw=1)
    other.set_ylabel("candidates K", color="#81b29a")
    other.set_ylim(bottom=0)
    return _svg(figure)


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
