"""Ticks at a profile's pace: a machine that is faster waits, and how fast it is stands beside."""

from __future__ import annotations

from dataclasses import dataclass, replace

from midstep.clock import Clock
from midstep.diffusion.profile import StepProfile

__all__ = ["MachinePace", "TickPace", "TickTotals"]


@dataclass(kw_only=True)
class TickTotals:
    """Ticks of a real denoiser under a profile, scenario seconds: what they took to compute, what
    the profile says of the same batches (an edge that is slowed down has longer), and how long they
    were held."""

    ticks: int = 0
    computed_s: float = 0.0
    profiled_s: float = 0.0
    held_s: float = 0.0

    def plus(self, other: TickTotals) -> TickTotals:
        """The totals of both."""
        return TickTotals(
            ticks=self.ticks + other.ticks,
            computed_s=self.computed_s + other.computed_s,
            profiled_s=self.profiled_s + other.profiled_s,
            held_s=self.held_s + other.held_s,
        )


class TickPace:
    """Lets each tick of an engine end when the profile says.

    Ticks that follow one another are due one profiled tick after the other's due instant, as a
    device's pictures are: a timer that fires late, or one slow tick, delays none of those behind.
    Where the machine cannot follow, it goes on at its own speed; once the engine has been idle,
    nothing is owed. Virtual time is never late, and what it computes takes none of it.
    """

    def __init__(self, profile: StepProfile, clock: Clock, *, computes: bool) -> None:
        self.slowness = 1.0  # how many times as long as the profile says a tick takes
        self._profile = profile
        self._clock = clock
        self._computes = computes and not clock.virtual
        self._due_s: float | None = None  # of the tick before, where the engine was not idle since
        self.totals = TickTotals()

    def rest(self) -> None:
        """Note that the engine has nothing to do: the next tick begins when it begins."""
        self._due_s = None

    async def hold(self, start_s: float, batch: int, entering: int, calls: int) -> float | None:
        """Return when a tick that began at `start_s` is due: `calls` of the network with `batch`
        requests, `entering` of which had their text encoded. Its commanded seconds where nothing
        was computed, None where the denoiser's own count."""
        step_s = calls * self._profile.step(batch)
        tick_s = self.slowness * (step_s + self._profile.encode_s * entering)
        begins = start_s if self._due_s is None or self._clock.virtual else self._due_s
        due = begins + tick_s
        self._due_s = due
        if not self._computes:
            await self._clock.sleep_until(due)
            return tick_s
        now = self._clock.now()
        self.totals.ticks += 1
        self.totals.computed_s += now - start_s
        self.totals.profiled_s += tick_s
        if now < due:
            self.totals.held_s += due - now
            await self._clock.sleep_until(due)
        return None


@dataclass(frozen=True, kw_only=True)
class MachinePace:
    """An edge's machine against its profile, scenario seconds of one step of one request.

    `step_s` is the profile's (of the name `profile`), or what was measured before the run where
    the scenario names none; `measured_s` is that measurement, None of a paced or virtual edge,
    whose machine computes nothing or takes no time for it, and `spread` its spread. `ticks` are
    those of the run.
    """

    step_s: float
    profile: str | None = None
    measured_s: float | None = None
    spread: float | None = None
    ticks: TickTotals | None = None

    def since(self, before: MachinePace | None) -> MachinePace:
        """The same with the ticks of one whose place this one has taken."""
        if before is None or before.ticks is None or self.ticks is None:
            return self
        return replace(self, ticks=self.ticks.plus(before.ticks))

    @property
    def slowness(self) -> float | None:
        """Measured before the run, as a multiple of the profile's; None without both."""
        if self.profile is None or self.measured_s is None:
            return None
        return self.measured_s / self.step_s

    @property
    def slowness_in_run(self) -> float | None:
        """What the run's ticks took, as a multiple of what the profile says of them."""
        if self.ticks is None or not self.ticks.profiled_s:
            return None
        return self.ticks.computed_s / self.ticks.profiled_s
