"""Link and throttle on the virtual clock: commanded and achieved are the same instant there."""

import asyncio

import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.radio.fading import DeviceChannel, specs
from midstep.scenario import Scenario
from user_agent.booking import Stage
from user_agent.link import Link, Transfer
from user_agent.throttle import Throttle


def channel_of(scenario: Scenario) -> DeviceChannel:
    return DeviceChannel(scenario.channel, specs(scenario)[0], scenario.seed)


def test_bits_pass_at_the_rates_of_the_slots_they_span(scenario: Scenario) -> None:
    channel = channel_of(scenario)

    async def world() -> Transfer:
        clock = VirtualClock()
        await clock.sleep_until(2.9)
        link = Link(channel, clock, 1.0, None)
        nbytes = round((0.1 * channel.rate_bps(2) + 0.25 * channel.rate_bps(3)) / 8)
        return await link.transmit(nbytes)

    transfer = run_virtual(world())
    assert transfer.achieved_s == pytest.approx(0.35, rel=1e-4)
    assert transfer.late_s == pytest.approx(0, abs=1e-9)
    assert transfer.rate_bps * transfer.booking.work_s == pytest.approx(8 * transfer.nbytes)


def test_the_scenarios_d_replaces_the_frames_own_size(scenario: Scenario) -> None:
    channel = channel_of(scenario)

    async def world() -> tuple[Transfer, Transfer]:
        clock = VirtualClock()
        own = await Link(channel, clock, 1e6, None).transmit(8000)
        return own, await Link(channel, clock, 1e6, 500_000).transmit(8000)

    own, fixed = run_virtual(world())
    assert (own.nbytes, fixed.nbytes) == (8000, 500_000)
    assert fixed.achieved_s == pytest.approx(own.achieved_s * 500_000 / 8000)


def test_transfers_of_one_device_do_not_hold_up_another(scenario: Scenario) -> None:
    async def world() -> float:
        clock = VirtualClock()
        links = [
            Link(DeviceChannel(scenario.channel, s, 7), clock, 1.0, 500_000)
            for s in specs(scenario)
        ]
        transfers = await asyncio.gather(*(link.transmit(1) for link in links))
        assert clock.now() == pytest.approx(max(t.achieved_s for t in transfers))
        return clock.now()

    assert run_virtual(world()) > 0


def test_a_device_is_as_slow_as_its_speed_says_and_late_only_where_its_host_was(
    scenario: Scenario,
) -> None:
    channel = channel_of(scenario)

    async def world() -> None:
        clock = VirtualClock()
        throttle = Throttle(channel, clock, 1e6, step_s=0.01)
        booking = throttle.book(0.0, 14)
        assert booking.work_s == pytest.approx(14 * 0.01 / channel.speed(0))
        in_time = await throttle.hold(booking)
        assert in_time.achieved_s == pytest.approx(booking.work_s)
        assert in_time.late_s == pytest.approx(0, abs=1e-9)
        slow = throttle.book(clock.now(), 1)
        await clock.sleep_until(slow.due_s + 0.5)
        late = await throttle.hold(slow)
        assert late.late_s == pytest.approx(0.5)

    run_virtual(world())


def test_who_waits_behind_an_earlier_piece_is_not_at_work(scenario: Scenario) -> None:
    channel = channel_of(scenario)

    async def world() -> tuple[list[Stage], list[Transfer]]:
        clock = VirtualClock()
        throttle = Throttle(channel, clock, 1e6, step_s=0.01)
        stages = [throttle.hold(throttle.book(0.0, 14)) for _ in range(3)]
        link = Link(channel, clock, 1e6, 500_000)
        transfers = [link.transmit(1) for _ in range(3)]
        return list(await asyncio.gather(*stages)), list(await asyncio.gather(*transfers))

    stages, transfers = run_virtual(world())
    alone = 14 * 0.01 / channel.speed(0)
    assert [s.booking.work_s for s in stages] == pytest.approx([alone] * 3)
    assert [s.booking.wait_s for s in stages] == pytest.approx([0, alone, 2 * alone])
    assert [s.late_s for s in stages] == pytest.approx([0] * 3, abs=1e-9)
    assert [t.rate_bps for t in transfers] == pytest.approx([channel.rate_bps(0)] * 3)
    assert [t.booking.wait_s > 0 for t in transfers] == [False, True, True]
