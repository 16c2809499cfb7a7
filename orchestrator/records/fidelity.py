"""The testbed measures its own error: commanded against achieved arrivals, link rate, device pace
and slot length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["LATE_S", "RATE_ERROR", "Error", "bound_s", "measure", "never_sent", "verdict"]

# lateness p99 may be this much, or this share of the stage, whichever is larger
LATE_S = 0.020
LATE_SHARE = 0.02
RATE_ERROR = 0.01  # median
CHANGES = {
    "arrival": "give each host fewer devices (hosts.devices_per_host) where cores are free, else "
    "ask for fewer users or requests",
    "uplink": "give the machine fewer devices, or devices less uplink_w or larger start pictures",
    "link": "give the machine fewer devices, or the link less bandwidth or larger frames",
    "device": "ask for fewer users or slower devices (devices.speed_ratio or step_ms), or use "
    "modes.denoiser: paced",
    "slot": "make slots longer (slot_seconds)",
}


@dataclass(frozen=True, kw_only=True)
class Error:
    """One part's error: how many instants were commanded, their lateness, its bound, whether it
    is `within_bound`, and the `change` of the scenario that would help."""

    part: str
    count: int
    late_p50_ms: float
    late_p99_ms: float
    bound_ms: float
    relative_p50: float
    within_bound: bool
    change: str

    def dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    rows: Sequence[dict[str, Any]], slots: Sequence[dict[str, Any]], slot_seconds: float
) -> list[Error]:
    """The error of arrivals, links, device and slot over a run's rows; parts that commanded nothing
    are left out. What an arrival's lateness is held against is the response that it is in front
    of."""
    done = [row for row in rows if row["result"] == "done"]
    pairs: dict[str, list[tuple[Any, Any]]] = {
        "arrival": [_arrival(row) for row in done],
        "uplink": [_without_wait(row, "uplink") for row in done],
        "link": [_without_wait(row, "transfer") for row in done],
        "device": [_without_wait(row, "device") for row in done],
        "slot": [(slot["late_s"], slot_seconds) for slot in slots],
    }
    # a slot that is made up while a run ends is not waited for, and late of nothing
    commanded = {part: [p for p in values if p[0] is not None] for part, values in pairs.items()}
    return [_error(part, values) for part, values in commanded.items() if values]


def bound_s(stage_s: float) -> float:
    """How late a stage of that length may be, seconds."""
    return max(LATE_S, LATE_SHARE * stage_s)


def never_sent(rows: Sequence[Mapping[str, Any]]) -> int:
    """The dropped arrivals that were due longer before they were given up than an arrival may be
    late: what was due in the run's last moment may be overtaken by its end."""
    dropped = [row for row in rows if row["result"] == "dropped"]
    return sum(row["arrived_s"] - row["due_s"] > LATE_S for row in dropped)


def verdict(
    errors: Sequence[Error],
    done: int,
    failures: Sequence[str] = (),
    slow: Sequence[str] = (),
    dropped: int = 0,
    lost: Sequence[str] = (),
) -> str:
    """`VALID`, or `INVALID` with the reason: a policy that failed, requests `lost` by deaths, which
    makes the rest look better than it was, machines too slow for their profile, or an overloaded
    emulator and what to change. `dropped`: arrivals that hosts which lived never sent."""
    if failures:
        return f"INVALID: {'; '.join(failures)}"
    if lost:
        return f"INVALID: {'; '.join(lost)}"
    if slow:
        return f"INVALID: a machine is too slow for its profile: {'; '.join(slow)}"
    broken = [_why(error) for error in errors if not error.within_bound]
    if dropped:
        broken.append(f"{dropped} arrivals were due and never sent: {CHANGES['arrival']}")
    if broken:
        return f"INVALID: emulator overloaded: {'; '.join(broken)}"
    return "VALID" if done else "INVALID: no request was finished, so nothing was measured"


def _without_wait(row: dict[str, Any], stage: str) -> tuple[float | None, float | None]:
    """A stage's lateness, and its own seconds: less the wait behind the device's earlier ones."""
    took = row.get(f"{stage}_s")
    wait = row.get(f"{stage}_wait_s") or 0.0
    return row.get(f"{stage}_late_s"), None if took is None else took - wait


def _arrival(row: dict[str, Any]) -> tuple[float | None, float]:
    """An arrival's lateness, None in an older run's row, and the seconds from when the request was
    due to its picture."""
    late = row.get("arrival_late_s")
    closed = row.get("think_s") is not None  # its response leaves the lateness out
    return late, row["total_s"] + ((late or 0.0) if closed else 0.0)


def _error(part: str, pairs: Sequence[tuple[float, float]]) -> Error:
    """From (lateness, stage's length) of each instant, seconds; lateness is part of the stage's
    length, but not of a slot's."""
    late = np.array([pair[0] for pair in pairs])
    stage = np.array([pair[1] for pair in pairs]) - (late if part != "slot" else 0)
    bound = bound_s(float(np.median(stage)))
    relative = float(np.median(late / np.maximum(stage, 1e-9)))
    p50, p99 = (float(np.percentile(late, q)) for q in (50, 99))
    return Error(
        part=part,
        count=len(pairs),
        late_p50_ms=p50 * 1e3,
        late_p99_ms=p99 * 1e3,
        bound_ms=bound * 1e3,
        relative_p50=relative,
        within_bound=p99 <= bound and (part != "link" or relative <= RATE_ERROR),
        change=CHANGES[part],
    )


def _why(error: Error) -> str:
    if error.late_p99_ms > error.bound_ms:
        reason = (
            f"{error.part} lateness p99 is {error.late_p99_ms:.0f} ms, the bound "
            f"{error.bound_ms:.0f} ms"
        )
    else:
        reason = (
            f"{error.part} rate is off by {error.relative_p50:.1%} in the median, the bound is "
            f"{RATE_ERROR:.0%}"
        )
    return f"{reason}: {error.change}"
