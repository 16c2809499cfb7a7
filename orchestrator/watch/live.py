"""Progress of a run in its own terminal: the figures of `midstep top`; a line every few slots where
there is none."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.live import Live

from midstep.scenario import Scenario
from orchestrator.records.recorder import Recorder
from orchestrator.records.rows import SlotProgress
from orchestrator.watch.run_figures import RunFigures
from orchestrator.watch.screen import Screen
from orchestrator.watch.tally import Tally

__all__ = ["Progress"]

STAGES = ("uplink", "queue", "edge", "transfer", "device", "overhead")
REDRAW_S = 0.5  # of the wall: slots of virtual time would have it drawn all the time


class Progress:
    """Shows a run while it goes, or nothing where it is `quiet`; a context manager."""

    def __init__(self, scenario: Scenario, recorder: Recorder, quiet: bool = False) -> None:
        self._recorder = recorder
        self._console = Console(file=sys.stderr, quiet=quiet)
        if self._console.is_jupyter:  # what rich shows in a notebook needs the kernel's own thread
            self._console = Console(
                file=sys.stderr, quiet=quiet, force_jupyter=False, force_terminal=False
            )
        self._live = (
            Live(console=self._console, auto_refresh=False)
            if self._console.is_terminal and not quiet
            else None
        )
        self._quiet = quiet
        self._figures = RunFigures(scenario)
        self._events = 0  # that the figures have
        self._drawn = -REDRAW_S

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, progress: SlotProgress) -> None:
        """A slot has ended."""
        if self._quiet:
            return
        self._take_in(progress)
        if self._live is None:
            if self._figures.last_slot % 5 == 4:
                self.say("  ".join(f"{name} {value}" for name, value in self._cells(progress)))
        elif time.monotonic() - self._drawn >= REDRAW_S:
            self._live.update(Screen(self._figures, "running"), refresh=True)
            self._drawn = time.monotonic()

    def _take_in(self, progress: SlotProgress) -> None:
        events = self._recorder.events
        self._figures.add(
            (vars(row) for row in progress.requests),
            (vars(slot) for slot in progress.rows),
            events[self._events :],
        )
        self._events = len(events)

    def _cells(self, progress: SlotProgress) -> list[tuple[str, str]]:
        figures = self._figures
        edges = list(figures.edges.values())
        tally = Tally.of(edge.tally for edge in edges)
        requests = sum(edge.requests for edge in edges)
        hits = sum(slot["hits"] for edge in edges for slot in edge.slots)
        backlogs = [edge.newest["queue_s"] for edge in edges if "queue_s" in edge.newest]
        waiting = [edge.newest for edge in edges if "edge_queue" in edge.newest]
        queue, at_work = (
            sum(newest[name] for newest in waiting) for name in ("edge_queue", "edge_in_flight")
        )
        users = figures.scenario.users if figures.users is None else figures.users
        cells = [
            ("t", f"{progress.at_s:.0f} s"),
            ("users", str(users)),
            ("done", str(figures.results["done"])),
            ("req/min", f"{60 * requests / figures.window_s:.0f}"),
            ("hits", f"{hits / requests:.0%}" if requests else "-"),
            ("cut", f"{tally.mean_cut:.1f}" if tally.mean_cut is not None else "-"),
            ("saved steps/s", f"{tally.saved_steps / figures.window_s:.1f}"),
            ("Q", f"{max(backlogs):.2f} s" if backlogs else "-"),
            ("edge queue", f"{queue}+{at_work}" if waiting else "-"),
        ]
        stages = STAGES if tally.mean_s("uplink") else STAGES[1:]  # nobody has start pictures
        cells += [(stage, f"{1e3 * (tally.mean_s(stage) or 0.0):z.0f} ms") for stage in stages]
        return cells
