"""The backhaul of an edge: what comes from its neighbours is held until its bits have passed."""

from __future__ import annotations

from dataclasses import dataclass

from midstep.clock import Clock
from midstep.scenario import Backhaul as Settings

__all__ = ["Backhaul", "Passage"]


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What came over the backhaul: its bytes, when it was asked for and when its last bit was due,
    scenario seconds."""

    nbytes: int
    asked_s: float
    due_s: float


class Backhaul:
    """The line over which an edge's neighbours reach it: a request takes one way's latency, its
    answer another, and what is answered passes at `mbps`, one after the other."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._rate_bps = 1e6 * settings.mbps
        self._round_trip_s = 2e-3 * settings.latency_ms
        self._clock = clock
        self._free_at = 0.0

    def ready_s(self, nbytes: int) -> float:
        """How long so many bytes would take that were asked for now: round trip, wait behind what
        is on the line, and their own time."""
        now = self._clock.now()
        return self._due_s(now, nbytes) - now

    def book(self, nbytes: int, asked_s: float) -> Passage:
        """Let the answer to what was asked for at `asked_s` enter the line."""
        self._free_at = self._due_s(asked_s, nbytes)
        return Passage(nbytes=nbytes, asked_s=asked_s, due_s=self._free_at)

    async def hold(self, passage: Passage) -> None:
        """Return when it has passed, or at once where the wire was slower."""
        await self._clock.sleep_until(passage.due_s)

    def _due_s(self, asked_s: float, nbytes: int) -> float:
        begins = max(asked_s + self._round_trip_s, self._free_at)
        return begins + 8 * nbytes / self._rate_bps
