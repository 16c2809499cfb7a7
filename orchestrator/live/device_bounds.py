"""How many devices a process carries: answered before anything is made for each of them."""

from __future__ import annotations

import psutil

from midstep.errors import ScenarioError
from midstep.scenario import Scenario

__all__ = ["DEVICE_BYTES", "MOST_DEVICES", "check_devices"]

# measured: 100,000 devices for a minute of virtual time take 1.6 GB and 104 CPU seconds
DEVICE_BYTES = 16_000
MOST_DEVICES = 200_000  # of a process: that many take 20 s to open


def check_devices(scenario: Scenario, users: int) -> None:
    """Raise ScenarioError, one line that says what would be carried, where a scenario with `users`
    devices has more in one process than it carries, or than this machine has memory for."""
    together = scenario.modes.wire == "inprocess"
    per = users if together else min(users, scenario.hosts.devices_per_host)
    if per > MOST_DEVICES:
        most = f"a process carries {MOST_DEVICES:,}"
        do = "ask for fewer --users" if together else "lower hosts.devices_per_host"
        raise ScenarioError(f"{per:,} devices in one process, {most}: {do}")
    free = psutil.virtual_memory().available
    if together and users * DEVICE_BYTES > free:
        raise ScenarioError(
            f"{users:,} devices need about {users * DEVICE_BYTES / 1e9:.1f} GB, this machine has "
            f"{free / 1e9:.1f} GB free, for {int(free / DEVICE_BYTES):,}: ask for fewer --users"
        )
