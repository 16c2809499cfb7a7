"""What changed around each event of a run's timeline, and when the run was as before again."""

from __future__ import annotations

import html
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from midstep.scenario import Scenario
from midstep.wire.messages import HITS
from orchestrator.records.markup import MISSING, number, section, table
from orchestrator.records.statistics import nearest_rank

__all__ = ["WITHIN", "Window", "effects", "effects_section", "window_s"]

Rows = Sequence[dict[str, Any]]

WITHIN = 0.1  # share by which hit ratio and p95 may still be worse than before
LEAST_S = 10.0
LEAST_SLOTS = 5


@dataclass(frozen=True, kw_only=True)
class Window:
    """A run in some seconds: `requests` that were finished, `lost` that came to no picture, the
    p95 of the finished ones (nearest rank, s), their hit ratio, the mean number of requests that
    waited at the edges, and the mean backlog Q (s). None where nothing is known."""

    requests: int
    lost: int
    p95_s: float | None
    hit_ratio: float | None
    waiting: float | None
    backlog_s: float | None


class _Record:
    """A run's rows in the order in which they ended, and its slots by when they did."""

    def __init__(self, rows: Rows, slots: Rows, slot_seconds: float) -> None:
        ended = [(_end_s(row, slot_seconds), row) for row in rows]
        ended.sort(key=lambda one: one[0])
        self._ended_s = [end_s for end_s, _ in ended]
        self._rows = [row for _, row in ended]
        by_end = defaultdict[float, list[dict[str, Any]]](list)
        for slot in slots:
            by_end[slot["start_s"] + slot_seconds].append(slot)
        self._slot_ends_s = sorted(by_end)
        self._slots = [by_end[end_s] for end_s in self._slot_ends_s]  # of all edges

    def ended(self, from_s: float, to_s: float) -> Rows:
        """Requests that ended from `from_s` on and before `to_s`."""
        return self._rows[bisect_left(self._ended_s, from_s) : bisect_left(self._ended_s, to_s)]

    def window(self, from_s: float, to_s: float) -> Window:
        rows = self.ended(from_s, to_s)
        done = _done(rows)
        ends_s = self._slot_ends_s
        slots = self._slots[bisect_right(ends_s, from_s) : bisect_right(ends_s, to_s)]
        queues = [known for group in slots if (known := _known(group, "edge_queue"))]
        backlogs = [known for group in slots if (known := _known(group, "queue_s"))]
        p95_s, hit_ratio = _p95_and_hits(done)
        return Window(
            requests=len(done),
            lost=len(rows) - len(done),
            p95_s=p95_s,
            hit_ratio=hit_ratio,
            waiting=_mean([sum(known) for known in queues]),
            backlog_s=_mean([max(known) for known in backlogs]),
        )


def window_s(slot_seconds: float) -> float:
    """How long the time before and after an event is that is compared, seconds: 10, or 5 slots."""
    return max(LEAST_S, LEAST_SLOTS * slot_seconds)


def effects(scenario: Scenario, rows: Rows, slots: Rows, events: Rows) -> list[dict[str, Any]]:
    """An entry for each time an event happened: when, its kind, place and text; until when it
    lasted (null: to the end); the windows `before` and `after`; and `back_s`, how long after it
    hit ratio and p95 were within 10 % of what they were before: null where they were not until the
    run's end, or where nothing is known of before. All requests count, also those of the
    warm-up."""
    record = _Record(rows, slots, scenario.slot_seconds)
    length_s = window_s(scenario.slot_seconds)
    entries = list[dict[str, Any]]()
    for index, event in enumerate(events):
        if event.get("phase") != "happened":
            continue
        at_s = event["at_s"]
        before = record.window(at_s - length_s, at_s)
        entries.append(
            {
                "at_s": at_s,
                "kind": event["kind"],
                "place": event["place"],
                "text": event["text"],
                "over_s": _over_s(events[index + 1 :], event["place"]),
                "window_s": length_s,
                "before": asdict(before),
                "after": asdict(record.window(at_s, at_s + length_s)),
                "back_s": _back_s(record, before, at_s, scenario),
            }
        )
    return entries


def effects_section(entries: Sequence[Mapping[str, Any]]) -> str:
    """The report's section on events: a line for each time one happened."""
    if not entries:
        return ""
    length_s = entries[0]["window_s"]
    head = [
        "at (s)",
        "event",
        "until (s)",
        "finished",
        "p95 (s)",
        "hit ratio",
        "waiting",
        "Q (s)",
        "without a picture",
        "as before after (s)",
    ]
    lines = [
        [
            f"{entry['at_s']:.1f}",
            entry["text"],
            number(entry["over_s"], "{:.1f}"),
            _change(entry, "requests", "{:,.0f}"),
            _change(entry, "p95_s", "{:,.2f}"),
            _change(entry, "hit_ratio", "{:.0%}"),
            _change(entry, "waiting", "{:,.1f}"),
            _change(entry, "backlog_s", "{:,.2f}"),
            _change(entry, "lost", "{:,.0f}"),
            _back(entry),
        ]
        for entry in entries
    ]
    note = (
        f"The {length_s:g} s before an event and those after it, by requests that ended then; p95 "
        f"by nearest rank: of fewer than 20 requests the largest. As before: the first "
        f"{length_s:g} s in which hit ratio and p95 were within {WITHIN:.0%} of what they were; "
        f"other events at the time count as well."
    )
    return section("Events", table(head, lines), f"<p class=note>{html.escape(note)}</p>")


def _change(entry: Mapping[str, Any], name: str, form: str) -> str:
    before, after = (number(entry[side][name], form) for side in ("before", "after"))
    return before if before == after == MISSING else f"{before} → {after}"


def _back(entry: Mapping[str, Any]) -> str:
    if entry["back_s"] is not None:
        return f"{entry['back_s']:.0f}"
    return MISSING if entry["before"]["p95_s"] is None else "not before the end"


def _over_s(later: Rows, place: int) -> float | None:
    """When what an event did was over."""
    own = [event for event in later if event.get("place") == place]
    over_s: float | None = own[0]["at_s"] if own and own[0]["phase"] == "over" else None
    return over_s


def _back_s(record: _Record, before: Window, at_s: float, scenario: Scenario) -> float | None:
    """How long after an event the first window begins in which the run is as before, looked for
    slot by slot."""
    if before.p95_s is None or before.hit_ratio is None:
        return None
    length_s = window_s(scenario.slot_seconds)
    slots = int((scenario.duration_s - length_s - at_s) // scenario.slot_seconds)
    for slot in range(slots + 1):
        from_s = at_s + slot * scenario.slot_seconds
        p95_s, hit_ratio = _p95_and_hits(_done(record.ended(from_s, from_s + length_s)))
        if p95_s is None or hit_ratio is None:
            continue
        is_quick = p95_s <= (1 + WITHIN) * before.p95_s
        if is_quick and hit_ratio >= (1 - WITHIN) * before.hit_ratio:
            return slot * scenario.slot_seconds
    return None


def _done(rows: Rows) -> Rows:
    return [row for row in rows if row["result"] == "done"]


def _p95_and_hits(done: Rows) -> tuple[float | None, float | None]:
    """p95 (s) and hit ratio of finished requests; None of none."""
    p95_s = nearest_rank([row["total_s"] for row in done], 95)
    return p95_s, _mean([float(row["reuse"] in HITS) for row in done])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _end_s(row: Mapping[str, Any], slot_seconds: float) -> float:
    """When a request ended; of one without a total time, when the slot began in which it did."""
    arrived_s: float = row["arrived_s"]
    if row["total_s"] is None:
        began_s: float = row["slot"] * slot_seconds
        return max(arrived_s, began_s)
    late_s = row["arrival_late_s"] if row["think_s"] is None else None  # it is in total_s
    return arrived_s + float(row["total_s"]) - float(late_s or 0.0)


def _known(slots: Rows, column: str) -> list[float]:
    return [slot[column] for slot in slots if slot[column] is not None]
