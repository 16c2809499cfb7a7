"""A warm-up: what was due before its end is recorded and not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from midstep.scenario import Scenario

__all__ = ["after_warm_up", "due_s"]

R = TypeVar("R", bound=Mapping[str, Any])


def due_s(row: Mapping[str, Any]) -> float:
    """When a request was due, seconds; of an older run's row, which does not say, when it was
    sent."""
    due: float | None = row.get("due_s")
    sent: float = row["arrived_s"]
    return sent if due is None else due


def after_warm_up(scenario: Scenario, rows: Sequence[R]) -> Sequence[R]:
    """The requests that were due after the scenario's warm-up, which is recorded and not
    measured."""
    if not scenario.warmup_s:
        return rows
    return [row for row in rows if due_s(row) >= scenario.warmup_s]
