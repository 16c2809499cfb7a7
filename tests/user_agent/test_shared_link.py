"""Links on a band that they share, on the virtual clock; and where it cannot be shared."""

from __future__ import annotations

import asyncio

import pytest

from midstep.clock import VirtualClock, run_virtual
from midstep.errors import ScenarioError
from midstep.radio.fading import DeviceChannel, specs
from midstep.radio.shared_band import SMOOTHING
from midstep.scenario import Scenario
from midstep.scenario_file import load, parse
from tests import paced
from user_agent.link import Link, Transfer
from user_agent.shared_link import SharedLink, check_together, open_band, open_link

ALIKE = {"distance_m": [200, 200], "bandwidth_mhz": [5, 5]}  # whoever has W alone has (6)


def scenario_of(**changes: object) -> Scenario:
    devices = [{"class": "phone", "count": 3, **ALIKE, **changes}]
    return parse(paced.tree(devices=devices, channel={"total_mhz": 5, "fading": False}))


def links_of(scenario: Scenario, clock: VirtualClock) -> list[Link | SharedLink]:
    band = open_band(scenario, clock)
    return [
        open_link(DeviceChannel(scenario.channel, s, 7), s, scenario, clock, band)
        for s in specs(scenario)
    ]


def alone_s(scenario: Scenario) -> float:
    """Seconds of a frame that has the whole band."""
    return 4e6 / DeviceChannel(scenario.channel, specs(scenario)[0], 7).rate_bps(0)


@pytest.mark.parametrize("parallel", [False, True])
def test_receivers_share_the_band_while_they_receive(parallel: bool) -> None:
    """Two begin together, the third when a half of theirs has passed; the first has a second
    frame, which is behind its first or beside it."""
    scenario = scenario_of(parallel=parallel)
    unit_s = alone_s(scenario)

    async def world() -> list[Transfer]:
        clock = VirtualClock()
        links = links_of(scenario, clock)

        async def late() -> Transfer:
            await clock.sleep_until(unit_s)
            return await links[2].transmit(1, clock.now())

        own = [links[0].transmit(1, 0.0), links[0].transmit(1, 0.0), links[1].transmit(1, 0.0)]
        return list(await asyncio.gather(*own, late()))

    first, second, other, late = run_virtual(world())
    # half, then a third of the band each: a half is left at 1, done at 1 + 1.5
    assert first.achieved_s == other.achieved_s == pytest.approx(2.5 * unit_s)
    if parallel:
        assert second.achieved_s == pytest.approx(2.5 * unit_s)
        assert late.achieved_s == pytest.approx(2.0 * unit_s)  # its other half alone
    else:
        assert second.booking.wait_s == pytest.approx(2.5 * unit_s)
        assert late.achieved_s == pytest.approx(2.5 * unit_s)  # its other half at a half
        assert second.booking.due_s == pytest.approx(4 * unit_s)  # the work is kept: 4 frames
    for transfer in (first, second, other, late):
        assert transfer.late_s == pytest.approx(0, abs=1e-9)


def test_a_frame_that_is_given_up_leaves_the_air() -> None:
    scenario = scenario_of()
    unit_s = alone_s(scenario)

    async def world() -> Transfer:
        clock = VirtualClock()
        links = links_of(scenario, clock)
        given_up = asyncio.create_task(links[1].transmit(1, 0.0))
        kept = asyncio.create_task(links[0].transmit(1, 0.0))
        await clock.sleep_until(unit_s)
        given_up.cancel()
        return await kept

    assert run_virtual(world()).achieved_s == pytest.approx(1.5 * unit_s)


def test_a_device_expects_the_share_of_the_slots_before() -> None:
    scenario = scenario_of()
    unit_s = alone_s(scenario)

    async def world() -> list[float]:
        clock = VirtualClock()
        links = links_of(scenario, clock)
        expected = [links[0].rate_bps]
        await asyncio.gather(links[0].transmit(1), links[1].transmit(1))
        for slot in (int(clock.now()) + 1, int(clock.now()) + 2):
            await clock.sleep_until(slot + 0.5)
            expected.append(links[0].rate_bps)
        return expected

    whole = 4e6 / unit_s
    forgotten = whole / (2 * (1 - SMOOTHING))
    assert run_virtual(world()) == pytest.approx([whole, whole / 2, forgotten])


def test_a_band_is_shared_within_one_process_alone() -> None:
    apart = ["channel.total_mhz=90", "modes={wire: grpc}", "policy.latency_target_s=.06"]
    with pytest.raises(ScenarioError, match=r"set hosts\.devices_per_host: 10, or modes\.wire"):
        load("laptop", apart)
    together = load("laptop", [*apart, "hosts.devices_per_host=10"])
    devices = specs(together)
    check_together(together, devices, "edge-0")
    check_together(load("laptop"), devices[:3], "edge-0")
    with pytest.raises(ScenarioError, match="7 devices of edge-0 live in other processes"):
        check_together(together, devices[:3], "edge-0")
