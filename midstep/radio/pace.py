"""Finish time of work at a rate that changes from slot to slot: bits on a link, steps on a
device."""

from __future__ import annotations

from collections.abc import Callable

from midstep.errors import ScenarioError

__all__ = ["LONGEST", "finish", "progress"]

LONGEST = 10_000  # slots


def finish(
    start_s: float, amount: float, rate: Callable[[int], float], slot_seconds: float
) -> float:
    """The instant at which `amount` units are done that begin at `start_s` (scenario seconds).

    `rate(slot)` is in units per second, above 0, and constant within a slot. An absolute deadline
    comes out: holding to it does not drift, as a sleep per chunk would. Raises ScenarioError beyond
    LONGEST slots.
    """
    now = start_s
    left = amount
    slot = int(start_s // slot_seconds)
    pace = 0.0
    while slot < start_s // slot_seconds + LONGEST:
        pace = rate(slot)
        end = (slot + 1) * slot_seconds
        if left <= pace * (end - now):
            return now + left / pace
        left -= pace * max(0.0, end - now)
        now = end
        slot += 1
    raise ScenarioError(
        f"{amount:.3g} bits (or edge-seconds) are not done within {LONGEST} slots at about "
        f"{pace:.3g} a second: look at channel.* (units?), devices.speed_ratio and slot_seconds"
    )


def progress(
    start_s: float, until_s: float, rate: Callable[[int], float], slot_seconds: float
) -> float:
    """How many units are done between two instants, at `rate` as `finish` has it; 0 where it is
    0."""
    now = start_s
    done = 0.0
    slot = int(start_s // slot_seconds)
    while now < until_s:
        end = min(until_s, (slot + 1) * slot_seconds)
        done += rate(slot) * max(0.0, end - now)
        now = end
        slot += 1
    return done
