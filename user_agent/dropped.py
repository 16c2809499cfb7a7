"""Arrivals that were due and never sent: a host could not in time, or had died."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midstep.radio.fading import DeviceSpec
from midstep.telemetry.record import RequestRow
from midstep.workload.arrivals import ArrivalLaw, due_before, next_arrival
from midstep.workload.requests import Workload

__all__ = ["DroppedArrivals"]


@dataclass(frozen=True, kw_only=True)
class DroppedArrivals:
    """The rows of arrivals that were never sent. `whole_prompt`: the edge is asked for the user's
    whole prompt."""

    law: ArrivalLaw
    workload: Workload
    slot_seconds: float
    whole_prompt: bool

    def rows(
        self,
        spec: DeviceSpec,
        edge: str,
        index: int,
        since_s: float,
        until_s: float,
        error: str,
    ) -> Iterator[RequestRow]:
        """A row for each arrival of a device that is due before `until_s`, from its `index`-th on,
        which the law counts from `since_s`. A closed user has one at most: it waits for that."""
        while (upcoming := next_arrival(self.law, spec.user, index, since_s)) is not None:
            index, arrival = upcoming
            if not due_before(arrival, until_s):
                return
            slot = int(arrival.due_s // self.slot_seconds)
            request = self.workload.user_request(spec.user, index, slot)
            if request is None:
                return
            if self.whole_prompt:
                request = request.in_full()
            yield RequestRow(
                request_id=f"{spec.user:05d}-{index:05d}",
                edge=edge,
                user=spec.user,
                device_class=spec.kind,
                process_id=0,
                prompt=request.prompt,
                edge_prompt=request.edge_prompt,
                negative=request.negative or None,
                variation_seed=request.variation_seed,
                private_seed=request.private_seed,
                core_prompt=request.core_prompt,
                slot=slot,
                due_s=arrival.due_s,
                arrived_s=until_s,
                think_s=arrival.think_s,
                result="dropped",
                error=error,
            )
            if arrival.think_s is not None:
                return
            since_s = arrival.due_s
            index += 1
