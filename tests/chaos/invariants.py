"""What holds of a run's record and of what it said, whatever was killed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from midstep.workload.arrivals import next_arrival, open_law
from orchestrator.records.folders import read_scenario
from orchestrator.records.run_reader import read_run

__all__ = ["of_record", "of_text"]

NOISE = re.compile(
    r"Traceback|never retrieved|never awaited|Fatal Python|Segmentation|Aborted|core dumped|"
    r"\bC  \[|\bE\d{4} |Check failed|\*\*\* "
)
RESULTS = ("done", "rejected", "failed", "unfinished", "dropped")


def of_text(text: str) -> list[str]:
    """What a run said that nobody should see."""
    return [f"said: {line[:160]}" for line in text.splitlines() if NOISE.search(line)][:5]


def of_record(folder: Path) -> list[str]:
    """Where a run's rows break what they promise: one for each request, and steps that add up."""
    rows, _ = read_run(folder)
    scenario = read_scenario(folder)
    faults = [*_twice(folder, rows), *_steps(rows, scenario.model.steps)]
    numbers: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        user, number = map(int, row["request_id"].split("-"))
        numbers[user].add(number)
    for user, have in sorted(numbers.items()):
        missing = sorted(set(range(max(have) + 1)) - have)
        if missing:
            faults.append(
                f"user {user} has no row of requests {missing[:5]}, the last is {max(have)}"
            )
    law = open_law(scenario)
    if not law.closed and rows:
        last_due_s = max(row["due_s"] for row in rows)
        lacking = 0
        for user in range(scenario.users):
            index, since_s = 0, 0.0
            while (upcoming := next_arrival(law, user, index, since_s)) is not None:
                index, arrival = upcoming
                if arrival.due_s >= min(last_due_s, scenario.duration_s):
                    break
                lacking += index not in numbers[user]
                since_s = arrival.due_s
                index += 1
        if lacking:
            faults.append(f"{lacking} requests were due by {last_due_s:.1f} s and have no row")
    return faults


def _twice(folder: Path, rows: list[dict[str, Any]]) -> list[str]:
    counts = Counter(row["request_id"] for row in rows)
    return [f"{name} has {count} rows" for name, count in counts.items() if count > 1][:5]


def _steps(rows: list[dict[str, Any]], steps: int) -> list[str]:
    faults = []
    for row in rows:
        if row["result"] not in RESULTS:
            faults.append(f"{row['request_id']}: result {row['result']}")
        if row["result"] != "done":
            if not row["error"]:
                faults.append(f"{row['request_id']} is {row['result']} and does not say why")
            continue
        if row["edge_steps"] + row["saved_steps"] + row["device_steps"] != steps:
            faults.append(f"{row['request_id']}: steps do not add up to {steps}")
    return faults[:5]
