"""The figures of a run as it goes: what the dashboards show, from the rows that the run writes, a
row at a time.

A row costs the same whether it is the first or the millionth, and so does reading a figure: nothing
here grows with the run, unless it is to keep the whole of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from midstep.scenario import Scenario
from orchestrator.records import fidelity, steps
from orchestrator.watch.tally import Row, Sample, Tally

__all__ = ["WINDOW", "EdgeFigures", "RunFigures"]

WINDOW = 20  # slots that rates, ratios and quantiles are taken over
HISTORY = 40  # slots that a sparkline shows
JUDGED = 4096  # requests, and slots, that the verdict so far is taken from, at most
JUDGED_EVERY = 5  # slots: it changes slowly, and is half the cost of a look at the figures
EVENTS = 5
_NEWEST = (  # what a slot's row may leave out: the last value that one had stands
    "loss",
    "k",
    "gap_to_exact",
    "updates",
    "drift_plus_penalty",
    "queue_s",
    "users",
    "edge_queue",
    "edge_in_flight",
    "store_bytes",
    "store_entries",
)


class EdgeFigures:
    """One edge's newest slots, or all of them where `window` is None."""

    def __init__(self, name: str, capacity: int, window: int | None) -> None:
        self.name = name
        self.capacity = capacity
        self.slots: deque[Row] = deque(maxlen=window)
        self.newest: dict[str, Any] = {}
        self.rate: deque[float | None] = deque(maxlen=HISTORY)  # requests a second, a slot each
        self.hits: deque[float | None] = deque(maxlen=HISTORY)
        self.backlog: deque[float | None] = deque(maxlen=HISTORY)
        self._window = window
        self._tallies: dict[int, Tally] = {}

    def request(self, row: Row) -> None:
        """A finished request."""
        slot = row["slot"] if self._window is not None else 0
        if slot not in self._tallies:
            self._tallies[slot] = Tally()
        self._tallies[slot].add(row)

    def slot(self, row: Row, slot_seconds: float) -> None:
        """A slot that ended; what is older than the window is forgotten."""
        self.slots.append(row)
        for name in _NEWEST:
            if row.get(name) is not None:
                self.newest[name] = row[name]
        self.rate.append(row["requests"] / slot_seconds)
        self.hits.append(row["hits"] / row["requests"] if row["requests"] else None)
        self.backlog.append(row["queue_s"])
        if self._window is not None:
            for old in [slot for slot in self._tallies if slot <= row["slot"] - self._window]:
                del self._tallies[old]

    @property
    def tally(self) -> Tally:
        """Statistics of the window's requests."""
        return Tally.of(self._tallies.values())

    @property
    def requests(self) -> int:
        """Requests that ended in the window's slots."""
        return sum(slot["requests"] for slot in self.slots)

    @property
    def hit_ratio(self) -> float | None:
        """The hit ratio of the window's slots; None without a request."""
        return sum(slot["hits"] for slot in self.slots) / self.requests if self.requests else None

    @property
    def decision_s(self) -> float | None:
        """Mean time the policy took to decide, seconds."""
        seconds = [slot["decision_s"] for slot in self.slots if slot["decision_s"] is not None]
        return sum(seconds) / len(seconds) if seconds else None


class RunFigures:
    """A run in numbers that stay up to date. `whole`: over all of the run instead of its newest
    slots."""

    def __init__(self, scenario: Scenario, whole: bool = False) -> None:
        self.scenario = scenario
        self.whole = whole
        window = None if whole else WINDOW
        self.edges = {
            edge.name: EdgeFigures(edge.name, edge.capacity, window) for edge in scenario.edges
        }
        self.results: Counter[str] = Counter()
        self.frame_bytes = 0  # over the air, since the start
        self.events: deque[Row] = deque(maxlen=EVENTS)
        self.last_slot = -1
        self.final_verdict: str | None = None  # of a run that ended
        self._rows = Sample(None if whole else JUDGED)
        self._slots = Sample(None if whole else JUDGED)
        self._errors: list[fidelity.Error] = []
        self._steps_fault: str | None = None  # the first
        self._measured = -JUDGED_EVERY  # the slot in which that was

    def add(
        self, requests: Iterable[Row], slots: Iterable[Row], events: Iterable[Row] = ()
    ) -> None:
        """Read what is new since the last call: rows of requests.parquet, of slots.parquet, and
        events."""
        for row in requests:
            self.results[row["result"]] += 1
            if row["result"] == "done":
                self.frame_bytes += row["frame_bytes"] or 0
                self._edge(row["edge"]).request(row)
                self._rows.add(row)
                if self._steps_fault is None:
                    why = steps.fault(row, self.scenario.model.steps)
                    self._steps_fault = why and f"the steps of {row['request_id']} are wrong: {why}"
        for slot in slots:
            self._edge(slot.get("edge")).slot(slot, self.scenario.slot_seconds)
            self.last_slot = max(self.last_slot, slot["slot"])
            self._slots.add(slot)
        self.events.extend(events)

    @property
    def at_s(self) -> float:
        """Scenario seconds at the end of the newest slot."""
        return (self.last_slot + 1) * self.scenario.slot_seconds

    @property
    def window_s(self) -> float:
        """Scenario seconds that rates are taken over, at least one slot."""
        slots = max((len(edge.slots) for edge in self.edges.values()), default=0)
        return max(1, slots) * self.scenario.slot_seconds

    @property
    def users(self) -> int | None:
        """Devices that the run has; None where no slot's row says."""
        users = [edge.newest["users"] for edge in self.edges.values() if "users" in edge.newest]
        return sum(users) if users else None

    def errors(self) -> list[fidelity.Error]:
        """The emulator's own errors so far; of a long run, from every k-th request."""
        if self.last_slot - self._measured >= JUDGED_EVERY:
            self._errors = fidelity.measure(
                self._rows.rows, self._slots.rows, self.scenario.slot_seconds
            )
            self._measured = self.last_slot
        return self._errors

    def verdict(self) -> str:
        """The run's own verdict where it has ended, else what it would be now."""
        if self.final_verdict is not None:
            return self.final_verdict
        done = self.results["done"]
        if not done:
            return "nothing is finished yet"
        faults = () if self._steps_fault is None else (self._steps_fault,)
        return fidelity.verdict(self.errors(), done, faults)

    def _edge(self, name: str | None) -> EdgeFigures:
        """A row of an edge that the scenario does not name belongs to the only one that there
        is."""
        return self.edges.get(name or "") or next(iter(self.edges.values()))
