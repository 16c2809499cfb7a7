"""Arrivals that were due and never sent: a host could not in time, or had died."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midstep.radio.fading import DeviceSpec
from midstep.telemetry.record import RequestRow
from midstep.workload.arrivals import NOT_RECORDED, ArrivalLaw
from midstep.workload.requests import Workload

__all__ = ["DroppedArrivals"]

ROUNDING_S = 1e-9  # what an event loop's timers round: an arrival nearer to the end is not in it


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
        window_s: tuple[float, float],
        error: str,
    ) -> Iterator[RequestRow]:
        """A row for each arrival of a device that is due within `window_s`, from its `index`-th on,
        which the law counts from `since_s`. A closed user has one at most: it waits for that."""
        while True:
            arrival = self.law.arrival(spec.user, index, since_s)
            if arrival is NOT_RECORDED:
                index += 1
                continue
            if arrival is None or arrival.due_s >= window_s[1] - ROUNDING_S:
                return
            slot = int(arrival.due_s // self.slot_seconds)
            request = self.workload.user_request(spec.user, index, slot)
            if request is None:
                return
            if arrival.due_s > window_s[0]:
                yield RequestRow(
                    request_id=f"{spec.user:05d}-{index:05d}",
                    edge=edge,
                    user=spec.user,
                    device_class=spec.kind,
                    process_id=0,
                    prompt=request.prompt,
                    edge_prompt=request.prompt if self.whole_prompt else request.edge_prompt,
                    variation_seed=request.variation_seed,
                    private_seed=request.private_seed,
                    core_prompt=request.edge_prompt if self.whole_prompt else None,
                    slot=slot,
                    due_s=arrival.due_s,
                    arrived_s=window_s[1],
                    think_s=arrival.think_s,
                    result="dropped",
                    error=error,
                )
            if arrival.think_s is not None:
                return
            since_s = arrival.due_s
            index += 1
