"""Demand of a scenario on the machine that runs it: processes, memory, open files."""

from __future__ import annotations

import psutil

from midstep.diffusion.pipelines import weight_bytes
from midstep.errors import ScenarioError
from midstep.machine import usable_cores
from midstep.scenario import Scenario
from orchestrator.live.device_bounds import DEVICE_BYTES, MOST_DEVICES

__all__ = [
    "BUSY_PER_CORE",
    "IDLE_PER_CORE",
    "MOST_LOAD",
    "check_cores",
    "check_memory",
    "hosts",
    "memory_bytes",
    "open_files",
]

REAL_HOST_BYTES = 450e6  # of a process with torch, diffusers and a small pipeline
PACED_HOST_BYTES = 120e6
REST_BYTES = 5e8  # Ray's own processes, and the run's
# open in the busiest process, Ray's raylet: 67 with 2 hosts, 109 with 16
FILES = 100
FILES_PER_PROCESS = 4
# processes that a core carries: hosts that compute, and that only wait (an idle one takes 1 %)
BUSY_PER_CORE = 2
IDLE_PER_CORE = 25
MOST_LOAD = 0.6  # of the cores: what is left keeps every instant in time (docs/design.md)


def hosts(scenario: Scenario) -> int:
    """Processes that the scenario's devices share; each serves one edge."""
    dealt = sum(devices.count for devices in scenario.devices if devices.edge is None)
    per = scenario.hosts.devices_per_host
    edges = len(scenario.edges)
    count = 0
    for number, edge in enumerate(scenario.edges):
        own = sum(devices.count for devices in scenario.devices if devices.edge == edge.name)
        count += -(-(own + dealt // edges + (number < dealt % edges)) // per)
    return count


def memory_bytes(scenario: Scenario, hosts: int) -> float:
    """Memory that `hosts` hosts, their devices and the scenario's edges need on this machine."""
    devices = min(scenario.users, hosts * scenario.hosts.devices_per_host) * DEVICE_BYTES
    return _process_bytes(scenario) * (hosts + len(scenario.edges)) + devices + REST_BYTES


def check_memory(scenario: Scenario, hosts: int, users: int) -> None:
    """Raise ScenarioError where this machine cannot carry so many processes for so many users."""
    needed = memory_bytes(scenario, hosts)
    free = psutil.virtual_memory().available
    if needed > free:
        most = int((free - REST_BYTES) / _process_bytes(scenario)) - len(scenario.edges)
        raise ScenarioError(
            f"{users} devices in {hosts} hosts need about {needed / 1e9:.1f} GB, this "
            f"machine has "
            f"{free / 1e9:.1f} GB free: raise hosts.devices_per_host (now "
            f"{scenario.hosts.devices_per_host}) "
            f"so that at most {max(1, most)} hosts are needed, or ask for fewer --users"
        )
    if users > MOST_DEVICES:
        raise ScenarioError(
            f"{users:,} devices on one machine, it carries {MOST_DEVICES:,}: ask for fewer --users"
        )


def check_cores(hosts: int, processes: int) -> None:
    """Raise ScenarioError where so many hosts more, beside a live run's processes, would leave the
    cores of this machine no time for any of them."""
    most = int(usable_cores() * IDLE_PER_CORE)
    if hosts + processes > most:
        raise ScenarioError(
            f"{hosts} hosts more make {hosts + processes} processes, this machine's cores carry "
            f"{most}: ask for fewer users, or begin with a larger hosts.devices_per_host"
        )


def open_files(scenario: Scenario, hosts: int) -> int:
    """Files and sockets that the busiest process of the run has open."""
    return FILES + FILES_PER_PROCESS * (hosts + 2 * len(scenario.edges))


def _process_bytes(scenario: Scenario) -> float:
    if scenario.modes.denoiser == "paced":
        return PACED_HOST_BYTES
    return REAL_HOST_BYTES + 2 * weight_bytes(scenario.model.path)
