"""A request's row as slices of one track: the request, its stages within it, waits within those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLUMNS", "Slice", "lanes", "microseconds", "request_slices", "span"]

STAGES = ("queue", "edge", "transfer", "device")
WAITS = ("transfer", "device")
# what a row says of its request, beside its times
DETAILS = (
    "request_id",
    "prompt",
    "edge_prompt",
    "prompt_key",
    "result",
    "reuse",
    "similarity",
    "likeness",
    "donor_key",
    "donor_prompt",
    "reuse_limit",
    "cut_step",
    "reused_step",
    "edge_steps",
    "saved_steps",
    "device_steps",
    "seed",
    "variation_seed",
    "frame_bytes",
    "resent",
    "link_rate_bps",
    "transfer_late_s",
    "device_late_s",
    "psnr_db",
    "ssim",
    "fidelity",
    "joules",
    "receive_joules",
    "total_s",
    "slot",
    "error",
)
COLUMNS = (
    "edge",
    "device_class",
    "user",
    "arrived_s",
    "arrival_late_s",
    "think_s",
    "overhead_s",
    "plan_wait_s",
    "link_wait_s",
    *(f"{stage}_s" for stage in STAGES),
    *(f"{stage}_wait_s" for stage in WAITS),
    *DETAILS,
)


class Slice(NamedTuple):
    """A stretch of a track, whole microseconds."""

    name: str
    start_us: int
    end_us: int
    details: Mapping[str, Any]


def microseconds(seconds: float) -> int:
    """Seconds as the format has them."""
    return round(seconds * 1e6)


def span(row: Mapping[str, Any]) -> tuple[int, int]:
    """When a request begins and ends, microseconds; equal where nothing of it was measured."""
    *_, last = _boundaries(row)
    return microseconds(_begin_s(row)), last[2]


def request_slices(row: Mapping[str, Any]) -> Iterator[Slice]:
    """The slices of one request, each before those within it; none where nothing of it was
    measured."""
    start_us, end_us = span(row)
    if start_us == end_us:
        return
    details = {name: row[name] for name in DETAILS if row.get(name) is not None}
    yield Slice(f"request, {row['reuse'] or row['result']}", start_us, end_us, details)
    for stage, begin_us, until_us in _boundaries(row):
        if until_us == begin_us:
            continue
        yield Slice(stage, begin_us, until_us, {})
        wait_us = microseconds(row.get(f"{stage}_wait_s") or 0.0)
        if wait_us > 0:
            yield Slice(f"{stage} wait", begin_us, min(begin_us + wait_us, until_us), {})


def lanes(
    tracks: NDArray[np.int64], starts_us: NDArray[np.int64], ends_us: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The lane of each slice, so that those of one track and lane do not overlap: a user whose
    requests do not wait for each other has several at once."""
    lane = np.zeros(len(tracks), np.int64)
    free_us: list[int] = []  # when each lane of the track is free again
    track = None
    for at in np.lexsort((ends_us, starts_us, tracks)):
        if tracks[at] != track:
            track = tracks[at]
            free_us = []
        number = next((n for n, free in enumerate(free_us) if free <= starts_us[at]), len(free_us))
        if number == len(free_us):
            free_us.append(0)
        free_us[number] = int(ends_us[at])
        lane[at] = number
    return lane


def _begin_s(row: Mapping[str, Any]) -> float:
    """When a request begins: an open arrival when it was due, a closed one when it was sent."""
    arrived_s: float = row["arrived_s"]
    return arrived_s - _late_s(row)


def _late_s(row: Mapping[str, Any]) -> float:
    """An open arrival's lateness, which its response time counts."""
    return (row.get("arrival_late_s") or 0.0) if row.get("think_s") is None else 0.0


def _boundaries(row: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """Stages in the order in which they pass, as far as the request came: name, start, end. The
    hand-overs on the way to the edge are drawn with those on the way back."""
    late_s = _late_s(row)
    plan_wait_s: float = row.get("plan_wait_s") or 0.0
    link_wait_s: float = row.get("link_wait_s") or 0.0
    at_s = _begin_s(row)
    passed: Sequence[tuple[str, float | None]] = (
        ("late", late_s),
        ("link wait", link_wait_s),
        ("plan wait", plan_wait_s),
        ("queue", row["queue_s"]),
        ("edge", row["edge_s"]),
        ("overhead", max(0.0, (row["overhead_s"] or 0.0) - late_s - link_wait_s - plan_wait_s)),
        ("transfer", row["transfer_s"]),
        ("device", row["device_s"]),
    )
    for stage, seconds in passed:
        start_us = microseconds(at_s)
        if seconds is None:
            yield stage, start_us, start_us
            return
        at_s += seconds
        yield stage, start_us, microseconds(at_s)
