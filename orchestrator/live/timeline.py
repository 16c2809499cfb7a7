"""Applies a scenario's timeline to a live run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from midstep.clock import Clock
from midstep.errors import MidstepError
from midstep.scenario import Scalable, TimelineEvent

__all__ = ["follow"]


async def follow(
    timeline: Iterable[TimelineEvent],
    clock: Clock,
    run: Scalable,
    announce: Callable[[str], None],
) -> None:
    """Apply each event at its instant; one that fails is announced, and the others follow."""
    for event in sorted(timeline, key=lambda event: event.at_s):
        await clock.sleep_until(event.at_s)
        try:
            await event.apply(run)
        except MidstepError as error:
            announce(f"timeline at {event.at_s:g} s: {error}")
