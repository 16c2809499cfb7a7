"""Users of a class with `choose: fastest`: at each slot's end some are handed over to the edge
where their requests would take least."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable

from midstep.errors import MidstepError
from midstep.radio import channel_law, physics, places
from midstep.radio.fading import DeviceSpec
from midstep.telemetry.record import RequestRow
from orchestrator.live.faults.handover import Handover
from orchestrator.live.faults.room import World
from orchestrator.records.rows import SlotProgress

__all__ = ["Choosing"]

FRESH = 0.3  # share of a slot's mean in the running one
WORTH = 0.1  # share of its response that a user must gain
AT_ONCE = 0.1  # share of an edge's choosers that leave it in a slot: who follows sees what it did


class Choosing:
    """What requests took lately at each edge but for their link, by class, and the link's own time
    at each edge's distance without fading: who would gain a tenth of that goes, those first who
    gain most, a tenth of an edge's at once."""

    def __init__(self, world: World, rooms: Handover) -> None:
        self._world = world
        self._rooms = rooms
        groups = world.scenario.devices
        self._choosers = {n for n, group in enumerate(groups) if group.choose == "fastest"}
        self._spent_s: dict[tuple[str, str], float] = {}  # by edge and class
        self._task: asyncio.Task[None] | None = None

    def slot_ended(self, progress: SlotProgress) -> None:
        """Hand over who would be faster elsewhere, unless those of the slot before still go."""
        if not self._choosers:
            return
        self._learn(progress.requests)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._hand_over(), name="choosing")

    async def close(self) -> None:
        """Hand nobody over any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _learn(self, requests: Iterable[RequestRow]) -> None:
        spent_s = defaultdict[tuple[str, str], list[float]](list)
        for row in requests:
            if row.result == "done" and row.total_s is not None:
                place = row.edge, row.device_class
                on_link_s = (
                    (row.link_wait_s or 0.0) + (row.uplink_s or 0.0) + (row.transfer_s or 0.0)
                )
                spent_s[place].append(row.total_s - on_link_s)
        for place, values in spent_s.items():
            mean = sum(values) / len(values)
            before = self._spent_s.get(place, mean)
            self._spent_s[place] = before + FRESH * (mean - before)

    async def _hand_over(self) -> None:
        for edge, users in self._leaving().items():
            try:
                await self._rooms.hand_over(users, edge)
            except MidstepError:  # an edge that dies is told of, and nobody goes there
                continue

    def _leaving(self) -> dict[str, list[int]]:
        """Users by the edge that they go to."""
        going = defaultdict[str, list[int]](list)
        alive = self._world.parts.alive
        for cell in alive:
            choosers = [spec for spec in cell.devices if spec.group in self._choosers]
            gains = []
            for spec in choosers:
                here_s = self._response_s(spec, cell.name)
                there_s, name = min((self._response_s(spec, one.name), one.name) for one in alive)
                if here_s - there_s > WORTH * here_s:
                    gains.append((there_s - here_s, spec.user, name))
            most = math.ceil(AT_ONCE * len(choosers))
            for _, user, name in sorted(gains)[:most]:
                going[name].append(user)
        return going

    def _response_s(self, spec: DeviceSpec, edge: str) -> float:
        """What a user's request would take at an edge; of one where nobody of the class has had a
        picture lately, the link alone."""
        scenario = self._world.scenario
        place_m = scenario.at(edge).edge.place_m
        far_m = spec.distance_m
        if spec.place_m is not None and place_m is not None:
            far_m = places.distance_m(spec.place_m, place_m)
        radio = scenario.channel
        gain = channel_law.mean_gain(radio, far_m)
        rate_bps = float(physics.rate_bps(spec.bandwidth_hz, radio.power_w, gain, radio.noise_w))
        cell = next(cell for cell in self._world.parts.alive if cell.name == edge)
        link_s = 8 * (radio.frame_bytes or cell.output_bytes) / rate_bps
        return link_s + self._spent_s.get((edge, spec.kind), 0.0)
