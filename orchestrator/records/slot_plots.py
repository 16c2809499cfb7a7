"""The report's plots of slots: what a run did over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.records.canvas import (
    BLUE,
    GREEN,
    GREY,
    RED,
    SAND,
    VIOLET,
    Plot,
    finish,
    open_axes,
    right,
)

__all__ = ["SlotPlots"]

Rows = Sequence[dict[str, Any]]
WINDOW = 10  # slots of a moving mean
HEADROOM = 1.06  # a curve's highest point does not touch the frame
FOOTROOM = -0.02
SIDEROOM = 1.01


@dataclass(frozen=True, kw_only=True)
class SlotPlots:
    """The slots of one edge, `slot_seconds` long each. What lies before the first of them is a
    warm-up. `events_s`: when events of the timeline happened."""

    slots: Rows
    slot_seconds: float
    events_s: Sequence[float] = ()

    def hits(self, name: str) -> Plot:
        """Hit ratio (moving over WINDOW slots) and the store's fill."""
        figure, axes = self._open("Hit ratio and what is stored", "hit ratio")
        at = self._ends(self.slots)
        hits, requests = (
            np.convolve([slot[column] for slot in self.slots], np.ones(WINDOW))[: len(at)]
            for column in ("hits", "requests")
        )
        ratio = np.where(requests > 0, hits / np.maximum(requests, 1), np.nan)
        axes.plot(at, ratio, color=BLUE, label=f"hit ratio, last {WINDOW} slots")
        axes.set_ylim(FOOTROOM, 1.02)
        fill = [_number(slot["store_bytes"]) / 1e3 for slot in self.slots]
        if not np.all(np.isnan(fill)):
            other = right(axes, "stored (KB)", GREEN)
            other.plot(at, fill, color=GREEN, lw=1, label="stored (right)")
            _from_zero(other, fill)
        return finish(name, figure)

    def users(self, name: str) -> Plot | None:
        """Devices and the edge's queue, where users came or went."""
        known = [slot for slot in self.slots if slot["users"] is not None]
        if len({slot["users"] for slot in known}) < 2:
            return None
        figure, axes = self._open("Devices, and requests that wait at the edge", "devices")
        at = self._ends(known)
        users = [slot["users"] for slot in known]
        axes.step(at, users, where="post", color=BLUE, label="devices")
        _from_zero(axes, users)
        queue = [_number(slot["edge_queue"]) for slot in known]
        other = right(axes, "requests", RED)
        other.plot(at, queue, color=RED, lw=1, label="waiting (right)")
        _from_zero(other, queue)
        return finish(name, figure)

    def backlog(self, name: str) -> Plot:
        """Q of (23) and the slots' mean miss latency."""
        figure, axes = self._open("Backlog Q of (23), and what misses took", "seconds")
        at = self._ends(self.slots)
        backlog = [_number(slot["queue_s"]) for slot in self.slots]
        latency = [slot["latency_avg_s"] or np.nan for slot in self.slots]
        if not np.all(np.isnan(backlog)):
            axes.plot(at, backlog, color=VIOLET, label="Q")
        axes.plot(at, latency, ".", ms=4, color=RED, label="a slot's misses, mean")
        _from_zero(axes, [*backlog, *latency])
        return finish(name, figure)

    def gap(self, name: str) -> Plot | None:
        """Regret: each slot's gap to the exact P2, and its mean over the last WINDOW that have
        one; gaps beyond the scale are drawn at its edge and counted."""
        known = [slot for slot in self.slots if slot["gap_to_exact"] is not None]
        if not known:
            return None
        figure, axes = self._open("Gap to exact P2, in hindsight", "gap to exact")
        at = self._ends(known)
        gaps = np.array([slot["gap_to_exact"] for slot in known])
        sums = np.convolve(gaps, np.ones(WINDOW))[: len(gaps)]
        means = sums / np.minimum(np.arange(len(gaps)) + 1, WINDOW)
        top = max(1.05, float(np.percentile(gaps, 95)), HEADROOM * float(means.max()))
        within = gaps <= top
        axes.plot(at[within], gaps[within], ".", ms=4, color=SAND, label="a slot's")
        if not np.all(within):
            axes.plot(
                at[~within],
                np.full(np.count_nonzero(~within), 0.98 * top),
                "^",
                ms=4,
                color=SAND,
                label=f"beyond the scale ({np.count_nonzero(~within)})",
            )
        axes.plot(at, means, color=RED, label=f"mean of the last {WINDOW}")
        axes.set_ylim(FOOTROOM * top + min(0.0, float(gaps.min())), top)
        return finish(name, figure)

    def learning(self, name: str) -> Plot | None:
        """Training loss and the number of candidates K."""
        known = [slot for slot in self.slots if slot["loss"] is not None]
        if not known:
            return None
        figure, axes = self._open("Training loss and candidates K", "training loss")
        at = self._ends(known)
        losses = [slot["loss"] for slot in known]
        axes.plot(at, losses, ".-", ms=4, lw=1, color=VIOLET, label="loss")
        _from_zero(axes, losses)
        candidates = [_number(slot["k"]) for slot in known]
        if not np.all(np.isnan(candidates)):
            other = right(axes, "candidates K", GREEN)
            other.step(at, candidates, where="post", color=GREEN, lw=1, label="K (right)")
            _from_zero(other, candidates)
        return finish(name, figure)

    def _open(self, title: str, y: str) -> tuple[Figure, Axes]:
        figure, axes = open_axes(title, "time (s)", y)
        axes.set_xlim(0, SIDEROOM * float(self._ends(self.slots)[-1]))
        begin_s = self.slots[0]["start_s"]
        if begin_s > 0:
            axes.axvspan(0, begin_s, color=GREY, alpha=0.2, lw=0, label="not measured")
        for number, at_s in enumerate(self.events_s):
            label = "an event" if number == 0 else None
            axes.axvline(at_s, color=GREY, lw=0.8, ls=":", label=label)
        return figure, axes

    def _ends(self, slots: Rows) -> np.ndarray[Any, Any]:
        return np.array([slot["start_s"] + self.slot_seconds for slot in slots])


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _from_zero(axes: Axes, values: Sequence[float]) -> None:
    """A scale from 0, where points are still whole, to a little above the largest value."""
    known = [value for value in values if np.isfinite(value)]
    top = HEADROOM * max(known) if known and max(known) > 0 else 1
    axes.set_ylim(FOOTROOM * top, top)
