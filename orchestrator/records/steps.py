"""The steps of finished requests: where each was cut, and whether they add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from midstep.wire.start import first_step

__all__ = ["COLUMNS", "cut_step", "fault", "faults"]

COLUMNS = ("edge_steps", "saved_steps", "device_steps")  # add up to S, or what a start leaves of it

Row = Mapping[str, Any]


def cut_step(row: Row) -> int | None:
    """The step at which a request was handed over, also of an older run's row, which has no such
    column; None where it did not come so far, or its table has no steps."""
    cut: int | None = row.get("cut_step")
    if cut is None and row.get("edge_steps") is not None:
        cut = row["edge_steps"] + row["saved_steps"]
    return cut


def fault(row: Row, steps: int) -> str | None:
    """What is wrong with the steps of a finished request, of which the model does `steps`; None
    where they add up and its cut is within its reuse limit. Of a request with a start picture the
    last ones alone count. An older run's row has fewer columns to be wrong in."""
    strength = row.get("strength")
    first = 0 if strength is None else first_step(steps, strength)
    edge, saved, device = (row.get(column) for column in COLUMNS)
    if edge is None or saved is None or device is None or edge + saved + device != steps - first:
        return f"edge {edge} + saved {saved} + device {device} is not {steps - first}"
    cut = cut_step(row)
    if cut != first + edge + saved:
        return f"{first} left out + edge {edge} + saved {saved}, and yet cut at {cut}"
    limit = row.get("reuse_limit")
    if limit is not None and cut > limit:
        return f"cut at {cut}, past its reuse limit {limit}"
    reused = row.get("reused_step")
    if reused is not None and reused > cut:
        return f"cut at {cut}, before step {reused} that it began from"
    return None


def faults(rows: Iterable[Row], steps: int) -> list[str]:
    """A line where finished requests have steps that are wrong: how many of how many, and the
    first of them."""
    done = [row for row in rows if row["result"] == "done"]
    wrong = [(row, why) for row in done if (why := fault(row, steps)) is not None]
    if not wrong:
        return []
    row, why = wrong[0]
    return [
        f"the steps of {len(wrong):,} of {len(done):,} finished requests are wrong, such as of "
        f"{row['request_id']}: {why}"
    ]
