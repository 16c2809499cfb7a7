"""Recorded arrivals: a trace's own instants, or its users' think times."""

from __future__ import annotations

import math

from midstep.workload.arrivals.law import NOT_RECORDED, Arrival
from midstep.workload.trace import Trace

__all__ = ["RecordedLaw"]


class RecordedLaw:
    """See ArrivalLaw. Open replay is due at the recorded instants, whatever the system does; closed
    replay thinks as long as was recorded, after answers that may come at other times."""

    def __init__(self, trace: Trace, users: int) -> None:
        self.closed = trace.arrivals == "think times"
        self._requests = trace.by_user(users)
        self._after_last = Arrival(math.inf) if trace.of_run else None
        instants = [one.due_s for one in trace.requests if one.due_s is not None]
        thought = [one.think_s for one in trace.requests if one.think_s is not None]
        self.mean_pause_s = (
            sum(thought) / len(thought)
            if thought
            else (max(instants) or 1.0) * users / len(instants)
        )

    def arrival(self, user: int, index: int, since_s: float) -> Arrival | None:
        mine = self._requests.get(user, ())
        if index >= len(mine):
            return self._after_last
        one = mine[index]
        if one is None:
            return NOT_RECORDED
        if one.think_s is not None:
            return Arrival(since_s + one.think_s, one.think_s)
        assert one.due_s is not None  # read_trace: all rows have instants, or none
        return Arrival(one.due_s)
