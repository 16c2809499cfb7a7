"""Devices and links that change in the middle of their work, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.errors import LinkLost
from midstep.events.changes import DeviceChange
from midstep.radio.fading import DeviceChannel, specs
from midstep.scenario import Scenario
from midstep.scenario_file import parse
from tests import paced
from user_agent.link import Link, Transfer
from user_agent.shared_link import open_band, open_link
from user_agent.throttle import Throttle

DOWN = DeviceChange(down=True)
UP = DeviceChange()


def world_of(shared: bool = False, parallel: bool = False, **changes: object) -> Scenario:
    """Two devices alike, without fading, alone on their links or on a band of the same width."""
    phone = {"class": "phone", "count": 2, "distance_m": [200, 200], "bandwidth_mhz": [5, 5]}
    return parse(
        paced.tree(
            devices=[{**phone, "parallel": parallel}],
            channel={"fading": False, "total_mhz": 5 if shared else None},
            **changes,
        )
    )


class Device:
    """A device's link and processor, and the channel that both follow."""

    def __init__(self, scenario: Scenario, number: int, clock: VirtualClock, band: object) -> None:
        spec = specs(scenario)[number]
        self.clock = clock
        self.channel = DeviceChannel(scenario.channel, spec, 7, scenario.slot_seconds)
        self.link: Link = open_link(self.channel, spec, scenario, clock, band)  # type: ignore[arg-type]
        self.throttle = Throttle(
            self.channel, clock, scenario.slot_seconds, 0.01, parallel=spec.parallel
        )

    async def change(self, at_s: float, change: DeviceChange) -> None:
        await self.clock.sleep_until(at_s)
        self.link.settle()
        self.throttle.settle()
        self.channel.change(change, self.clock.now())
        self.link.resume()
        self.throttle.resume()


def devices_in(scenario: Scenario) -> tuple[Device, Device]:
    clock = VirtualClock()
    band = open_band(scenario, clock)
    first, second = (Device(scenario, number, clock, band) for number in range(2))
    return first, second


def unit_s(scenario: Scenario) -> float:
    """Seconds of a frame that has a link to itself."""
    return 4e6 / DeviceChannel(scenario.channel, specs(scenario)[0], 7).rate_bps(0)


def played(scenario: Scenario, play: Callable[[Device, Device], Awaitable[None]]) -> None:
    async def world() -> None:
        await play(*devices_in(scenario))

    run_virtual(world())


async def frames(device: Device, number: int) -> list[Transfer]:
    return list(await asyncio.gather(*(device.link.transmit(1, 0.0) for _ in range(number))))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("parallel", [False, True])
def test_a_frame_on_the_air_goes_on_at_the_new_rate(shared: bool, parallel: bool) -> None:
    scenario = world_of(shared, parallel)
    one_s = unit_s(scenario)

    async def play(device: Device, other: Device) -> None:
        sent = asyncio.create_task(frames(device, 2))
        await device.change(0.5 * one_s, DeviceChange(rate_factor=0.25))
        await device.change(1.5 * one_s, DeviceChange())  # lifted
        first, second = await sent
        # a half, a quarter of it in the time of a whole, the last quarter
        assert first.achieved_s == pytest.approx(1.75 * one_s)
        behind = first.achieved_s + one_s
        assert second.achieved_s == pytest.approx(first.achieved_s if parallel else behind)
        assert first.late_s == second.late_s == pytest.approx(0, abs=1e-8)

    played(scenario, play)


@pytest.mark.parametrize("shared", [False, True])
def test_a_frame_waits_for_a_link_that_is_down_and_gives_the_band_to_others(shared: bool) -> None:
    scenario = world_of(shared)
    one_s = unit_s(scenario)

    async def play(device: Device, other: Device) -> None:
        sent = asyncio.create_task(frames(device, 1))
        beside = asyncio.create_task(frames(other, 1))
        await device.change(0.5 * one_s, DOWN)
        (undisturbed,) = await beside
        assert undisturbed.achieved_s == pytest.approx((1.25 if shared else 1.0) * one_s)
        await device.change(3.0 * one_s, UP)
        (frame,) = await sent
        assert frame.achieved_s == pytest.approx((3.75 if shared else 3.5) * one_s)
        assert frame.late_s == pytest.approx(0, abs=1e-8)

    played(scenario, play)


@pytest.mark.parametrize("shared", [False, True])
def test_a_link_that_stays_down_costs_the_deadline_and_no_more(shared: bool) -> None:
    scenario = world_of(shared, deadline_s=5)
    one_s = unit_s(scenario)

    async def play(device: Device, other: Device) -> None:
        await device.change(0.0, DOWN)
        for wait in (device.link.transmit(1, 0.0), device.link.ready()):
            before = device.clock.now()
            with pytest.raises(LinkLost, match="its link was down, for 5 s nothing passed"):
                await wait
            assert device.clock.now() - before == pytest.approx(5)
        await device.change(device.clock.now(), UP)
        assert await device.link.ready() == 0
        (frame,) = await frames(device, 1)  # what was given up is not in its way
        assert frame.achieved_s == pytest.approx(one_s)

    played(scenario, play)


def test_requests_wait_until_their_link_is_up() -> None:
    async def play(device: Device, other: Device) -> None:
        await device.change(0.0, DOWN)
        waiting = [asyncio.create_task(device.link.ready()) for _ in range(2)]
        await device.change(2.5, UP)
        assert await asyncio.gather(*waiting) == pytest.approx([2.5, 2.5])

    played(world_of(), play)


def test_a_slowed_device_does_the_rest_at_its_new_speed() -> None:
    scenario = world_of(slot_seconds=1e6)

    async def play(device: Device, other: Device) -> None:
        first, second = (device.throttle.book(0.0, 10) for _ in range(2))
        alone_s = first.work_s
        held = asyncio.gather(device.throttle.hold(first), device.throttle.hold(second))
        await device.change(0.5 * alone_s, DeviceChange(speed_factor=0.5))
        stages = await held
        ends_s = [0.5 * alone_s + 1.0 * alone_s, 3.5 * alone_s]
        assert [stage.achieved_s for stage in stages] == pytest.approx(ends_s)
        assert stages[1].booking.wait_s == pytest.approx(ends_s[0])
        assert device.throttle.backlog_s == pytest.approx(0, abs=1e-8)

    played(scenario, play)


def test_a_frame_that_does_not_come_whole_is_sent_again_and_its_time_counts() -> None:
    scenario = world_of()
    one_s = unit_s(scenario)

    async def play(device: Device, other: Device) -> None:
        transfer = await device.link.transmit(1, 0.0, lambda resent, nbytes: resent == 2)
        assert (transfer.resent, transfer.nbytes) == (2, 500_000)
        assert transfer.achieved_s == transfer.booking.work_s == pytest.approx(3 * one_s)
        assert transfer.rate_bps == pytest.approx(4e6 / one_s)

    played(scenario, play)


def test_a_frame_that_never_comes_whole_is_given_up_at_the_deadline() -> None:
    scenario = world_of(deadline_s=1)

    async def play(device: Device, other: Device) -> None:
        with pytest.raises(LinkLost, match=r"sent \d+ times within 1 s and never came whole"):
            await device.link.transmit(1, 0.0, lambda resent, nbytes: False)
        assert 1 <= device.clock.now() < 1 + unit_s(scenario)

    played(scenario, play)
