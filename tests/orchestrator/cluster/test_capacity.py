"""What a scenario asks of the machine, counted before anything starts."""

import pytest

from midstep.errors import ScenarioError
from midstep.radio.fading import specs
from midstep.scenario_file import parse
from orchestrator.cluster import capacity
from orchestrator.live.cell import grouped
from tests import paced


@pytest.mark.parametrize("per_host", [1, 3, 1000])
def test_hosts_are_counted_without_making_a_device(per_host: int) -> None:
    edges = [{"name": name, "capacity": "64KiB"} for name in ("north", "south")]
    devices = [
        {"class": "phone", "count": 7, "edge": "north"},
        {"class": "tablet", "count": 4},
        {"class": "pc", "count": 1},
    ]
    scenario = parse(paced.tree(edges=edges, devices=devices, hosts={"devices_per_host": per_host}))
    groups = grouped(specs(scenario), ["north", "south"], per_host)
    assert capacity.hosts(scenario) == sum(len(hosts) for hosts in groups.values())


def test_a_million_users_are_refused_by_their_memory_at_once() -> None:
    scenario = parse(paced.tree()).with_users(1_000_000)
    with pytest.raises(ScenarioError, match="1000000 devices in 500000 hosts need about"):
        capacity.check_memory(scenario, capacity.hosts(scenario), scenario.users)


def test_more_processes_than_the_cores_carry_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "usable_cores", lambda: 2.0)
    capacity.check_cores(40, 10)
    with pytest.raises(ScenarioError, match="41 hosts more make 51 processes, this machine's"):
        capacity.check_cores(41, 10)
