"""Room for a run's processes, looked for before the first of them is started."""

from __future__ import annotations

import ray

from midstep.errors import ScenarioError
from midstep.scenario import Scenario
from orchestrator.cluster import capacity
from orchestrator.cluster.beside import beside
from orchestrator.cluster.placement import HOST_CPUS

__all__ = ["Headroom"]

ANSWER_S = 10.0  # wall seconds of the cluster's head


class Headroom:
    """Room that a run's processes have: on this machine where its Ray is the run's `own`, else on
    the cluster, whose CPUs Ray counts."""

    def __init__(self, scenario: Scenario, own: bool) -> None:
        self._scenario = scenario
        self.own = own

    def check_memory(self, hosts: int, users: int) -> None:
        """Raise ScenarioError where this machine cannot carry so many processes."""
        if self.own:
            capacity.check_memory(self._scenario, hosts, users)

    async def check_hosts(self, hosts: int, processes: int) -> None:
        """Raise ScenarioError where so many hosts more, beside a run's `processes`, find no memory
        or no cores; PartDied where the cluster's head does not answer."""
        if hosts == 0:
            return
        if self.own:
            users = hosts * self._scenario.hosts.devices_per_host
            capacity.check_memory(self._scenario, hosts, users)
            capacity.check_cores(hosts, processes)
            return
        free = (await beside(ray.available_resources, ANSWER_S)).get("CPU", 0.0)
        if HOST_CPUS * hosts > free:
            raise ScenarioError(
                f"{hosts} hosts more need {HOST_CPUS * hosts:g} CPUs, the cluster has {free:g} "
                f"free: ask for fewer users, or begin with a larger hosts.devices_per_host"
            )
