"""Cores, memory, files, disk, clock and ports: a planted fault is called by its name, with what to
do."""

import resource
import shutil
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from midstep.diffusion.profile import StepProfile
from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from midstep.workload.load import load
from orchestrator.cluster import capacity
from orchestrator.doctor import machine
from orchestrator.live.cell import grouped
from tests.orchestrator.doctor.patient import PACED, REAL, asked, told

# cores, load, memory


def test_more_than_the_cores_can_compute_is_warned_of_and_pacing_is_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 2.0)
    few, many = (asked(REAL, f"devices.0.count={n}") for n in (10, 40))
    assert told(machine.load, few, "load").state == "ok"
    found = told(machine.load, many, "load")
    assert found.state == "warn" and "--denoiser paced" in found.do
    users = int(found.do.partition("--users ")[2].partition(";")[0])
    assert told(machine.load, asked(REAL, f"devices.0.count={users}"), "load").state == "ok"
    assert told(machine.load, asked(PACED, "devices.0.count=1000"), "load").state == "ok"
    assert told(machine.load, asked(REAL, "model.path=./nowhere"), "load").state == "warn"


def test_the_load_is_users_by_their_cycle_by_what_a_request_computes() -> None:
    profile = StepProfile({1: 0.02}, encode_s=0.001, decode_s=0.005)
    scenario = parse(
        {
            "devices": [{"class": "a", "count": 3}],
            "workload": {"arrivals": {"closed": {"think_s": 1}}},
        }
    )
    cores = load(scenario, profile)
    cycle = 1 + 6 * 0.02 + 14 * 0.02 / (0.075 * 0.85)
    assert cores.requests_s == pytest.approx(3 / cycle)
    assert cores.edge_cores == pytest.approx(3 / cycle * (6 * 0.02 + 0.001))
    assert cores.device_cores == pytest.approx(3 / cycle * (14 * 0.02 + 0.001 + 0.005))
    poisson = {"workload": {"arrivals": {"poisson": {"per_user_per_minute": 6}}}}
    assert load(parse(poisson), profile).requests_s == pytest.approx(1.0)


@pytest.mark.parametrize("tree", [REAL, PACED])
def test_too_many_processes_for_the_cores_are_warned_of(
    tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 2.0)
    of = asked(tree, "devices.0.count=300", "hosts.devices_per_host=5")
    found = told(machine.cores, of, "cores")
    assert found.state == "warn" and "hosts.devices_per_host=150" in found.do
    assert (
        told(
            machine.cores, asked(tree, "devices.0.count=300", "hosts.devices_per_host=150"), "cores"
        ).state
        == "ok"
    )
    threads = asked(REAL, "edges.0.threads=4")
    assert "threads" in told(machine.cores, threads, "cores").do


def test_hosts_are_counted_as_a_run_groups_its_devices() -> None:
    from midstep.radio.fading import specs

    edges = [{"name": name} for name in ("north", "south", "west")]
    devices = [{"class": "a", "count": 17}, {"class": "b", "count": 9, "edge": "south"}]
    for per in (1, 4, 5, 100):
        scenario = parse({"edges": edges, "devices": devices, "hosts": {"devices_per_host": per}})
        groups = grouped(specs(scenario), [edge.name for edge in scenario.edges], per)
        assert capacity.hosts(scenario) == sum(map(len, groups.values()))


def test_memory_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2e9))
    of = asked(REAL, "devices.0.count=50", "hosts.devices_per_host=1")
    found = told(machine.memory, of, "memory")
    assert found.state == "fail" and "this machine has 2.0 GB free" in found.text
    assert found.do.startswith("raise hosts.devices_per_host")
    with pytest.raises(ScenarioError, match="50 devices in 50 hosts need about"):
        capacity.check_memory(of.scenario, 50, of.scenario.users)
    assert told(machine.memory, asked(PACED), "memory").state == "ok"
    assert told(machine.memory, asked(REAL, "model.path=./nowhere"), "memory").state == "warn"
    assert (
        told(machine.memory, asked(REAL, "devices.0.count=5000", address="auto"), "memory").state
        == "ok"
    )


@pytest.mark.parametrize(
    ("limit", "state"), [((100, 100), "fail"), ((200, 4096), "warn"), ((4096, 4096), "ok")]
)
def test_a_low_limit_on_open_files(
    limit: tuple[int, int], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: limit)
    found = told(machine.files, asked(), "open files")
    assert found.state == state
    assert state == "ok" or "ulimit -n" in found.do
    assert ("hard limit is 100" in found.do) == (state == "fail")


# disk, clock, ports


def test_a_full_disk_and_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.chdir(tmp_path)
    for free, state in ((1e7, "fail"), (5e8, "warn"), (1e11, "ok")):
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path, free=free: usage(1e12, 1e12 - free, free)
        )
        assert told(machine.disk, asked(), "disk").state == state
    (tmp_path / "runs").write_text("no folder")
    found = told(machine.disk, asked(), "disk")
    assert found.state == "fail" and "--out DIR" in found.do


def test_sleeps_that_end_late_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_lateness", lambda: 0.0002)
    assert told(machine.clock, asked(), "clock").state == "ok"
    monkeypatch.setattr(machine, "_lateness", lambda: 0.050)
    found = told(machine.clock, asked(), "clock")
    assert found.state == "warn" and "50.0 ms" in found.text and "INVALID" in found.do


def test_a_port_in_use(busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "USUAL_PORTS", {"Grafana": busy})
    of = asked(REAL, f"edges.0.address=127.0.0.1:{busy}")
    assert told(machine.ports, of, f"port {busy} (Grafana)").state == "warn"
    found = told(machine.ports, of, "edge-0")
    assert (
        found.state == "fail"
        and found.text == "in use by another program"
        and "edges.0.address" in found.do
    )
    assert told(machine.ports, asked(REAL, "edges.0.address=127.0.0.1:0"), "edge-0").state == "ok"


def test_a_machine_without_loopback_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine, "_in_the_way", lambda host, port: "Cannot assign requested address"
    )
    assert told(machine.ports, asked(), "loopback").state == "fail"
    assert told(machine.ports, asked(PACED, "modes.wire=inprocess"), "loopback").state == "warn"
