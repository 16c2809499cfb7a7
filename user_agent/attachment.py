"""The edge that a device asks at the moment, and what the device does, as that edge's metrics
count it."""

from __future__ import annotations

from midstep.telemetry.writers import UserMetrics
from midstep.wire.messages import Description, EdgePort

__all__ = ["Attachment"]


class Attachment:
    """A device at an edge: its `port`, its `description`, and the `metrics` of its devices, in one
    of whose STATES the device is. A hand-over changes all three, also for requests on their way:
    who holds one of them over an await holds that of the edge before."""

    def __init__(self, port: EdgePort, description: Description, metrics: UserMetrics) -> None:
        self.port = port
        self.description = description
        self.metrics = metrics
        self.state = "thinking"

    def move(self, state: str) -> None:
        """Go over to another state, if it is another."""
        if state != self.state:
            self.metrics.moved(self.state, state)
            self.state = state

    def leave(self) -> None:
        """Count the device as gone."""
        self.metrics.left(self.state)

    def hand_over(self, port: EdgePort, description: Description, metrics: UserMetrics) -> None:
        """Go over to another edge, in the state that the device is in."""
        self.leave()
        self.port = port
        self.description = description
        self.metrics = metrics
        metrics.joined()
        metrics.moved("thinking", self.state)
