"""Events of a scenario's timeline, a file each, told apart by `kind`.

A new kind is a class in a file of its own, its import below, and its place in `TimelineEvent`.
"""

from typing import Annotated, Any, get_args

from pydantic import Discriminator, Tag

from midstep.events.base import SIGNALS, Condition, Event, Signal
from midstep.events.changes import DeviceChange, EdgeChange
from midstep.events.leave import LeaveEvent
from midstep.events.run import FaultyRun
from midstep.events.scale import ScaleEvent
from midstep.events.surge import SurgeEvent

__all__ = [
    "DEFAULT_KIND",
    "KINDS",
    "SIGNALS",
    "Condition",
    "DeviceChange",
    "EdgeChange",
    "Event",
    "FaultyRun",
    "LeaveEvent",
    "ScaleEvent",
    "Signal",
    "SurgeEvent",
    "TimelineEvent",
]

DEFAULT_KIND = "scale"  # of an event that does not say


def _kind(event: Any) -> str | None:
    """The kind of an event that is read; None where it is no tree of keys."""
    if isinstance(event, Event):
        return event.kind
    return str(event.get("kind", DEFAULT_KIND)) if isinstance(event, dict) else None


TimelineEvent = Annotated[
    Annotated[LeaveEvent, Tag("leave")]
    | Annotated[ScaleEvent, Tag("scale")]
    | Annotated[SurgeEvent, Tag("surge")],
    Discriminator(_kind),
]  # fmt: skip

KINDS: dict[str, type[Event]] = {
    get_args(kind)[1].tag: get_args(kind)[0] for kind in get_args(get_args(TimelineEvent)[0])
}
