"""Events of a scenario's timeline, a file each, told apart by `kind`.

A new kind is a class in a file of its own, its import below, and its place in `TimelineEvent`.
"""

from typing import Annotated, Any, get_args

from pydantic import Discriminator, Tag

from midstep.events.base import MOST_TIMES, SIGNALS, Condition, Event, Signal
from midstep.events.bit_errors import BitErrorsEvent
from midstep.events.capacity import CapacityEvent
from midstep.events.changes import DeviceChange, EdgeChange
from midstep.events.drop import DropEvent
from midstep.events.fade import FadeEvent
from midstep.events.hand_over import HandOverEvent
from midstep.events.kill import KillEvent
from midstep.events.leave import LeaveEvent
from midstep.events.lost_frames import LostFramesEvent
from midstep.events.move import MoveEvent
from midstep.events.pause_learner import PauseLearnerEvent
from midstep.events.restart_edge import RestartEdgeEvent
from midstep.events.run import FaultyRun
from midstep.events.scale import ScaleEvent
from midstep.events.slow_devices import SlowDevicesEvent
from midstep.events.slow_edge import SlowEdgeEvent
from midstep.events.surge import SurgeEvent
from midstep.events.wipe import WipeEvent

__all__ = [
    "DEFAULT_KIND",
    "KINDS",
    "MOST_TIMES",
    "SIGNALS",
    "BitErrorsEvent",
    "CapacityEvent",
    "Condition",
    "DeviceChange",
    "DropEvent",
    "EdgeChange",
    "Event",
    "FadeEvent",
    "FaultyRun",
    "HandOverEvent",
    "KillEvent",
    "LeaveEvent",
    "LostFramesEvent",
    "MoveEvent",
    "PauseLearnerEvent",
    "RestartEdgeEvent",
    "ScaleEvent",
    "Signal",
    "SlowDevicesEvent",
    "SlowEdgeEvent",
    "SurgeEvent",
    "TimelineEvent",
    "WipeEvent",
]

DEFAULT_KIND = "scale"  # of an event that does not say


def _kind(event: Any) -> str | None:
    """The kind of an event that is read; None where it is no tree of keys."""
    if isinstance(event, Event):
        return event.kind
    return str(event.get("kind", DEFAULT_KIND)) if isinstance(event, dict) else None


TimelineEvent = Annotated[
    Annotated[BitErrorsEvent, Tag("bit_errors")]
    | Annotated[CapacityEvent, Tag("capacity")]
    | Annotated[DropEvent, Tag("drop")]
    | Annotated[FadeEvent, Tag("fade")]
    | Annotated[HandOverEvent, Tag("hand_over")]
    | Annotated[KillEvent, Tag("kill")]
    | Annotated[LeaveEvent, Tag("leave")]
    | Annotated[LostFramesEvent, Tag("lost_frames")]
    | Annotated[MoveEvent, Tag("move")]
    | Annotated[PauseLearnerEvent, Tag("pause_learner")]
    | Annotated[RestartEdgeEvent, Tag("restart_edge")]
    | Annotated[ScaleEvent, Tag("scale")]
    | Annotated[SlowDevicesEvent, Tag("slow_devices")]
    | Annotated[SlowEdgeEvent, Tag("slow_edge")]
    | Annotated[SurgeEvent, Tag("surge")]
    | Annotated[WipeEvent, Tag("wipe")],
    Discriminator(_kind),
]  # fmt: skip

KINDS: dict[str, type[Event]] = {
    get_args(kind)[1].tag: get_args(kind)[0] for kind in get_args(get_args(TimelineEvent)[0])
}
