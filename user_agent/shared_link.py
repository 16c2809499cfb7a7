"""Links of devices that share their edge's bandwidth: (21) taken literally. All of an edge's
devices live in one process, where one band knows who receives at the moment."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from functools import partial

from midstep.clock import Clock
from midstep.errors import ScenarioError
from midstep.radio.fading import DeviceChannel, DeviceSpec, specs
from midstep.radio.shared_band import Passage, SharedBand
from midstep.scenario import Scenario
from user_agent.booking import Booking
from user_agent.link import Link

__all__ = ["Band", "SharedLink", "check_together", "open_band", "open_link"]

TIMER_S = 1e-9  # of an event loop: what is due so soon is due now


class Band:
    """A shared band on a clock: it says when a frame has passed."""

    def __init__(self, band: SharedBand, clock: Clock) -> None:
        self._band = band
        self._clock = clock
        self._waiting: dict[Passage, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def share_hz(self) -> float:
        """A receiver's share as the slots before would have it: W by the mean number of users that
        received at once in them."""
        self._settle(self._clock.now())
        return self._band.total_hz / self._band.mean_receivers

    @property
    def change_s(self) -> float:
        """No frame that is on the air has passed before then; infinity where none is."""
        change_s = self._band.next_change_s()
        return math.inf if change_s is None else change_s

    async def send(self, passage: Passage) -> bool:
        """Send a frame, or what is left of it, from now on; whether it has passed: False where it
        was taken off the air. A caller that is cancelled takes it off the air."""
        self._tell(self._band.begin(passage, self._clock.now()))
        waiting = self._waiting[passage] = asyncio.get_running_loop().create_future()
        self._expect()
        try:
            await waiting
        except asyncio.CancelledError:
            self._waiting.pop(passage, None)
            self._tell(self._band.leave(passage, self._clock.now()))
            self._expect()
            raise
        return passage.ended_s is not None

    def withdraw(self, passage: Passage) -> None:
        """Take a frame off the air, with what is left of it."""
        self._tell(self._band.leave(passage, self._clock.now()))
        waiting = self._waiting.pop(passage, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        self._expect()

    def settle(self) -> None:
        """Let all happen that is due by now: rates are about to change."""
        self._settle(self._clock.now())

    def resume(self) -> None:
        """Go on at the rates that there are now."""
        self._expect()

    def _settle(self, now_s: float) -> None:
        self._tell(self._band.advance(now_s))

    def _tell(self, ended: Iterable[Passage]) -> None:
        for passage in ended:
            waiting = self._waiting.pop(passage, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    def _expect(self) -> None:
        """Set the timer for the next change."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        change_s = self._band.next_change_s()
        if change_s is not None:
            wait_s = max(0.0, change_s - self._clock.now()) / self._clock.scale
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake, change_s)

    def _wake(self, change_s: float) -> None:
        now_s = self._clock.now()
        # a timer may fire a little early: time would stand still where the rest is lost in rounding
        self._settle(max(now_s, change_s) if change_s - now_s < TIMER_S else now_s)
        self._expect()


class SharedLink(Link):
    """One device's downlink on a band that it shares. A frame is off the air while the link is
    down: the others then have its share. Otherwise as Link."""

    def __init__(
        self,
        channel: DeviceChannel,
        spec: DeviceSpec,
        band: Band,
        clock: Clock,
        scenario: Scenario,
    ) -> None:
        super().__init__(
            channel,
            clock,
            scenario.slot_seconds,
            scenario.channel.frame_bytes,
            parallel=spec.parallel,
            patience_s=scenario.deadline_s,
        )
        self._spec = spec
        self._band = band
        self._slot_seconds = scenario.slot_seconds
        self._passing: list[Passage] = []

    @property
    def rate_bps(self) -> float:
        """What the device expects of its link: with its gain of now, and the share of W that
        receivers had in the slots before."""
        return self._channel.efficiency(self._slot(self._clock.now())) * self._band.share_hz

    @property
    def arrival_s(self) -> float:
        """See Link.arrival_s; of all who share the band, and no later than that."""
        return self._band.change_s

    def settle(self) -> None:
        self._band.settle()

    def resume(self) -> None:
        if self._channel.down:
            for passage in list(self._passing):
                self._band.withdraw(passage)
        self._band.resume()
        self._see()

    async def _pass(self, on_air: int, asked_s: float, due_s: float | None) -> Booking:
        passage = Passage(
            user=self._spec.user,
            left=8.0 * on_air,
            efficiency=self._efficiency(due_s),
            parallel=self._spec.parallel,
        )
        if self._channel.down:
            passage.asked_s = self._clock.now()
        while True:
            await self._wait_for_link(asked_s)
            self._passing.append(passage)
            try:
                passed = await self._band.send(passage)
            finally:
                self._passing.remove(passage)
            if passed:
                break
        assert passage.asked_s is not None
        assert passage.begins_s is not None and passage.ended_s is not None
        return Booking(asked_s=passage.asked_s, begins_s=passage.begins_s, due_s=passage.ended_s)

    def _efficiency(self, due_s: float | None) -> Callable[[int], float]:
        """(bit/s)/Hz by slot, of a frame whose request was due at `due_s`."""
        if not self._spec.parallel or due_s is None:
            return self._channel.efficiency
        return partial(_always, self._channel.efficiency, self._slot(due_s))

    def _slot(self, now_s: float) -> int:
        return int(now_s // self._slot_seconds)


def open_band(scenario: Scenario, clock: Clock) -> Band | None:
    """The band that the devices of the scenario's edge share; None where each has its own."""
    total_mhz = scenario.channel.total_mhz
    if total_mhz is None:
        return None
    return Band(SharedBand(1e6 * total_mhz, scenario.slot_seconds), clock)


def check_together(scenario: Scenario, here: Iterable[DeviceSpec], edge: str) -> None:
    """Raise ScenarioError where a shared band has devices of this edge in another process."""
    if scenario.channel.total_mhz is None:
        return
    users = {spec.user for spec in here}
    others = sum(spec.edge == edge and spec.user not in users for spec in specs(scenario))
    if others:
        raise ScenarioError(
            f"channel.total_mhz: {others} devices of {edge} live in other processes, where nobody "
            f"knows who receives here: set hosts.devices_per_host to {len(users) + others} or more"
        )


def open_link(
    channel: DeviceChannel, spec: DeviceSpec, scenario: Scenario, clock: Clock, band: Band | None
) -> Link:
    """The link of a device; on the `band` that it shares with others, or on one of its own."""
    if band is not None:
        return SharedLink(channel, spec, band, clock, scenario)
    return Link(
        channel,
        clock,
        scenario.slot_seconds,
        scenario.channel.frame_bytes,
        parallel=spec.parallel,
        patience_s=scenario.deadline_s,
    )


def _always(efficiency: Callable[[int], float], always: int, slot: int) -> float:
    """The efficiency of one slot in every slot."""
    return efficiency(always)
