"""Cores, memory, files, disk, clock and ports: a planted fault is called by its name, with what to
do."""

import os
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
from tests.orchestrator.doctor.patient import PACED, REAL, finding, planned_run

# cores, load, memory


def test_more_than_the_cores_can_compute_is_warned_of_and_pacing_is_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "usable_cores", lambda: 2.0)
    few, many = (planned_run(REAL, f"devices.0.count={n}") for n in (10, 40))
    assert finding(machine.load, few, "load").state == "ok"
    load_finding = finding(machine.load, many, "load")
    assert load_finding.state == "warn" and "--denoiser paced" in load_finding.do
    users = int(load_finding.do.partition("--users ")[2].partition(";")[0])
    assert (
        finding(machine.load, planned_run(REAL, f"devices.0.count={users}"), "load").state == "ok"
    )
    assert finding(machine.load, planned_run(PACED, "devices.0.count=1000"), "load").state == "ok"
    assert finding(machine.load, planned_run(REAL, "model.path=./nowhere"), "load").state == "warn"


def test_a_machine_slower_than_the_profile_has_the_more_to_do_for_the_same_users() -> None:
    profile = StepProfile({1: 0.02}, encode_s=0.001, decode_s=0.005)
    scenario = parse({"devices": [{"count": 3}]})
    alone = load(scenario, profile)
    slow = load(scenario, profile.scaled(3), profile)
    assert slow.requests_s == alone.requests_s
    assert slow.edge_cores == pytest.approx(3 * alone.edge_cores)


@pytest.mark.parametrize(
    ("own", "ray", "state"), [(0, None, "ok"), (10, None, "warn"), (0, "15", "warn")]
)
def test_a_run_behind_all_other_programs_is_warned_of(
    own: int, ray: str | None, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpriority", lambda *_: own)
    monkeypatch.delenv("RAY_worker_niceness", raising=False)
    if ray is not None:
        monkeypatch.setenv("RAY_worker_niceness", ray)
    assert finding(machine.priority, planned_run(REAL), "priority").state == state


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
    of = planned_run(tree, "devices.0.count=300", "hosts.devices_per_host=5")
    cores_finding = finding(machine.cores, of, "cores")
    assert cores_finding.state == "warn" and "hosts.devices_per_host=150" in cores_finding.do
    assert (
        finding(
            machine.cores,
            planned_run(tree, "devices.0.count=300", "hosts.devices_per_host=150"),
            "cores",
        ).state
        == "ok"
    )
    threads = planned_run(REAL, "edges.0.threads=4")
    assert "threads" in finding(machine.cores, threads, "cores").do


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
    of = planned_run(REAL, "devices.0.count=50", "hosts.devices_per_host=1")
    memory_finding = finding(machine.memory, of, "memory")
    assert memory_finding.state == "fail" and "this machine has 2.0 GB free" in memory_finding.text
    assert memory_finding.do.startswith("raise hosts.devices_per_host")
    with pytest.raises(ScenarioError, match="50 devices in 50 hosts need about"):
        capacity.check_memory(of.scenario, 50, of.scenario.users)
    assert finding(machine.memory, planned_run(PACED), "memory").state == "ok"
    for absent in ("./nowhere", "someone/something"):
        of_none = planned_run(REAL, f"model.path={absent}")
        assert finding(machine.memory, of_none, "memory").state == "warn"
    assert (
        finding(
            machine.memory, planned_run(REAL, "devices.0.count=5000", address="auto"), "memory"
        ).state
        == "ok"
    )


@pytest.mark.parametrize(
    ("limit", "state"), [((100, 100), "fail"), ((200, 4096), "warn"), ((4096, 4096), "ok")]
)
def test_a_low_limit_on_open_files(
    limit: tuple[int, int], state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: limit)
    files_finding = finding(machine.files, planned_run(), "open files")
    assert files_finding.state == state
    assert state == "ok" or "ulimit -n" in files_finding.do
    assert ("hard limit is 100" in files_finding.do) == (state == "fail")


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
        assert finding(machine.disk, planned_run(), "disk").state == state
    (tmp_path / "runs").write_text("no folder")
    disk_finding = finding(machine.disk, planned_run(), "disk")
    assert disk_finding.state == "fail" and "--out DIR" in disk_finding.do


def test_sleeps_that_end_late_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_lateness", lambda: 0.0002)
    assert finding(machine.clock, planned_run(), "clock").state == "ok"
    monkeypatch.setattr(machine, "_lateness", lambda: 0.050)
    clock_finding = finding(machine.clock, planned_run(), "clock")
    assert (
        clock_finding.state == "warn"
        and "50.0 ms" in clock_finding.text
        and "INVALID" in clock_finding.do
    )


def test_a_port_in_use(busy: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "USUAL_PORTS", {"Grafana": busy})
    of = planned_run(REAL, f"edges.0.address=127.0.0.1:{busy}")
    assert finding(machine.ports, of, f"port {busy} (Grafana)").state == "warn"
    ports_finding = finding(machine.ports, of, "edge-0")
    assert (
        ports_finding.state == "fail"
        and ports_finding.text == "in use by another program"
        and "edges.0.address" in ports_finding.do
    )
    assert (
        finding(machine.ports, planned_run(REAL, "edges.0.address=127.0.0.1:0"), "edge-0").state
        == "ok"
    )


def test_a_machine_without_loopback_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine, "_in_the_way", lambda host, port: "Cannot assign requested address"
    )
    assert finding(machine.ports, planned_run(), "loopback").state == "fail"
    assert (
        finding(machine.ports, planned_run(PACED, "modes.wire=inprocess"), "loopback").state
        == "warn"
    )
