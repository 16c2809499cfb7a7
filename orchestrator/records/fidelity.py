"""The testbed measures its own error: commanded against achieved link rate, device pace and slot
length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# lateness p99 may be this much, or this share of the stage, whichever is larger
LATE_S, LATE_SHARE = (
    0.020,
    0.02,
)
RATE_ERROR = 0.01  # median


@dataclass(frozen=True)
class Error:
    """One part's error: how many instants were commanded, lateness in ms, its bound, and whether it
    is kept."""

    part: str
    count: int
    late_p50_ms: float
    late_p99_ms: float
    bound_ms: float
    relative_p50: float
    kept: bool
    change: str

    def dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    rows: Sequence[dict[str, Any]], slots: Sequence[dict[str, Any]], slot_seconds: float
) -> list[Error]:
    """The error of link, device and slot over a run's rows; parts that commanded nothing are left
    out."""
    done = [row for row in rows if row["result"] == "done"]
    stages = (
        (
            "link",
            [
                (r["transfer_late_s"], r["transfer_s"])
                for r in done
                if r["transfer_late_s"] is not None
            ],
            "give the machine fewer devices, or the link less bandwidth or larger frames",
        ),
        (
            "device",
            [(r["device_late_s"], r["device_s"]) for r in done if r["device_late_s"] is not None],
            "ask for fewer users or slower devices (devices.speed_ratio), or use modes.denoiser: "
            "paced",
        ),
        ("slot", [(s["late_s"], slot_seconds) for s in slots], "make slots longer (slot_seconds)"),
    )
    return [_error(part, pairs, change) for part, pairs, change in stages if pairs]


def verdict(errors: Sequence[Error], done: int, failures: Sequence[str] = ()) -> str:
    """`VALID`, or `INVALID` with the reason: a policy that failed, or an overloaded emulator and
    what to change."""
    if failures:
        return f"INVALID: {'; '.join(failures)}"
    broken = [error for error in errors if not error.kept]
    if broken:
        why = "; ".join(_why(error) for error in broken)
        return f"INVALID: emulator overloaded: {why}"
    return "VALID" if done else "INVALID: no request was finished, so nothing was measured"


def _error(part: str, pairs: Sequence[tuple[float, float]], change: str) -> Error:
    late = np.array([pair[0] for pair in pairs])
    stage = np.array([pair[1] for pair in pairs]) - (late if part != "slot" else 0)
    bound = max(LATE_S, LATE_SHARE * float(np.median(stage)))
    relative = float(np.median(late / np.maximum(stage, 1e-9)))
    p50, p99 = (float(np.percentile(late, q)) for q in (50, 99))
    kept = p99 <= bound and (part != "link" or relative <= RATE_ERROR)
    return Error(part, len(pairs), p50 * 1e3, p99 * 1e3, bound * 1e3, relative, kept, change)


def _why(error: Error) -> str:
    if error.late_p99_ms > error.bound_ms:
        what = f"{error.part} lateness p99 is {error.late_p99_ms:.0f} ms, the bound {error.bound_ms:.0f} ms"
    else:
        what = f"{error.part} rate is off by {error.relative_p50:.1%} in the median, the bound is {RATE_ERROR:.0%}"
    return f"{what}: {error.change}"
