"""A wish for more devices than are carried is refused before anything is made for one of them."""

import time

import pytest

from midstep.clock import VirtualClock
from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from orchestrator.cluster import capacity
from orchestrator.live.cell import Parts
from orchestrator.live.launch import Options, check
from orchestrator.live.scaling import Scaler
from tests import paced

MILLION = 1_000_000


def test_a_run_of_a_million_is_refused_before_its_devices_are_made() -> None:
    start_s = time.process_time()
    with pytest.raises(ScenarioError, match=r"1,000,000 devices in one process, .* 200,000"):
        check(parse(paced.tree(devices=[{"count": MILLION}])), Options())
    over_grpc = paced.tree(
        devices=[{"count": MILLION}],
        hosts={"devices_per_host": MILLION},
        modes={"denoiser": "paced"},
    )
    with pytest.raises(ScenarioError, match=r"lower hosts\.devices_per_host"):
        check(parse(over_grpc), Options())
    assert time.process_time() - start_s < 2


async def test_a_live_run_is_not_scaled_to_a_million() -> None:
    scenario = parse(paced.TREE)
    scaler = Scaler(scenario, Parts(cells=[], targets=[]), 0.0, VirtualClock(), lambda _: None)
    with pytest.raises(ScenarioError, match="1,000,000 devices in one process"):
        await scaler.scale(MILLION)


def test_a_machine_carries_no_million_in_few_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = parse(paced.tree(hosts={"devices_per_host": 100_000}))
    monkeypatch.setattr(capacity, "memory_bytes", lambda *_: 0.0)
    with pytest.raises(ScenarioError, match="1,000,000 devices on one machine"):
        capacity.check_memory(scenario, 10, MILLION)
