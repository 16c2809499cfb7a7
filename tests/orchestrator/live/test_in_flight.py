"""How many requests a run waits for when it ends."""

import asyncio
from typing import Any

from midstep.clock import run_virtual
from midstep.errors import PartDied
from midstep.scenario_file import parse
from orchestrator.live.cell import Parts
from orchestrator.live.in_flight import requests_in_flight
from orchestrator.live.inprocess import InProcess
from orchestrator.live.launch import Options, check
from tests import paced


class SilentHost:
    async def in_flight(self) -> int:
        await asyncio.sleep(1e6)
        return 1


class DeadHost:
    async def in_flight(self) -> int:
        raise PartDied("it died")


def test_what_devices_wait_for_is_counted_and_nobody_waits_for_a_silent_host() -> None:
    scenario = parse(paced.tree())
    launch = check(scenario, Options())

    async def count() -> tuple[int, int, float]:
        cluster = InProcess(launch)
        parts: Parts = await cluster.open(lambda _: None)
        hosts = parts.hosts
        launch.clock.begin(0.0)
        for host in hosts:
            await host.start(0.0)
        await launch.clock.sleep_until(3.0)
        others: Any = [SilentHost(), DeadHost()]
        parts.cells[0].hosts += others
        began = asyncio.get_running_loop().time()
        busy = await requests_in_flight(parts)
        took_s = asyncio.get_running_loop().time() - began
        await asyncio.gather(*(host.stop(60.0) for host in hosts))
        still = await requests_in_flight(parts)
        await cluster.close()
        return busy, still, took_s

    busy, still, took_s = run_virtual(count())
    assert 0 < busy <= scenario.users
    assert still == 0
    assert took_s <= 1.0
