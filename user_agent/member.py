"""A member of a host: a device that asks for what its user wants when that is due, from when it
joins until it is stopped."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from midstep.clock import Clock, StoppableSleep
from midstep.workload.arrivals import Arrival, ArrivalLaw, due_before, next_arrival
from midstep.workload.requests import UserRequest, Workload
from user_agent.device import Device
from user_agent.dropped import DroppedArrivals
from user_agent.finished import Finished
from user_agent.outbox import Outbox

__all__ = ["RETRY_S", "Demand", "Member"]

RETRY_S = 1.0  # scenario seconds a device waits after a failure
Carry = Callable[[Device, str, UserRequest, Arrival], Awaitable[Finished]]


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What users ask for, by a `workload`, and when, by a `law`, in a run of `duration_s` and slots
    of `slot_seconds`."""

    workload: Workload
    law: ArrivalLaw
    slot_seconds: float
    duration_s: float


class Member:
    """A device of a host and the task in which it lives. `carry` brings one of its requests to its
    end; what was due and not sent when it is stopped goes into the `outbox`."""

    def __init__(
        self, device: Device, demand: Demand, clock: Clock, outbox: Outbox, carry: Carry
    ) -> None:
        self.device = device
        self.task: asyncio.Task[None] | None = None
        self._demand = demand
        self._clock = clock
        self._outbox = outbox
        self._carry = carry
        self._sleep = StoppableSleep(clock)  # between requests; it ends with the device
        self._until_s = 0.0  # once it is stopping: what is due from then on is not asked for

    def begin(self, since_s: float) -> None:
        """Let the device live: its arrivals count from `since_s`."""
        self.task = asyncio.create_task(self._live(since_s))
        self.task.add_done_callback(self._outbox.note)

    def end(self) -> None:
        """Let the device send no more requests."""
        if not self._sleep.stopped:
            self._until_s = min(self._clock.now(), self._demand.duration_s)
            self._sleep.stop()

    @property
    def idle(self) -> bool:
        """Whether the device has stopped asking and has its last answer."""
        return self.task is not None and self.task.done()

    async def _live(self, since_s: float) -> None:
        demand = self._demand
        user = self.device.spec.user
        asking: dict[asyncio.Task[float], None] = {}  # no set: they are cancelled in this order
        index = 0
        while not self._sleep.stopped:
            upcoming = next_arrival(demand.law, user, index, since_s)
            if upcoming is None:
                break
            index, arrival = upcoming
            # what is due at the end is not sent, also where its timer is first: the device waits
            in_time = due_before(arrival, demand.duration_s)
            if await self._sleep.until(arrival.due_s if in_time else math.inf):
                break
            # of when it was due: what a late host asks for is what it should have asked for
            slot = int(arrival.due_s // demand.slot_seconds)
            user_request = demand.workload.user_request(user, index, slot)
            if user_request is None:
                break
            request = self._ask(f"{user:05d}-{index:05d}", user_request, arrival)
            index += 1
            if arrival.think_s is not None:
                since_s = await request
            else:
                since_s = arrival.due_s
                task = asyncio.create_task(request)
                asking[task] = None
                task.add_done_callback(asking.pop)
                task.add_done_callback(self._outbox.note)
        if self._sleep.stopped:
            self._drop(index, since_s)
        if asking:
            await asyncio.gather(*asking)

    async def _ask(self, request_id: str, user_request: UserRequest, arrival: Arrival) -> float:
        """Carry a request to its end; the instant from which a closed user's next one counts."""
        finished = await self._carry(self.device, request_id, user_request, arrival)
        now = self._clock.now()
        return now if finished.row.result == "done" else now + RETRY_S

    def _drop(self, index: int, since_s: float) -> None:
        """Record the arrivals that were due before the device was stopped, and were not sent."""
        device = self.device
        at = device.attachment
        arrivals = DroppedArrivals(
            law=self._demand.law,
            workload=self._demand.workload,
            slot_seconds=self._demand.slot_seconds,
            whole_prompt=device.asks_whole_prompt,
        )
        until_s = self._until_s
        error = "it was never sent: its host had no time for it before the end"
        edge = at.description.edge
        for row in arrivals.rows(device.spec, edge, index, since_s, until_s, error):
            at.metrics.ended(row)
            self._outbox.add(Finished(row))
