"""Ticks of an engine, kept until the centre collects them: when each ran, and for how many."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from midstep.clock import Clock

__all__ = ["MOST_TICKS", "Tick", "TickLog"]

MOST_TICKS = 100_000  # that wait to be collected; beyond, the oldest are lost


@dataclass(frozen=True, slots=True)
class Tick:
    """One tick of an engine, scenario seconds: its start, its whole length, its time in the
    denoiser, and the requests that it advanced."""

    start_s: float
    tick_s: float
    step_s: float
    batch: int


class TickLog:
    """Callback of an engine's ticks (`EngineStats.on_tick`) that keeps them, and calls `observe`
    with the same."""

    def __init__(self, clock: Clock, observe: Callable[[int, float, float], None]) -> None:
        self._clock = clock
        self._observe = observe
        self._ticks: deque[Tick] = deque(maxlen=MOST_TICKS)

    def __call__(self, batch: int, step_s: float, tick_s: float) -> None:
        self._observe(batch, step_s, tick_s)
        # now, and not when the tick's work was done: no tick then reaches into the next
        start_s = self._clock.now() - tick_s
        self._ticks.append(Tick(start_s, tick_s, step_s, batch))

    def drain(self) -> list[Tick]:
        """The ticks since the last call."""
        ticks = list(self._ticks)
        self._ticks.clear()
        return ticks
