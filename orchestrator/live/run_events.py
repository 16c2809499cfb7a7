"""Events of a run, for whoever watches it: each is printed, recorded, and counted where it has a
metric."""

from __future__ import annotations

from midstep.clock import Clock
from midstep.scenario import Scenario
from midstep.telemetry.writers import RunMetrics
from orchestrator.live.timeline import Happening
from orchestrator.records.recorder import Recorder
from orchestrator.watch.live import Progress

__all__ = ["RunEvents"]


class RunEvents:
    """What a run says of itself. `deaths` are the lines of those that nobody planned."""

    def __init__(
        self, scenario: Scenario, clock: Clock, recorder: Recorder, progress: Progress
    ) -> None:
        self.deaths: list[str] = []
        self.metrics = RunMetrics(event.kind for event in scenario.timeline)
        self._grace_s = scenario.grace_s
        self._clock = clock
        self._recorder = recorder
        self._progress = progress

    def announce(self, text: str) -> None:
        """What a reader of the report should know, too."""
        self._progress.say(f"midstep: {text}")
        self.record(text)

    def record(self, text: str) -> None:
        """What a reader of the report alone should know."""
        self._recorder.event(self._clock.now(), text)

    def death(self, text: str) -> None:
        """A death, and what follows from it."""
        self.deaths.append(text)
        self.metrics.event("died")
        self.announce(text)

    def scaled(self, text: str) -> None:
        """Users that came or went."""
        self.metrics.event("scaled")
        self.announce(text)

    def happened(self, happening: Happening) -> None:
        """An event of the timeline."""
        if happening.phase != "failed":
            over = " over" if happening.phase == "over" else ""
            self.metrics.event(f"{happening.kind}{over}")
        text = f"{happening.kind}: {happening.text}"
        self._progress.say(f"midstep: {text}")
        self._recorder.event(
            self._clock.now(), text, happening.kind, happening.place, happening.phase
        )

    def interrupted(self, begun: bool) -> None:
        """The first interruption, of a run whose time has `begun` or has not."""
        if not begun:
            self._progress.say("midstep: stopped before the run began (again to stop at once)")
            return
        self.record("interrupted: no new requests, those in flight are awaited")
        self._progress.say(
            f"midstep: stopping; requests in flight are awaited for {self._grace_s:g} s "
            f"(again to stop at once)"
        )

    def ending(self, in_flight: int) -> None:
        """The users' end, while so many requests are in flight."""
        self._progress.say(f"midstep: waiting for {in_flight} requests in flight")
