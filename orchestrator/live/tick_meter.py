"""Seconds that a step takes at an edge, from its profile and what it has computed lately."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midstep.wire.messages_control import EdgeWork

__all__ = ["TickMeter"]


class TickMeter:
    """Seconds of one step of every request in a batch of the size that was usual lately: the
    profile's `tick_s` by batch size, from 1 on; without a profile, what ticks took."""

    def __init__(self, tick_s: Sequence[float] = ()) -> None:
        self._tick_s = tuple(tick_s)
        self._last: EdgeWork | None = None
        self.step_s = self._tick_s[0] if self._tick_s else 0.0

    def observe(self, work: EdgeWork | None) -> None:
        """Take note of an edge's work so far; a slot without a tick changes nothing."""
        if work is None:
            return
        last = self._last
        self._last = work
        ticks = work.ticks - (0 if last is None else last.ticks)
        if ticks <= 0:
            return
        if self._tick_s:
            batch = (work.steps - (0 if last is None else last.steps)) / ticks
            sizes = np.arange(1, len(self._tick_s) + 1)
            self.step_s = float(np.interp(batch, sizes, self._tick_s))
        else:
            self.step_s = (work.busy_s - (0.0 if last is None else last.busy_s)) / ticks
