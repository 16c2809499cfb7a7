"""Progress in the terminal: one table that is renewed where there is a terminal, a line every few slots elsewhere."""

from __future__ import annotations

import sys
from collections import deque

from rich.console import Console
from rich.live import Live
from rich.table import Table

from midstep.scenario import Scenario
from orchestrator.recorder import Recorder
from orchestrator.slots import Glance

WINDOW = 20  # slots that rates and latencies are averaged over
STAGES = ("queue", "edge", "transfer", "device", "overhead")


class Progress:
    """Shows a run while it goes; a context manager."""

    def __init__(self, scenario: Scenario, recorder: Recorder) -> None:
        self._scenario, self._recorder = scenario, recorder
        self._console = Console(file=sys.stderr)
        self._live = Live(console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._seen: deque[int] = deque(maxlen=WINDOW)

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

    def show(self, glance: Glance) -> None:
        """One slot later."""
        cells = self._cells(glance)
        if self._live is not None:
            table = Table(box=None, pad_edge=False)
            for name, _ in cells:
                table.add_column(name, justify="right", style="bold")
            table.add_row(*(value for _, value in cells))
            self._live.update(table)
        elif glance.row.slot % 5 == 4:
            self.say("  ".join(f"{name} {value}" for name, value in cells))

    def _cells(self, glance: Glance) -> list[tuple[str, str]]:
        recent = self._recorder.slots[-WINDOW:]
        requests, hits = sum(r.requests for r in recent), sum(r.hits for r in recent)
        since = recent[0].slot if recent else 0
        rows = [r for r in self._recorder.rows.values() if r.result == "done" and r.slot >= since]
        seconds = max(1, len(recent)) * self._scenario.slot_seconds
        cells = [
            ("t", f"{glance.at_s:.0f} s"),
            ("users", str(glance.devices)),
            ("done", str(sum(r.result == "done" for r in self._recorder.rows.values()))),
            ("req/min", f"{60 * requests / seconds:.0f}"),
            ("hits", f"{hits / requests:.0%}" if requests else "-"),
            ("Q", "-" if glance.row.queue_s is None else f"{glance.row.queue_s:.2f} s"),
            ("edge queue", "-" if glance.edge is None else f"{glance.edge.queue}+{glance.edge.in_flight}"),
        ]
        for stage in STAGES:
            mean = sum(getattr(r, f"{stage}_s") or 0.0 for r in rows) / len(rows) if rows else 0.0
            cells.append((stage, f"{1e3 * mean:.0f} ms"))
        return cells
