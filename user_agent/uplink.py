"""The way up: a request's start picture is held until its bits have passed to the edge."""

from __future__ import annotations

from midstep.clock import Clock
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceSpec, UplinkChannel
from midstep.scenario import Scenario
from midstep.telemetry.record import RequestRow
from midstep.wire.start import Start
from midstep.workload.user_request import StartChoice
from user_agent.shared_link import Band, open_link
from user_agent.start_pictures import StartSource

__all__ = ["Uplink"]


class Uplink:
    """One device's uplink, on the band that is paired with the `band` that it shares, or on one of
    its own. `starts` are its user's pictures; each has its own size on the air."""

    def __init__(
        self,
        starts: StartSource,
        spec: DeviceSpec,
        scenario: Scenario,
        clock: Clock,
        band: Band | None,
    ) -> None:
        self._starts = starts
        channel = scenario.channel.model_copy(update={"frame_bytes": None})
        scenario = scenario.model_copy(update={"channel": channel})
        self._clock = clock
        self._channel = UplinkChannel(channel, spec, scenario.seed, scenario.slot_seconds)
        paired = None if band is None else band.uplink
        self._link = open_link(self._channel, spec, scenario, clock, paired)

    def change(self, change: DeviceChange) -> None:
        """Let a change come now; what is on the air goes on under it."""
        self._link.settle()
        self._channel.change(change, self._clock.now())
        self._link.resume()

    async def send(self, row: RequestRow, choice: StartChoice) -> Start:
        """Return a start picture once it has passed, behind the device's earlier ones. Raises
        PromptError for one that cannot be read."""
        start = self._starts.start(choice)
        row.start_digest = start.key.digest
        row.strength = start.strength
        transfer = await self._link.transmit(len(start.png), row.due_s)
        row.uplink_s = transfer.achieved_s
        row.uplink_wait_s = transfer.booking.wait_s
        row.uplink_late_s = transfer.late_s
        row.uplink_bytes = transfer.nbytes
        return start
